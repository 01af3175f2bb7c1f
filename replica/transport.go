package replica

import (
	"context"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica/peers"
)

// Transport is how members reach each other: peers.TCP, or a peers.Net in memory. All methods but
// Close may be called concurrently.
type Transport interface {
	// Start begins to give what comes in to h.
	Start(h peers.Handler) error
	// Send sends messages to the peers they name. It never waits: what cannot be sent is lost, and
	// reported (Handler.Unreachable). It takes what it needs before it returns; entries' Data is shared.
	// A message must not arrive twice.
	Send(messages []raft.Message)
	// SendSnapshot sends m with its image, which it closes, and reports how it went
	// (Handler.SnapshotSent). It does not wait.
	SendSnapshot(m raft.Message, image Image)
	// Call asks a peer, and returns what its Handler.Call answers.
	Call(ctx context.Context, to raft.NodeID, payload []byte) ([]byte, error)
	// SetPeers replaces the other members.
	SetPeers(peers []peers.Peer)
	// Close ends all connections and waits for their goroutines.
	Close() error
}
