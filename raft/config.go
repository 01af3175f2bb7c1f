package raft

import (
	"fmt"
	"math"
)

// Random is where election timeouts come from. *rand.Rand of math/rand/v2 is one. It is called on
// the goroutine that drives the core, once per change of role or term.
type Random interface {
	// IntN returns a number in [0, n).
	IntN(n int) int
}

// ReadMode is how a leader makes sure that it still leads before it answers a read.
type ReadMode uint8

const (
	// ReadQuorum asks a majority with one round of heartbeats, shared by all reads that arrived
	// meanwhile (thesis §6.4). Correct whatever the clocks do. The default.
	ReadQuorum ReadMode = iota
	// ReadLease answers at once while a majority's promise not to elect anybody else lasts (thesis
	// §6.4.1), and by ReadQuorum otherwise. Correct only while clocks keep to Config.LeaseTicks and
	// every member runs in this mode; see there.
	ReadLease
)

// Config is how a node is made. Sizes are in bytes of entry data and a small overhead per entry.
type Config struct {
	// ID is the node's own id. Required, never None, never reused by another node of the group.
	ID NodeID
	// Group is the id of the group, sent and checked in every message. 0 is a valid group.
	Group uint64
	// ElectionTicks is how many Ticks a follower waits at least without hearing from a leader before
	// it campaigns; the real wait is drawn from [ElectionTicks, 2*ElectionTicks). 0 means 10.
	// Must be greater than HeartbeatTicks, and should be ten times as much.
	ElectionTicks int
	// HeartbeatTicks is how many Ticks pass between heartbeats of a leader. 0 means 1.
	HeartbeatTicks int
	// SnapshotTicks is how many Ticks a leader waits for the answer to a snapshot before it takes
	// it for lost, to send it again when the member next gives a sign of life. 0 means
	// 10*ElectionTicks. Callers that stream big states give it room, and do not begin anew when they
	// are handed a MsgSnap for an index that is under way.
	SnapshotTicks int
	// Storage is the stored log. Required.
	Storage Storage
	// Rand draws election timeouts. Required: a default would have to be global, and runs could not
	// be repeated. Members must not share a sequence, or they campaign at the same moments for ever.
	Rand Random
	// Applied is the last index that the state machine has durably applied; Ready.Committed goes on
	// after it. 0 means the index of the newest snapshot in Storage; below that is refused.
	Applied Index
	// Conf is the membership as of Applied. Required when Applied lies beyond the newest snapshot,
	// because the entries in between, with their membership changes, are not applied again. nil means
	// the membership of the newest snapshot.
	Conf *ConfState
	// PreVote makes a candidate ask first whether it could win, and disturb nobody if not (thesis
	// §9.6). Recommended.
	PreVote bool
	// CheckQuorum makes a leader step down that has not heard from a majority for ElectionTicks, and
	// makes members that hear a leader ignore candidates (thesis §6.2, §4.2.3). Recommended.
	CheckQuorum bool
	// ReadMode chooses how reads are confirmed. ReadLease requires CheckQuorum.
	ReadMode ReadMode
	// LeaseTicks is how long, counted from when a heartbeat was sent, the promise of those who
	// answered it is relied on in ReadLease. Members keep the promise for ElectionTicks of their own
	// clocks, less one for the phase; so reads are correct while no clock of a majority runs faster
	// than the leader's by more than (ElectionTicks-1)/LeaseTicks, and while the leader's Ticks are
	// not late: a caller that was paused must call Tick for the time it missed before it asks for a
	// read. 0 means ElectionTicks/2; at most ElectionTicks-2.
	LeaseTicks int
	// MaxMessageBytes bounds the entries of one append message; a single larger entry still travels,
	// alone. 0 means 1 MiB; at most 16 MiB.
	MaxMessageBytes uint64
	// MaxInflightMessages bounds the append messages sent to a member and not answered. 0 means 256.
	MaxInflightMessages int
	// MaxInflightBytes bounds their entries together; at least one message is always allowed.
	// 0 means 16 MiB.
	MaxInflightBytes uint64
	// MaxUncommittedBytes bounds the entries a leader has appended and not committed; proposals beyond
	// get ErrUncommittedFull. One proposal always passes when nothing is uncommitted. 0 means 64 MiB.
	MaxUncommittedBytes uint64
	// MaxCommittedBytes bounds the entries handed out in Ready.Committed and not yet acknowledged by
	// Applied. It may be exceeded by one entry. 0 means 4 MiB.
	MaxCommittedBytes uint64
	// MaxEntryBytes bounds the data of one proposal. 0 means 16 MiB.
	MaxEntryBytes int
	// CacheBytes bounds the persisted and applied entries that are kept in memory for members that
	// are a little behind. 0 means 4 MiB.
	CacheBytes uint64
	// MaxPendingReads bounds the reads that wait at a leader for a round, or for the first commitment
	// of its term. 0 means 4096.
	MaxPendingReads int
	// NoForward makes a follower refuse proposals (ErrNoLeader) instead of sending them to the leader.
	NoForward bool
}

