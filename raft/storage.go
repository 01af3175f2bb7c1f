package raft

// Storage is what the core reads of the stored log. The core never writes: the caller writes what
// a Ready asks for and then says so (RawNode.Persisted), and from that moment Storage must show it.
//
// The core keeps every entry in memory until it is both persisted and applied, and a cache of recent
// ones beyond (Config.CacheBytes), so in steady state it reads nothing here. It reads to catch up a
// slow member, to apply after a restart, and Term and FirstIndex when a leader must find where a
// member's log departs from its own.
//
// What a Ready asks to be written is one batch in this order: Snapshot, Entries, HardState. After a
// crash in the middle of it any beginning of the batch may be there, but nothing of it without what
// comes before; the core repairs the rest at its start (a term behind the log's, a commit index
// behind the snapshot's). Entries replace those with the same and all higher indexes.
//
// Methods are called on the goroutine that drives the core. The caller's writer may run on another
// one at the same time; what it has not yet acknowledged may or may not show, and the core does not
// ask for it.
//
// An error other than those named at a method stops the core for good (ErrStopped): a log that cannot
// be read cannot be vouched for.
type Storage interface {
	// InitialState returns what was stored before this start. It is called once, by NewRawNode.
	InitialState() (StoredState, error)
	// Entries appends to dst the entries [lo, hi), fewer if together they exceed maxBytes of data,
	// but at least one. lo < hi; both lie in [FirstIndex, LastIndex+1]. The core may keep the result;
	// the implementation must not change its Data afterwards. ErrCompacted: lo < FirstIndex.
	// ErrUnavailable: hi > LastIndex+1.
	Entries(dst []Entry, lo, hi Index, maxBytes uint64) ([]Entry, error)
	// Term returns the term of the entry at i, which lies in [FirstIndex-1, LastIndex]: that of
	// FirstIndex-1 is kept for matching though the entry itself is gone. Otherwise ErrCompacted or
	// ErrUnavailable.
	Term(i Index) (Term, error)
	// FirstIndex returns the first index whose entry is still there; LastIndex+1 if none is. It only
	// rises.
	FirstIndex() (Index, error)
	// LastIndex returns the last index of the log; that of the snapshot if no entry follows it.
	LastIndex() (Index, error)
	// Snapshot returns a snapshot at FirstIndex-1 or later, to be sent to a member that lags behind
	// the log. It should be cheap: make Data name the state, and send the state by another road.
	// ErrSnapshotUnavailable: not now, ask later. The core does not modify the result.
	Snapshot() (*Snapshot, error)
}

// StoredState is what a member finds at its start.
type StoredState struct {
	Hard HardState
	// Conf is the membership as of SnapshotIndex, the index of the newest stored snapshot. A founding
	// member stores FoundingSnapshot before its first start; a member that is added later starts with
	// the zero values.
	Conf          ConfState
	SnapshotIndex Index
}
