package raft

import (
	"context"
	"fmt"
	"sync"
)

// Node runs a RawNode on a goroutine of its own, for callers that want channels. Its methods may be
// called from anywhere; each hands a call over, waits until it was made, and returns what it
// returned. One consumer takes Readies from the channel and does what the package comment says,
// acknowledging with Advance, or with Persisted and Applied.
//
// After Stop, or when a Storage error has stopped the core, Done is closed, every method returns an
// error that is ErrStopped, and the channel gives nothing more.
type Node struct {
	calls chan nodeCall
	ticks chan struct{}
	ready chan Ready
	stop  chan struct{}
	done  chan struct{}
	once  sync.Once
	err   error // set before done is closed
}

type nodeCall struct {
	do     func(*RawNode) error
	result chan error
}

// maxTicksWaiting bounds the Ticks that wait for the goroutine; a Tick beyond is dropped.
const maxTicksWaiting = 128

// StartNode starts a member for the first time. What is stored is nothing (a member that is added to
// a group), or FoundingSnapshot; a storage with a past is refused with ErrConfig.
func StartNode(cfg *Config) (*Node, error) {
	rn, err := NewRawNode(cfg)
	if err != nil {
		return nil, err
	}
	if s := rn.Status(); s.Hard.Term > 1 || s.Last > 1 {
		return nil, fmt.Errorf("%w: the storage has a past (term %d, log to %d): use RestartNode", ErrConfig, s.Hard.Term, s.Last)
	}
	return run(rn), nil
}

// RestartNode starts a member that ran before. An empty storage is refused with ErrLogLost: the
// member has promised things in its votes and acknowledgements, and no longer knows them.
func RestartNode(cfg *Config) (*Node, error) {
	rn, err := NewRawNode(cfg)
	if err != nil {
		return nil, err
	}
	if s := rn.Status(); s.Hard.Term == 0 && s.Last == 0 {
		return nil, fmt.Errorf("%w: the storage is empty: a member that lost its disk must come back under a new id", ErrLogLost)
	}
	return run(rn), nil
}

func run(rn *RawNode) *Node {
	n := &Node{calls: make(chan nodeCall), ticks: make(chan struct{}, maxTicksWaiting), ready: make(chan Ready),
		stop: make(chan struct{}), done: make(chan struct{})}
	go n.run(rn)
	return n
}

func (n *Node) run(rn *RawNode) {
	defer close(n.done)
	var rd Ready
	var out chan<- Ready // nil while there is no Ready to give
	for {
		if out == nil && rn.HasReady() {
			rd, out = rn.Ready(), n.ready
		}
		if n.err = rn.Err(); n.err != nil {
			return
		}
		select {
		case <-n.ticks:
			_ = rn.Tick() // what stops the node is looked at above
		case c := <-n.calls:
			c.result <- c.do(rn)
		case out <- rd:
			out = nil
		case <-n.stop:
			n.err = fmt.Errorf("%w by Stop", ErrStopped)
			return
		}
	}
}

// call has the goroutine make a call. Once it was handed over it is made, whatever ctx says.
func (n *Node) call(ctx context.Context, do func(*RawNode) error) error {
	c := nodeCall{do, make(chan error, 1)}
	select {
	case n.calls <- c:
		return <-c.result
	case <-ctx.Done():
		return ctx.Err()
	case <-n.done:
		return n.err
	}
}

// Tick lets one unit of time pass. It never waits; should the node be so far behind that
// 128 Ticks wait for it, the Tick is dropped.
func (n *Node) Tick() {
	select {
	case n.ticks <- struct{}{}:
	default:
	}
}

// Ready returns the channel of Readies. It is never closed; select on Done beside it.
func (n *Node) Ready() <-chan Ready { return n.ready }

// Done is closed when the node has stopped.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err returns why the node has stopped. It waits for that.
func (n *Node) Err() error {
	<-n.done
	return n.err
}

