package logtest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/etalon-kv/etalon/raft"
)

// Log is a stored log: what the core reads, and what its caller writes. The writing methods are called
// by one goroutine at a time, the reading ones by any.
//
// What is written is a sequence: of each Write the snapshot, then each entry, then the hard state; each
// CreateSnapshot; each Compact. Entries behind a snapshot that does not agree with them, and those that
// are replaced, go first, each for itself from the last on. After a crash a prefix of the sequence is there,
// at least up to the last that was synced. A call that is refused (errors of package raft) writes nothing.
type Log interface {
	raft.Storage
	// Write stores what a Ready asks for. snap, if not nil, replaces the log, except that the
	// entries behind it stay if the log has one with its index and term. entries replace those with
	// the same and all higher indexes. hard is left out if empty. With sync, all of this and
	// everything before is durable on return, after one sync. raft.ErrSnapshotOutOfDate,
	// raft.ErrCompacted, raft.ErrUnavailable (a gap), raft.ErrMisuse (entries out of order).
	Write(snap *raft.Snapshot, entries []raft.Entry, hard raft.HardState, sync bool) error
	// CreateSnapshot notes a snapshot of the state machine at an index of the log; it cuts nothing.
	// raft.ErrSnapshotOutOfDate, raft.ErrUnavailable, raft.ErrCompacted.
	CreateSnapshot(at raft.Index, conf raft.ConfState, data []byte) error
	// Compact forgets the entries up to at, which is not beyond the newest snapshot (raft.ErrMisuse).
	Compact(at raft.Index) error
	// Sync makes everything written durable.
	Sync() error
	// Close does that too, and ends the Log.
	Close() error
}

// Store is a place where a log lives.
type Store struct {
	// Open opens the log, an empty one at first.
	Open func() (Log, error)
	// Crash, if not nil, is a power cut: the open Log is abandoned, and the next Open finds what the
	// disk has kept, which r decides where the contract leaves it open.
	Crash func(r *rand.Rand)
}

// Harness is how the suite gets at a kind of log.
type Harness struct {
	// New makes an empty place, which goes away with the test.
	New func(t testing.TB) Store
	// InUse is the error of a second Open, Closed that of every call after Close.
	InUse, Closed error
	// Rounds of random histories; 0 = 60.
	Rounds int
}

// Rand returns a source for one test; its seed is printed if the test fails, and taken from
// ETALON_SEED where that is set.
func Rand(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	if s := os.Getenv("ETALON_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("repeat with ETALON_SEED=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 1))
}
