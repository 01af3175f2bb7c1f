package replica

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica/peers"
)

// handler is the transport's view of a Replica.
type handler struct{ r *Replica }

// Deliver implements peers.Handler.
func (h handler) Deliver(messages []raft.Message) { h.r.in.deliver(messages) }

// tell has the loop do something, without waiting for it.
func (h handler) tell(f func(*Member) error) {
	_ = h.r.in.call(func(m *Member) error {
		if m == nil {
			return nil
		}
		if err := f(m); errors.Is(err, raft.ErrStopped) {
			return err
		}
		return nil
	})
}

// Unreachable implements peers.Handler.
func (h handler) Unreachable(id raft.NodeID) {
	h.tell(func(m *Member) error {
		m.Unreachable(id)
		return nil
	})
}

// SnapshotSent implements peers.Handler.
func (h handler) SnapshotSent(id raft.NodeID, ok bool) {
	h.tell(func(m *Member) error {
		m.SnapshotSent(id, ok)
		return nil
	})
}

// Snapshot implements peers.Handler: the image is stored before the core hears of it. One that is
// damaged is refused.
func (h handler) Snapshot(m raft.Message, image io.Reader) error {
	if m.Snapshot == nil {
		return fmt.Errorf("%w: no snapshot in it", raft.ErrMalformed)
	}
	if err := h.r.spool.receive(m.Snapshot, image); err != nil {
		h.r.cfg.Logger.Warn("snapshot refused", "from", uint64(m.From), "index", uint64(m.Snapshot.Index), "error", err)
		h.tell(func(mem *Member) error { return mem.RefuseSnapshot(m) })
		return err
	}
	h.Deliver([]raft.Message{m})
	return nil
}

// Call implements peers.Handler.
func (h handler) Call(ctx context.Context, from raft.NodeID, payload []byte) ([]byte, error) {
	if err := h.r.Err(); err != nil {
		return nil, err
	}
	if len(payload) > 0 {
		switch payload[0] {
		case callUser:
			return h.r.handleUser(ctx, from, payload[1:])
		case callChange:
			return h.r.handleChange(payload[1:])
		case callDigest:
			return h.r.handleDigest(payload[1:])
		}
	}
	return nil, errors.New("replica: unknown call")
}

// Refused implements peers.Handler.
func (h handler) Refused(id raft.NodeID, err error) {
	switch {
	case errors.Is(err, peers.ErrRemoved):
		h.r.stop(fmt.Errorf("%w: %d says so", ErrRemoved, id))
	case errors.Is(err, peers.ErrIncarnation):
		h.r.stop(fmt.Errorf("%w: %d knows another", ErrReplaced, id))
	}
}