// Stop stops the node and waits for its goroutine. It may be called several times.
func (n *Node) Stop() {
	n.once.Do(func() { close(n.stop) })
	<-n.done
}

// Step is RawNode.Step.
func (n *Node) Step(ctx context.Context, m Message) error {
	return n.call(ctx, func(rn *RawNode) error { return rn.Step(m) })
}

// Propose is RawNode.Propose.
func (n *Node) Propose(ctx context.Context, data []byte) error {
	return n.call(ctx, func(rn *RawNode) error { return rn.Propose(data) })
}

// ProposeBatch is RawNode.ProposeBatch.
func (n *Node) ProposeBatch(ctx context.Context, entries []Entry) error {
	return n.call(ctx, func(rn *RawNode) error { return rn.ProposeBatch(entries) })
}

// ProposeConfChange is RawNode.ProposeConfChange.
func (n *Node) ProposeConfChange(ctx context.Context, cc ConfChange) error {
	return n.call(ctx, func(rn *RawNode) error { return rn.ProposeConfChange(cc) })
}

// ReadIndex is RawNode.ReadIndex.
func (n *Node) ReadIndex(ctx context.Context, id uint64) error {
	return n.call(ctx, func(rn *RawNode) error { return rn.ReadIndex(id) })
}

// TransferLeader is RawNode.TransferLeader.
func (n *Node) TransferLeader(ctx context.Context, to NodeID) error {
	return n.call(ctx, func(rn *RawNode) error { return rn.TransferLeader(to) })
}

// Campaign is RawNode.Campaign.
func (n *Node) Campaign(ctx context.Context) error {
	return n.call(ctx, func(rn *RawNode) error { return rn.Campaign() })
}

// ForgetLeader is RawNode.ForgetLeader.
func (n *Node) ForgetLeader(ctx context.Context) error {
	return n.call(ctx, func(rn *RawNode) error { return rn.ForgetLeader() })
}

// ReportUnreachable is RawNode.ReportUnreachable.
func (n *Node) ReportUnreachable(id NodeID) error {
	return n.call(context.Background(), func(rn *RawNode) error { rn.ReportUnreachable(id); return nil })
}

// ReportSnapshot is RawNode.ReportSnapshot.
func (n *Node) ReportSnapshot(id NodeID, ok bool) error {
	return n.call(context.Background(), func(rn *RawNode) error { rn.ReportSnapshot(id, ok); return nil })
}

// RefuseSnapshot is RawNode.RefuseSnapshot.
func (n *Node) RefuseSnapshot(m Message) error {
	return n.call(context.Background(), func(rn *RawNode) error { return rn.RefuseSnapshot(m) })
}

// ApplyConfChange is RawNode.ApplyConfChange.
func (n *Node) ApplyConfChange(e Entry) (conf ConfState, err error) {
	err = n.call(context.Background(), func(rn *RawNode) (err error) {
		conf, err = rn.ApplyConfChange(e)
		return err
	})
	return conf, err
}

// SkipConfChange is RawNode.SkipConfChange.
func (n *Node) SkipConfChange(e Entry) error {
	return n.call(context.Background(), func(rn *RawNode) error { return rn.SkipConfChange(e) })
}

// Persisted is RawNode.Persisted.
func (n *Node) Persisted(number uint64) error {
	return n.call(context.Background(), func(rn *RawNode) error { return rn.Persisted(number) })
}

// Applied is RawNode.Applied.
func (n *Node) Applied(i Index) error {
	return n.call(context.Background(), func(rn *RawNode) error { return rn.Applied(i) })
}

// Advance is RawNode.Advance.
func (n *Node) Advance(rd Ready) error {
	return n.call(context.Background(), func(rn *RawNode) error { return rn.Advance(rd) })
}

// Status is RawNode.Status, and RawNode.Conf.
func (n *Node) Status() (s Status, conf ConfState, err error) {
	err = n.call(context.Background(), func(rn *RawNode) error {
		s, conf = rn.Status(), rn.Conf()
		return nil
	})
	return s, conf, err
}
