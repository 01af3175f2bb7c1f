package replica

import (
	"context"
	"errors"
	"fmt"

	"github.com/etalon-kv/etalon/raft"
)

// The kinds of calls between members: the first byte of the payload.
const (
	callUser   = 'u' // for Config.Handle
	callChange = 'c' // a follower's membership change, for the leader to propose
)

// The answers to callChange: one byte, and for the others an error's text behind it.
const (
	changeProposed = iota
	changeNotLeader
	changePending
	changeBad
	changeUnhealthy
	changeNotEnough
	changeNotReady
	changeBusy
	changeFailed
)

// changeErrors are the errors that travel, by their number.
func changeErrors() []error {
	return []error{nil, ErrNotLeader, ErrChangePending, ErrBadChange, ErrUnhealthy, ErrNotEnoughStarted, ErrLearnerNotReady, ErrBusy}
}

// Call asks the member to, whose Config.Handle answers. The payload of neither may be modified afterwards.
func (r *Replica) Call(ctx context.Context, to raft.NodeID, payload []byte) ([]byte, error) {
	if to == r.cfg.ID {
		return r.handleUser(ctx, to, payload)
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	return r.call(ctx, to, callUser, payload)
}

// within bounds ctx by Config.RequestTimeout.
func (r *Replica) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.cfg.RequestTimeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, r.cfg.RequestTimeout, ErrTimeout)
}

func (r *Replica) call(ctx context.Context, to raft.NodeID, kind byte, payload []byte) ([]byte, error) {
	if err := r.Err(); err != nil {
		return nil, err
	}
	if r.cfg.Transport == nil {
		return nil, ErrNoTransport
	}
	answer, err := r.cfg.Transport.Call(ctx, to, append([]byte{kind}, payload...))
	if err != nil && errors.Is(context.Cause(ctx), ErrTimeout) {
		err = ErrTimeout
	}
	return answer, err
}

func (r *Replica) handleUser(ctx context.Context, from raft.NodeID, payload []byte) ([]byte, error) {
	if r.cfg.Handle == nil {
		return nil, errors.New("replica: this member answers no calls")
	}
	return r.cfg.Handle(ctx, from, payload)
}

// ChangeMembers has a membership change replicated and applied here, and returns what the state machine
// answers to it. The change goes by the leader, which refuses what would put the group at risk; see
// Member.CheckChange for the errors, besides ErrChangePending, ErrBadChange and ErrNoLeader: nothing
// happened. With other errors it may still be applied, or not.
func (r *Replica) ChangeMembers(ctx context.Context, cc raft.ConfChange) (any, error) {
	if err := r.in.count(); err != nil {
		return nil, err
	}
	q := r.pool.get(nil)
	var change Change
	var leader raft.NodeID
	err := r.onLoop(func(m *Member) error {
		change = m.EncloseChange(cc, q)
		switch leader = m.Soft().Leader; leader {
		case raft.None:
			return ErrNoLeader
		case m.id:
			return m.ProposeChange(change)
		}
		return nil
	})
	if err == nil && leader != r.cfg.ID {
		ctx, cancel := r.within(ctx)
		defer cancel()
		err = r.forward(ctx, leader, change)
	}
	if err != nil {
		q.Abandon() // it may come nevertheless, or it is swept away
		return nil, err
	}
	return r.await(ctx, q)
}

// forward asks the leader to propose a change.
func (r *Replica) forward(ctx context.Context, leader raft.NodeID, c Change) error {
	answer, err := r.call(ctx, leader, callChange, c.cc.Append(nil))
	if err != nil {
		return fmt.Errorf("replica: asking the leader: %w", err)
	}
	if len(answer) == 0 || answer[0] > changeFailed {
		return fmt.Errorf("replica: the leader's answer is malformed")
	}
	switch known := changeErrors(); {
	case answer[0] == changeProposed:
		return nil
	case int(answer[0]) < len(known):
		return fmt.Errorf("%w (at the leader: %s)", known[answer[0]], answer[1:])
	}
	return fmt.Errorf("replica: at the leader: %s", answer[1:])
}

// handleChange proposes a change for a follower.
func (r *Replica) handleChange(payload []byte) ([]byte, error) {
	var c Change
	if err := c.cc.Decode(payload); err != nil {
		return nil, err
	}
	err := r.onLoop(func(m *Member) error { return m.ProposeChange(c) })
	if err == nil {
		return []byte{changeProposed}, nil
	}
	code := byte(changeFailed)
	for i, known := range changeErrors() {
		if known != nil && errors.Is(err, known) {
			code = byte(i)
			break
		}
	}
	return append([]byte{code}, err.Error()...), nil
}

// TransferLeader hands leadership to the voter to, and returns when it leads. Only the leader can do this
// (ErrNotLeader). ErrBadTransferee. A transfer that does not succeed within an election timeout is given up;
// then this waits until ctx ends.
func (r *Replica) TransferLeader(ctx context.Context, to raft.NodeID) error {
	if err := r.onLoop(func(m *Member) error { return m.TransferLeader(to) }); err != nil {
		return err
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	for {
		now, changed := r.Leadership()
		if now.Leader == to {
			return nil
		}
		select {
		case <-changed:
		case <-r.done:
			return r.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