// Validate fills in defaults and refuses what makes no sense, with ErrConfig, the value and what is
// accepted.
func (c *Config) Validate() error {
	c.fill()
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...)
	}
	switch {
	case c.ID == None:
		return bad("ID is 0; every member needs an id of its own")
	case c.Storage == nil:
		return bad("Storage is nil")
	case c.Rand == nil:
		return bad("Rand is nil; pass for example rand.New(rand.NewPCG(seed, id))")
	case c.HeartbeatTicks < 1 || c.HeartbeatTicks > math.MaxInt32:
		return bad("HeartbeatTicks is %d; at least 1 is needed", c.HeartbeatTicks)
	case c.ElectionTicks <= c.HeartbeatTicks || c.ElectionTicks > math.MaxInt32:
		return bad("ElectionTicks is %d; it must be greater than HeartbeatTicks (%d)", c.ElectionTicks, c.HeartbeatTicks)
	case c.SnapshotTicks < 1:
		return bad("SnapshotTicks is %d; at least 1 is needed", c.SnapshotTicks)
	case c.MaxInflightMessages < 1 || c.MaxInflightMessages > 1<<20:
		return bad("MaxInflightMessages is %d; 1 to %d is accepted", c.MaxInflightMessages, 1<<20)
	case c.MaxMessageBytes > 16<<20:
		return bad("MaxMessageBytes is %d; at most %d is accepted", c.MaxMessageBytes, 16<<20)
	case c.MaxEntryBytes < 1:
		return bad("MaxEntryBytes is %d; at least 1 is needed", c.MaxEntryBytes)
	case c.MaxPendingReads < 1:
		return bad("MaxPendingReads is %d; at least 1 is needed", c.MaxPendingReads)
	case c.ReadMode > ReadLease:
		return bad("ReadMode is %d; ReadQuorum and ReadLease exist", c.ReadMode)
	case c.ReadMode == ReadLease && !c.CheckQuorum:
		return bad("ReadLease without CheckQuorum; without it no member makes the promise a lease rests on")
	case c.ReadMode == ReadLease && (c.LeaseTicks < 1 || c.LeaseTicks > c.ElectionTicks-2):
		return bad("LeaseTicks is %d; 1 to ElectionTicks-2 (%d) is accepted", c.LeaseTicks, c.ElectionTicks-2)
	}
	return nil
}

func (c *Config) fill() {
	defaultTo(&c.ElectionTicks, 10)
	defaultTo(&c.HeartbeatTicks, 1)
	defaultTo(&c.SnapshotTicks, 10*c.ElectionTicks)
	defaultTo(&c.LeaseTicks, c.ElectionTicks/2)
	defaultTo(&c.MaxMessageBytes, 1<<20)
	defaultTo(&c.MaxInflightMessages, 256)
	defaultTo(&c.MaxInflightBytes, 16<<20)
	defaultTo(&c.MaxUncommittedBytes, 64<<20)
	defaultTo(&c.MaxCommittedBytes, 4<<20)
	defaultTo(&c.MaxEntryBytes, 16<<20)
	defaultTo(&c.CacheBytes, 4<<20)
	defaultTo(&c.MaxPendingReads, 4096)
}

func defaultTo[T int | uint64](v *T, to T) {
	if *v == 0 {
		*v = to
	}
}
