package replica

import (
	"context"
	"io"

	"github.com/etalon-kv/etalon/raft"
)

// StateMachine is what a member replicates. Apply, ApplyChange and Restore are called by one goroutine at
// a time; the others by any, also beside those. An error of Apply, ApplyChange or Restore is final: the
// member stops, and nothing is acknowledged afterwards. It stays the property of whoever opened it, who
// closes it after Replica.Close.
type StateMachine interface {
	// Applied returns the last entry that the state holds, as of its last commit: its index, its term
	// and the membership as of it (Data is nil). All three are stored in one transaction with what
	// the entry changed, so that after a crash they and the state agree. A state machine that holds
	// nothing returns the zero value; one made for a founding member returns index 1, term 1 and the
	// founders, which stands for raft.FoundingSnapshot.
	Applied() raft.Snapshot
	// Durable returns up to which index the state would survive a crash now. It never blocks, and rises
	// by itself: the log is cut only behind it.
	Durable() raft.Index
	// Apply applies entries, all of type raft.EntryNormal and with consecutive indexes after Applied,
	// in one transaction, and stores in results[i] what the proposer of entries[i] is to be told.
	// Entry.Data is the command, without envelope; without Data the entry only moves Applied. It may
	// keep Data, and must not modify it. Nil results are not wanted. It need not make anything durable.
	Apply(entries []raft.Entry, results []any) error
	// ApplyChange applies a membership change, after deciding from its own state alone whether to accept
	// it: then it calls change and stores the membership that returns; otherwise it calls skip. One of
	// them is called exactly once. A change that turns out impossible returns the membership as it stays,
	// and raft.ErrBadConfChange; that is a result, not a failure. Any other error is final.
	// cc.Context is what the proposer gave.
	ApplyChange(e raft.Entry, cc *raft.ConfChange, change func() (raft.ConfState, error), skip func() error) (any, error)
	// Save returns an image of the state as of now. It stays the same while the state goes on.
	Save() (Image, error)
	// Restore replaces all of the state by the image that r gives. It is durable when it returns; a
	// crash before leaves the old state or the new one, never a mixture. Applied then is the image's At.
	Restore(ctx context.Context, r io.Reader) error
	// Digest returns a hash over everything that led to the state at revision rev, and that revision;
	// rev 0 is the newest. ok is false where the revision is not there (yet, or any more).
	Digest(rev uint64) (at, digest uint64, ok bool)
}

// Image is a state, pinned. It is an alias so that a state machine can return one without importing
// this package.
type Image = interface {
	// At is the last entry in it; see StateMachine.Applied.
	At() raft.Snapshot
	// WriteTo writes the image in a form that the Restore of any member understands.
	io.WriterTo
	// Close lets go of it.
	Close() error
}

// Log is the stored log: raft/wal and raft/kvlog have one. Write, CreateSnapshot, Compact and Sync
// are called by one goroutine at a time, what raft.Storage asks for by another beside it. It stays the
// property of whoever opened it, who closes it after Replica.Close.
type Log interface {
	raft.Storage
	// Write appends snap, entries and hard, in this order. With sync everything so far is durable when
	// it returns.
	Write(snap *raft.Snapshot, entries []raft.Entry, hard raft.HardState, sync bool) error
	// CreateSnapshot notes that a snapshot of the state at that index can be had.
	CreateSnapshot(at raft.Index, conf raft.ConfState, data []byte) error
	// Compact forgets the entries up to and including at, not beyond the newest snapshot.
	Compact(at raft.Index) error
	// Sync makes everything so far durable.
	Sync() error
}
