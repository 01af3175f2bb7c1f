package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica/peers"
)

// Replica is one running member: a Member, and the goroutines that give it time, disk, network and a
// state machine. All methods may be called from anywhere. After Close, or when the member has stopped by
// itself (Done, Err), they return an error that is ErrClosed or ErrStopped.
type Replica struct {
	cfg   Config
	in    inbox
	pool  requestPool
	stamp stamp

	writes  *jobs[writeJob]
	batches *jobs[applyJob]

	spool      *spool
	leadership atomic.Pointer[leadership]
	// committed and applied are what Progress tells.
	committed, applied atomic.Uint64

	ctx     context.Context // ends when the member stops; see background
	cancel  context.CancelFunc
	looping sync.WaitGroup // the loop
	running sync.WaitGroup // the others, which end after it
	once    sync.Once
	done    chan struct{}
}

// Leadership says who leads, as far as a member knows.
type Leadership struct {
	Leader raft.NodeID
	Term   raft.Term
	// Leads: it is this member.
	Leads bool
}

type leadership struct {
	Leadership
	changed chan struct{}
}

// Open starts a member of what its log and its state machine hold. Errors, besides those of the log and
// the core: ErrStateLost, raft.ErrLogLost.
func Open(cfg Config) (*Replica, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := recoverLog(&cfg); err != nil {
		return nil, err
	}
	spool, err := openSpool(cfg.Dir)
	if err != nil {
		return nil, err
	}
	m, err := NewMember(MemberConfig{Raft: cfg.Raft, State: cfg.State.Applied(), FirstRequest: random() &^ (1<<40 - 1),
		SnapshotEntries: cfg.SnapshotEntries, KeepEntries: cfg.KeepEntries, Loose: cfg.Loose,
		RequestTicks: uint64((cfg.RequestTimeout + cfg.TickInterval - 1) / cfg.TickInterval)})
	if err != nil {
		return nil, err
	}
	r := &Replica{cfg: cfg, spool: spool, stamp: stamp{cfg.Stages}, writes: newJobs[writeJob](), batches: newJobs[applyJob](), done: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.in.init(cfg.MaxRequests, cfg.MaxQueuedBytes)
	r.leadership.Store(&leadership{Leadership: Leadership{Term: m.node.Status().Hard.Term}, changed: make(chan struct{})})
	if cfg.Transport != nil {
		cfg.Transport.SetPeers(cfg.Peers)
		if err := cfg.Transport.Start(handler{r}); err != nil {
			r.cancel()
			return nil, fmt.Errorf("replica: starting the transport: %w", err)
		}
	}
	if lone(m) {
		_ = m.node.Campaign() // nobody else will; an error is answered by the timeout
	}
	r.looping.Add(1)
	go r.loop(m)
	r.running.Add(3)
	go r.writeLog()
	go r.apply()
	go r.compareDigests()
	return r, nil
}

// lone reports whether m decides everything by itself.
func lone(m *Member) bool {
	conf := m.node.Conf()
	return len(conf.Voters) == 1 && conf.Voters[0] == m.id && !conf.Joint()
}

// Propose has command replicated and applied, and returns what the state machine answers. ErrBusy, ErrTooBig:
// nothing happened. ctx.Err(), ErrTimeout, ErrLost, ErrStopped, ErrClosed: it may still be applied, or not.
// While nobody leads it waits. Nobody may modify command afterwards.
func (r *Replica) Propose(ctx context.Context, command []byte) (any, error) {
	if len(command) > r.cfg.MaxCommandBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrTooBig, len(command), r.cfg.MaxCommandBytes)
	}
	q := r.pool.get(command)
	if err := r.in.propose(q, r.stamp); err != nil {
		r.pool.put(q)
		return nil, err
	}
	return r.await(ctx, q)
}

// ReadIndex returns when the applied state holds everything that was committed when it was called: a
// read of it is linearizable then. ErrBusy, ErrLeaderChanged: ask again. While nobody leads it waits.
func (r *Replica) ReadIndex(ctx context.Context) error {
	q := r.pool.get(nil)
	if err := r.in.read(q); err != nil {
		r.pool.put(q)
		return err
	}
	_, err := r.await(ctx, q)
	return err
}

