package peers

import (
	"context"
	"io"

	"github.com/etalon-kv/etalon/raft"
)

// Peer is another member, as far as a transport has to know it.
type Peer struct {
	ID raft.NodeID
	// Addrs are where it listens, host:port; the first that answers is used.
	Addrs []string
	// Incarnation tells the life of its disk; 0 is not known yet. A member that says another is refused.
	Incarnation uint64
}

// Handler is told what comes in. Its methods are called from several goroutines, and not after the
// transport's Close has returned.
type Handler interface {
	// Deliver takes messages in. They and what they point to belong to the handler. It may wait,
	// which holds up that peer only.
	Deliver(messages []raft.Message)
	// Snapshot takes in a raft.MsgSnap whose image r gives. An error of r means that the image is
	// damaged or cut short; then the message counts as refused. An error is told to the sender.
	Snapshot(m raft.Message, r io.Reader) error
	// Unreachable: messages to id are being lost.
	Unreachable(id raft.NodeID)
	// SnapshotSent says how sending a snapshot to id went.
	SnapshotSent(id raft.NodeID, ok bool)
	// Call answers a peer's Call. ctx ends when the peer waits no more.
	Call(ctx context.Context, from raft.NodeID, payload []byte) ([]byte, error)
	// Refused: id will not talk to this member, for good: ErrRemoved or ErrIncarnation.
	Refused(id raft.NodeID, err error)
}

// Image is a snapshot's content, as in replica.Image.
type Image = interface {
	At() raft.Snapshot
	io.WriterTo
	Close() error
}
