package replica

import (
	"context"
	"io"

	"github.com/etalon-kv/etalon/raft"
)

// handler is the transport's view of a Replica.
type handler struct{ r *Replica }

func (h handler) Deliver(messages []raft.Message)            { h.r.in.deliver(messages) }
func (h handler) Snapshot(m raft.Message, r io.Reader) error { return nil }
func (h handler) Unreachable(id raft.NodeID) {
	_ = h.r.in.call(func(m *Member) error {
		if m != nil {
			m.Unreachable(id)
		}
		return nil
	})
}
func (h handler) SnapshotSent(id raft.NodeID, ok bool) {}
func (h handler) Call(ctx context.Context, from raft.NodeID, payload []byte) ([]byte, error) {
	return nil, nil
}
func (h handler) Refused(id raft.NodeID, err error) {}
