package peers

import (
	"context"
	"errors"
	"io"

	"github.com/etalon-kv/etalon/raft"
)

// Errors.
var (
	// ErrUnknownPeer: the member is not among the peers.
	ErrUnknownPeer = errors.New("peers: unknown peer")
	// ErrUnreachable: the peer cannot be reached now, or the connection to it broke.
	ErrUnreachable = errors.New("peers: peer is unreachable")
	// ErrBusy: too much is under way to that peer.
	ErrBusy = errors.New("peers: too many requests to that peer")
	// ErrTooBig: more than a frame takes.
	ErrTooBig = errors.New("peers: payload is too big")
	// ErrClosed: the transport was closed.
	ErrClosed = errors.New("peers: closed")
	// ErrMalformed: what a peer sent makes no sense, or is damaged.
	ErrMalformed = errors.New("peers: malformed")
)

// Why a peer refuses to talk to this member.
var (
	// ErrVersion: it speaks another version of the protocol.
	ErrVersion = errors.New("peers: other protocol version")
	// ErrGroup: it belongs to another group.
	ErrGroup = errors.New("peers: other group")
	// ErrMember: it is another member than the one that was meant.
	ErrMember = errors.New("peers: other member")
	// ErrRemoved: it knows that this member was removed.
	ErrRemoved = errors.New("peers: member was removed")
	// ErrIncarnation: it knows this member with another incarnation.
	ErrIncarnation = errors.New("peers: member has another incarnation")
)

// errJudged marks that it is this member which will not talk to the other one.
var errJudged = errors.New("peers: refused here")

// forGood reports that the other side will never talk to this member.
func forGood(err error) bool {
	return (errors.Is(err, ErrRemoved) || errors.Is(err, ErrIncarnation)) && !errors.Is(err, errJudged)
}

// Peer is another member, as far as a transport has to know it.
type Peer struct {
	ID raft.NodeID
	// Addrs are where it listens, host:port; the first that answers is used.
	Addrs []string
	// Incarnation tells the life of its disk; 0 is not known yet. A member that says another is refused.
	Incarnation uint64
	// Removed: it was removed from the group, and is refused.
	Removed bool
}

// Handler is told what comes in. Its methods are called from several goroutines, and not after the
// transport's Close has returned.
type Handler interface {
	// Deliver takes messages in. They and what they point to belong to the handler, the slice does
	// not. It may wait, which holds up that peer only.
	Deliver(messages []raft.Message)
	// Snapshot takes in a raft.MsgSnap whose image r gives. An error of r means that the image is
	// damaged or cut short. What it returns is told to the sender.
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
