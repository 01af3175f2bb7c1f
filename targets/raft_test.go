package targets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/results"
)

// spyLog is a log in memory that counts, and can be made to wait or to fail.
type spyLog struct {
	*raft.MemoryStorage
	syncs, entries atomic.Int64
	gate           chan struct{} // Sync waits for a value, if not nil
	err            atomic.Pointer[error]
}

func newSpyLog() *spyLog { return &spyLog{MemoryStorage: raft.NewMemoryStorage(raft.ConfState{})} }

func (l *spyLog) Write(snap *raft.Snapshot, entries []raft.Entry, hard raft.HardState, sync bool) error {
	if snap != nil {
		if err := l.ApplySnapshot(snap); err != nil {
			return err
		}
	}
	if !hard.Empty() {
		l.SetHardState(hard)
	}
	for i := range entries {
		if len(entries[i].Data) > 0 {
			l.entries.Add(1)
		}
	}
	return l.Append(entries)
}

func (l *spyLog) Sync() error {
	l.syncs.Add(1)
	if l.gate != nil {
		<-l.gate
	}
	if err := l.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (l *spyLog) CreateSnapshot(at raft.Index, conf raft.ConfState, data []byte) error {
	_, err := l.MemoryStorage.CreateSnapshot(at, conf, data)
	return err
}

// spyGroup starts a group on spies. It is closed with the test, and must not have failed.
func spyGroup(t *testing.T, n int, change func(*RaftConfig)) (*Raft, []*spyLog) {
	t.Helper()
	cfg := RaftConfig{Durability: results.DurabilityGroup, Persistent: true}
	var logs []*spyLog
	for range n {
		logs = append(logs, newSpyLog())
		cfg.Logs = append(cfg.Logs, logs[len(logs)-1])
	}
	if change != nil {
		change(&cfg)
	}
	g, err := NewRaft(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	settle(t, g)
	for _, l := range logs {
		l.syncs.Store(0)
	}
	return g, logs
}

// settle waits until all members have applied everything, and nothing is under way.
func settle(t *testing.T, g *Raft) {
	t.Helper()
	if err := g.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// write is one write that a session of its own waits for.
type write struct {
	done chan error
	err  error
	over bool
}

func put(t *testing.T, g *Raft, key string) *write {
	t.Helper()
	s, err := g.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	w := &write{done: make(chan error, 1)}
	go func() {
		op := bench.Op{Kind: bench.Put, Key: []byte(key), Value: []byte("value")}
		err := s.Do(t.Context(), &op)
		if err == nil && (op.Items != 1 || op.Bytes != int64(len(key)+5)) {
			err = fmt.Errorf("%d items, %d bytes", op.Items, op.Bytes)
		}
		w.done <- err
	}()
	return w
}

// answered reports whether the write has its answer once nothing moves any more.
func (w *write) answered() bool {
	synctest.Wait()
	select {
	case w.err = <-w.done:
		w.over = true
	default:
	}
	return w.over
}

func TestAWriteIsAnsweredWhenAQuorumAndTheLeaderHaveItDurably(t *testing.T) {
	for _, c := range []struct {
		order []int // whose sync ends, one after the other
		after int   // how many of them make the answer
	}{
		{[]int{0}, 1},
		{[]int{0, 1, 2}, 2},
		{[]int{2, 0, 1}, 2},
		{[]int{1, 2, 0}, 3}, // the others have it, but who answers has not
		{[]int{0, 4, 2, 1, 3}, 3},
		{[]int{4, 3, 0, 2, 1}, 3},
	} {
		t.Run(fmt.Sprint(c.order), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, logs := spyGroup(t, len(c.order), nil)
				for _, l := range logs {
					l.gate = make(chan struct{})
				}
				w := put(t, g, "k")
				for i, who := range c.order {
					if got, want := w.answered(), i >= c.after; got != want || w.err != nil {
						t.Errorf("after the syncs of %v: answered %v, %v; want %v", c.order[:i], got, w.err, want)
					}
					close(logs[who].gate)
				}
				if !w.answered() || w.err != nil {
					t.Errorf("in the end: %v", w.err)
				}
			})
		})
	}
}