// ProposeTo is Propose for a caller that does not wait: to is told the outcome. With an error it is not.
func (r *Replica) ProposeTo(command []byte, to Receiver) error {
	if len(command) > r.cfg.MaxCommandBytes {
		return fmt.Errorf("%w: %d bytes, at most %d are taken", ErrTooBig, len(command), r.cfg.MaxCommandBytes)
	}
	q := r.pool.get(command)
	q.to = to
	if err := r.in.propose(q, r.stamp); err != nil {
		r.pool.put(q)
		return err
	}
	return nil
}

// ReadIndexTo is ReadIndex for a caller that does not wait: to is told, with no result, when the read can
// be made, or why not. With an error it is not.
func (r *Replica) ReadIndexTo(to Receiver) error {
	q := r.pool.get(nil)
	q.to = to
	if err := r.in.read(q); err != nil {
		r.pool.put(q)
		return err
	}
	return nil
}

// await waits until q is answered.
func (r *Replica) await(ctx context.Context, q *Request) (any, error) {
	if done := ctx.Done(); done == nil {
		<-q.done
	} else {
		select {
		case <-q.done:
		case <-done:
			q.Abandon()
			return nil, ctx.Err()
		}
	}
	result, err := q.Result, q.Err
	r.pool.put(q)
	return result, err
}

// onLoop has the loop call f, waits for that, and returns what it returned. When the member stops
// meanwhile, f is called with nil or not at all.
func (r *Replica) onLoop(f func(*Member) error) error {
	result := make(chan error, 1)
	err := r.in.call(func(m *Member) error {
		if m == nil {
			result <- r.in.stopped()
			return nil
		}
		err := f(m)
		result <- err
		if errors.Is(err, raft.ErrStopped) {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	return <-result
}

// Status returns the member's state. A member that has stopped gives the zero value.
func (r *Replica) Status() Status {
	var s Status
	_ = r.onLoop(func(m *Member) error {
		s = m.Status()
		return nil
	})
	return s
}

// Leadership returns who leads, and a channel that is closed when that changes. It does not wait.
func (r *Replica) Leadership() (Leadership, <-chan struct{}) {
	l := r.leadership.Load()
	return l.Leadership, l.changed
}

// Progress is the part of Status that costs nothing.
type Progress struct {
	Leadership
	// Committed is known to be committed, Applied is applied; both as of the loop's last turn.
	Committed, Applied raft.Index
}

// Progress returns where the member is. It does not wait; the parts may be of different moments.
func (r *Replica) Progress() Progress {
	return Progress{r.leadership.Load().Leadership, raft.Index(r.committed.Load()), raft.Index(r.applied.Load())}
}

// SetPeers tells the transport who the other members are.
func (r *Replica) SetPeers(list []peers.Peer) {
	if r.cfg.Transport != nil {
		r.cfg.Transport.SetPeers(list)
	}
}

// send gives messages to the transport.
func (r *Replica) send(messages []raft.Message) {
	if len(messages) > 0 && r.cfg.Transport != nil {
		r.cfg.Transport.Send(r.split(messages))
	}
}

// stop ends the member from within; the first err counts.
func (r *Replica) stop(err error) {
	r.in.stop(err)
	r.once.Do(func() {
		r.cancel()
		close(r.done)
	})
}

// Done is closed when the member has stopped, by itself or by Close.
func (r *Replica) Done() <-chan struct{} { return r.done }

// Err returns why the member has stopped; nil while it runs.
func (r *Replica) Err() error { return r.in.stopped() }

// Close stops the member and waits for its goroutines. Requests under way get ErrClosed. Log and state
// machine may be closed afterwards. It returns what had stopped the member before, if anything.
func (r *Replica) Close() error {
	r.stop(ErrClosed)
	r.looping.Wait()
	if r.cfg.Transport != nil {
		if err := r.cfg.Transport.Close(); err != nil {
			r.cfg.Logger.Warn("closing the transport", "error", err)
		}
	}
	r.writes.close()
	r.batches.close()
	r.running.Wait()
	if err := r.Err(); !errors.Is(err, ErrClosed) {
		return err
	}
	return nil
}
