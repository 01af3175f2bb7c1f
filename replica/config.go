package replica

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica/peers"
)

// Config is how a replica is made.
type Config struct {
	// ID is the member's id and Group its group's. ID is required.
	ID    raft.NodeID
	Group uint64
	// Log and State are required, and stay the caller's.
	Log   Log
	State StateMachine
	// Found allows an empty log beside a state machine that holds only a founding membership: the first
	// start of a founding member. Otherwise a log that is empty beside a state is refused
	// (raft.ErrLogLost).
	Found bool
	// Transport reaches the other members; nil will do for a group of one. The replica starts and
	// closes it. Peers are the others to begin with; see SetPeers.
	Transport Transport
	Peers     []peers.Peer
	// Dir is where images of snapshots wait until they are installed. It must outlast the process.
	// Required with a Transport.
	Dir string
	// TickInterval is the unit of time of ElectionTicks and HeartbeatTicks in Raft; 0 means 100 ms.
	TickInterval time.Duration
	// Raft tunes the core: ticks, sizes, read mode. ID, Group, Storage, Applied, Conf, PreVote and
	// CheckQuorum are set here; Rand, if nil, is seeded from the system.
	Raft raft.Config
	// SnapshotEntries and KeepEntries say when the log is cut, and Loose turns off the checks of
	// membership changes; see MemberConfig.
	SnapshotEntries, KeepEntries raft.Index
	Loose                        bool
	// RequestTimeout is after how long Propose, ReadIndex, ChangeMembers, TransferLeader and Call give up with
	// ErrTimeout, a few ticks more or less, so that callers need no timer of their own; 0 means never.
	RequestTimeout time.Duration
	// MaxRequests bounds the proposals and reads that are not answered; beyond is ErrBusy. 0 means 32,768.
	MaxRequests int
	// MaxQueuedBytes bounds the commands not yet answered; beyond is ErrBusy. 0 means 256 MiB.
	MaxQueuedBytes int
	// MaxCommandBytes bounds a command; 0 means 16 MiB less the envelope.
	MaxCommandBytes int
	// Handle answers the Calls of other members; nil refuses them.
	Handle func(ctx context.Context, from raft.NodeID, payload []byte) ([]byte, error)
	// DigestInterval is how often a leader compares digests with the other members; 0 means a
	// minute, negative never. Differs, if not nil, is called where they differ, with each member that has
	// not what a majority has (this one, too), and the revision at which that was seen; with raft.None
	// where there is no such majority.
	DigestInterval time.Duration
	Differs        func(id raft.NodeID, rev uint64)
	// Stages, if not nil, is told how long batches of so many proposals took; see Stage. It is called
	// from several goroutines and must be quick.
	Stages func(s Stage, took time.Duration, proposals int)
	// Logger: nil discards.
	Logger *slog.Logger
}

// Validate fills in defaults and refuses what makes no sense.
func (c *Config) Validate() error {
	switch {
	case c.ID == raft.None:
		return fmt.Errorf("replica: ID is 0; every member needs an id of its own")
	case c.Log == nil:
		return fmt.Errorf("replica: Log is nil")
	case c.State == nil:
		return fmt.Errorf("replica: State is nil")
	case c.Transport != nil && c.Dir == "":
		return fmt.Errorf("replica: Dir is empty; snapshots from other members need a place")
	case c.TickInterval < 0 || c.RequestTimeout < 0 || c.MaxRequests < 0 || c.MaxQueuedBytes < 0 || c.MaxCommandBytes < 0:
		return fmt.Errorf("replica: negative TickInterval, RequestTimeout, MaxRequests, MaxQueuedBytes or MaxCommandBytes")
	}
	if c.TickInterval == 0 {
		c.TickInterval = 100 * time.Millisecond
	}
	if c.MaxRequests == 0 {
		c.MaxRequests = 32 << 10
	}
	if c.MaxQueuedBytes == 0 {
		c.MaxQueuedBytes = 256 << 20
	}
	if c.MaxCommandBytes == 0 {
		c.MaxCommandBytes = 16<<20 - envelopeBytes
	}
	if c.DigestInterval == 0 {
		c.DigestInterval = time.Minute
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Raft.ID, c.Raft.Group, c.Raft.Storage = c.ID, c.Group, c.Log
	c.Raft.PreVote, c.Raft.CheckQuorum = true, true
	c.Raft.MaxEntryBytes = c.MaxCommandBytes + envelopeBytes
	if c.Raft.Rand == nil {
		c.Raft.Rand = mathrand.New(mathrand.NewPCG(random(), random()))
	}
	return nil
}

// random returns a number that nobody can have had before.
func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}