func TestDurabilityDecidesHowALogIsSynced(t *testing.T) {
	const writes = 20
	for _, c := range []struct {
		durability results.Durability
		persistent bool
		label      results.Durability
		syncs      int64 // of the leader, for one write and then the others that waited meanwhile
	}{
		{results.DurabilityGroup, true, results.DurabilityGroup, 2},
		{results.DurabilitySync, true, results.DurabilitySync, writes},
		{results.DurabilityNone, true, results.DurabilityNone, 0},
		{results.DurabilityGroup, false, results.DurabilityNone, 2},
	} {
		t.Run(fmt.Sprint(c.durability, " persistent ", c.persistent), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, logs := spyGroup(t, 3, func(cfg *RaftConfig) { cfg.Durability, cfg.Persistent = c.durability, c.persistent })
				logs[0].gate = make(chan struct{})
				all := []*write{put(t, g, "first")}
				synctest.Wait() // it is in the sync, if there is one
				for i := range writes - 1 {
					all = append(all, put(t, g, fmt.Sprint(i)))
				}
				synctest.Wait()
				close(logs[0].gate)
				for _, w := range all {
					if !w.answered() || w.err != nil {
						t.Errorf("answered %v, %v", w.over, w.err)
					}
				}
				settle(t, g)
				if got := logs[0].syncs.Load(); got != c.syncs || g.Durability() != c.label {
					t.Errorf("%d syncs of the leader, label %s; want %d and %s", got, g.Durability(), c.syncs, c.label)
				}
				for i, l := range logs {
					if n := l.entries.Load(); n != writes {
						t.Errorf("log %d has %d entries of %d writes", i, n, writes)
					}
				}
			})
		})
	}
	if _, err := NewRaft(t.Context(), RaftConfig{Logs: []RaftLog{newSpyLog()}, Durability: results.DurabilityInterval}); err == nil {
		t.Error("interval was accepted")
	}
}

func TestAReadAsksAQuorumAndTheLogNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, logs := spyGroup(t, 3, nil)
		s, err := g.Open(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []bench.Kind{bench.Get, bench.Scan, bench.ReadModifyWrite} {
			op := bench.Op{Kind: kind, Key: []byte("k"), Value: []byte("v"), Limit: 7}
			if err := s.Do(t.Context(), &op); err != nil || op.Items != 1 {
				t.Errorf("%v: %d items, %v", kind, op.Items, err)
			}
		}
		settle(t, g)
		for i, l := range logs {
			if n := l.entries.Load(); n != 1 {
				t.Errorf("log %d has %d entries, want that of the read-modify-write", i, n)
			}
		}
		if n := stageOf(g, "read-index").Count(); n != 3 {
			t.Errorf("%d reads timed, want 3", n)
		}
		if g.Consistency() != results.Linearizable {
			t.Error(g.Consistency())
		}
	})
}

func stageOf(g *Raft, name string) *results.Histogram {
	r := results.Record{Stages: g.TakeStages()}
	return r.Stage(name).Times
}

func TestALostLeadershipIsToldAndTheNextLeaderIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, logs := spyGroup(t, 3, nil)
		old := g.leader.Load()
		logs[old].gate = make(chan struct{})
		w := put(t, g, "in doubt")
		if w.answered() {
			t.Fatal("answered before it was durable")
		}
		next := raft.NodeID((old+1)%3 + 1)
		g.send([]raft.Message{{Type: raft.MsgTimeoutNow, To: next, From: raft.NodeID(old + 1), Term: 2}})
		if !w.answered() || !errors.Is(w.err, ErrLeadershipLost) || g.ErrorClass(w.err) != "leadership-lost" {
			t.Errorf("answered %v, %v", w.over, w.err)
		}
		if g.leader.Load() != int64(next-1) {
			t.Errorf("leader %d, want %d", g.leader.Load()+1, next)
		}
		if w := put(t, g, "later"); !w.answered() || w.err != nil {
			t.Errorf("at the next leader: %v, %v", w.over, w.err)
		}
		g.leader.Store(old) // a session that has not heard of it
		if w := put(t, g, "by a detour"); !w.answered() || w.err != nil {
			t.Errorf("at the old leader: %v, %v", w.over, w.err)
		}
		close(logs[old].gate)
		settle(t, g)
		if n := logs[old].entries.Load(); n != 3 {
			t.Errorf("the old leader's log took %d entries, want 3", n)
		}
	})
}

func TestAFailedLogStopsTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logs := []*spyLog{newSpyLog(), newSpyLog(), newSpyLog()}
		g, err := NewRaft(t.Context(), RaftConfig{Logs: []RaftLog{logs[0], logs[1], logs[2]}, Durability: results.DurabilityGroup})
		if err != nil {
			t.Fatal(err)
		}
		settle(t, g)
		logs[0].gate = make(chan struct{})
		w := put(t, g, "k")
		synctest.Wait()
		failure := io.ErrShortWrite
		logs[0].err.Store(&failure)
		close(logs[0].gate)
		for _, w := range []*write{w, put(t, g, "after")} {
			if !w.answered() || !errors.Is(w.err, io.ErrShortWrite) || !errors.Is(w.err, ErrGroupClosed) {
				t.Errorf("answered %v, %v", w.over, w.err)
			}
		}
		if err := g.Close(); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("close: %v", err)
		}
	})
}

func TestAContextThatEndsLeavesTheSessionUsable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, logs := spyGroup(t, 1, nil)
		logs[0].gate = make(chan struct{})
		s, err := g.Open(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		op := bench.Op{Kind: bench.Put, Key: []byte("k"), Value: []byte("v")}
		if err := s.Do(ctx, &op); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		close(logs[0].gate)
		for range 3 {
			if err := s.Do(t.Context(), &op); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestALogIsCutAsItGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, logs := spyGroup(t, 3, func(cfg *RaftConfig) { cfg.CutBytes = 1000 })
		for i := range 300 {
			if w := put(t, g, fmt.Sprint("key", i)); !w.answered() || w.err != nil {
				t.Fatal(w.err)
			}
		}
		settle(t, g)
		for i, l := range logs {
			first, _ := l.FirstIndex()
			last, _ := l.LastIndex()
			if kept := last - first; last < 300 || kept > 200 || kept < 60 {
				t.Errorf("log %d holds [%d, %d]; want from one to two cuts of about 66 entries", i, first, last)
			}
		}
	})
}

func TestTheStagesOfARunAddUp(t *testing.T) {
	dir := t.TempDir()
	cfg := RaftConfig{Durability: results.DurabilityGroup, Persistent: true}
	for i := range 3 {
		fsys, err := wal.Dir(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		l, err := wal.Open(fsys, wal.Options{ID: uint64(i + 1), SegmentBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		cfg.Logs = append(cfg.Logs, l)
	}
	g, err := NewRaft(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	source, err := bench.NewWorkload(bench.Spec{Workload: "put", Records: 100, ValueSize: "100"})
	if err != nil {
		t.Fatal(err)
	}
	r := bench.Runner{Fixture: func(context.Context) (bench.Target, bool, error) { return g, true, nil },
		Source: source, Workers: 16, Ops: 1600, NoVerify: true}
	rec, err := r.Run(t.Context())
	if err != nil || !rec.Valid() {
		t.Fatalf("%v, %+v", err, rec)
	}
	var sum time.Duration
	for _, name := range []string{"queue", "wait", "append", "sync", "commit"} {
		s := rec.Stage(name).Times
		if s.Count() != 1600 {
			t.Errorf("%s counts %d, want each of 1600 writes", name, s.Count())
		}
		sum += s.Sum()
	}
	service := rec.Latency("")
	if sum > service.Sum() || rec.Stage("replicate").Times.Count() != 1600 {
		t.Errorf("the leader's stages take %v of %v; replicate counts %d", sum, service.Sum(), rec.Stage("replicate").Times.Count())
	}
	if rec.Consistency != results.Linearizable || rec.Durability != results.DurabilityGroup || rec.Options["raft"]["nodes"] != "3" {
		t.Errorf("%s, %s, %v", rec.Durability, rec.Consistency, rec.Options)
	}
}

func TestManyClientsOfAGroup(t *testing.T) {
	cfg := RaftConfig{Durability: results.DurabilityGroup, CutBytes: 1 << 10}
	for range 5 {
		cfg.Logs = append(cfg.Logs, newSpyLog())
	}
	g, err := NewRaft(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var clients sync.WaitGroup
	for i := range 50 {
		clients.Go(func() {
			s, _ := g.Open(t.Context(), i)
			for n := range 100 {
				op := bench.Op{Kind: []bench.Kind{bench.Put, bench.Get}[n%2], Key: fmt.Append(nil, i), Value: []byte("v")}
				if err := s.Do(t.Context(), &op); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	if err := g.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}
