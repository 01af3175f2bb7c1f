package replica_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica"
	"github.com/etalon-kv/etalon/replica/peers"
)

// sick is a log whose syncs fail, or wait, when told to.
type sick struct {
	replica.Log
	fail atomic.Bool
	gate atomic.Pointer[chan struct{}]
}

func (s *sick) Sync() error {
	if g := s.gate.Load(); g != nil {
		<-*g
	}
	if s.fail.Load() {
		return errors.New("the disk is gone")
	}
	return s.Log.Sync()
}

// alone opens a group of one over a sick log.
func alone(t *testing.T, tune func(*replica.Config)) (*replica.Replica, *sick, *list) {
	t.Helper()
	log, state := openLog(t, t.TempDir()), newList(1)
	s := &sick{Log: log}
	cfg := replica.Config{ID: 1, Log: s, State: state, Found: true, TickInterval: 10 * time.Millisecond}
	if tune != nil {
		tune(&cfg)
	}
	r, err := replica.Open(cfg)
	must(t, err)
	t.Cleanup(func() {
		_ = r.Close()
		_ = log.Close()
	})
	_, err = r.Propose(ctx(t), []byte("first"))
	must(t, err)
	return r, s, state
}

func TestAFailedSyncStopsTheMemberAndAcknowledgesNothing(t *testing.T) {
	r, s, state := alone(t, nil)
	s.fail.Store(true)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := r.Propose(context.Background(), []byte("x")); !errors.Is(err, replica.ErrStopped) {
				t.Errorf("a proposal that was never durable answers %v", err)
			}
		})
	}
	wg.Wait()
	<-r.Done()
	if err := r.Err(); !errors.Is(err, replica.ErrStopped) {
		t.Fatalf("stopped with %v", err)
	}
	s.fail.Store(false)
	if err := r.ReadIndex(ctx(t)); !errors.Is(err, replica.ErrStopped) {
		t.Fatalf("a read afterwards: %v", err)
	}
	if n, _ := state.last(); n != 1 {
		t.Fatalf("%d commands applied", n)
	}
	if err := r.Close(); !errors.Is(err, replica.ErrStopped) {
		t.Fatalf("Close: %v", err)
	}
}

func TestAFailedApplyStopsTheMember(t *testing.T) {
	r, _, state := alone(t, nil)
	state.mu.Lock()
	state.fail = errors.New("the engine is gone")
	state.mu.Unlock()
	if _, err := r.Propose(ctx(t), []byte("x")); !errors.Is(err, replica.ErrStopped) {
		t.Fatalf("the proposal answers %v", err)
	}
	<-r.Done()
}

func TestQueuesAreBounded(t *testing.T) {
	r, s, _ := alone(t, func(c *replica.Config) { c.MaxRequests, c.MaxQueuedBytes, c.MaxCommandBytes = 10, 1000, 600 })
	if _, err := r.Propose(ctx(t), make([]byte, 601)); !errors.Is(err, replica.ErrTooBig) {
		t.Fatalf("a command that is too big: %v", err)
	}
	gate := make(chan struct{})
	s.gate.Store(&gate)
	var wg sync.WaitGroup
	var busy, done atomic.Int64
	for range 30 {
		wg.Go(func() {
			switch _, err := r.Propose(context.Background(), make([]byte, 10)); {
			case err == nil:
				done.Add(1)
			case errors.Is(err, replica.ErrBusy):
				if busy.Add(1) == 20 {
					s.gate.Store(nil)
					close(gate)
				}
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if busy.Load() != 20 || done.Load() != 10 {
		t.Fatalf("%d answered, %d refused; the bound is 10", done.Load(), busy.Load())
	}
	for range 10 { // all of the room is there again, or will be in a moment
		_, err := r.Propose(ctx(t), make([]byte, 600))
		for tries := 0; errors.Is(err, replica.ErrBusy) && tries < 1_000_000; tries++ {
			runtime.Gosched()
			_, err = r.Propose(ctx(t), make([]byte, 600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestWithoutAQuorumRequestsTimeOut(t *testing.T) {
	log := openLog(t, t.TempDir())
	defer log.Close()
	r, err := replica.Open(replica.Config{ID: 1, Log: log, State: newList(1, 2, 3), Found: true, Transport: peers.NewNet().Member(1), Dir: t.TempDir(),
		TickInterval: time.Millisecond, RequestTimeout: 20 * time.Millisecond, MaxRequests: 2})
	must(t, err)
	defer r.Close()
	for range 3 {
		if _, err := r.Propose(context.Background(), []byte("x")); !errors.Is(err, replica.ErrTimeout) {
			t.Fatalf("a proposal: %v", err)
		}
		if err := r.ReadIndex(context.Background()); !errors.Is(err, replica.ErrTimeout) {
			t.Fatalf("a read: %v", err)
		}
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Propose(gone, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Fatalf("with a context that has ended: %v", err)
	}
	if _, err := r.ChangeMembers(context.Background(), change(raft.RemoveNode, 3)); !errors.Is(err, replica.ErrNoLeader) {
		t.Fatalf("a change without a leader: %v", err)
	}
}

func TestCloseAnswersEverybody(t *testing.T) {
	r, s, _ := alone(t, nil)
	gate := make(chan struct{})
	s.gate.Store(&gate)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := r.Propose(context.Background(), []byte("x")); err != nil && !errors.Is(err, replica.ErrClosed) {
				t.Error(err)
			}
		})
	}
	time.AfterFunc(time.Millisecond, func() { close(gate) })
	must(t, r.Close())
	wg.Wait()
}
