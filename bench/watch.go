package bench

import (
	"context"
	"time"
)

// Watchable is a Target that tells of writes as they happen. Found by type assertion; needed by a
// Source that is Watched.
type Watchable interface {
	// Watch returns when every write that is acknowledged from then on will be told. The keys are
	// those of [key, end); a nil key begins with the first of all, a nil end has no end.
	Watch(ctx context.Context, key, end []byte) (Watch, error)
}

// Watch is one watch, used by one goroutine.
type Watch interface {
	// Next waits for news, and returns it in the order of revisions. The slices are valid until the
	// next call. It returns soon after ctx has ended, with an error.
	Next(ctx context.Context) ([]Event, error)
	Close() error
}

// Event is one write of one key, as a watcher is told of it.
type Event struct {
	Key, Value []byte
	Rev        int64 // of the write; never below that of the event before
	Deleted    bool
}

// Compactor is a Target that keeps old revisions until it is told that they are not needed. Found
// by type assertion; needed by a Source that is Compacted.
type Compactor interface {
	// Compact gives up what only reads below rev need, and returns when it has been removed.
	Compact(ctx context.Context, rev int64) error
}

// Watched is a Source that has its writes watched while they are made. The latency of an event
// counts from the moment its write was sent, so a value must tell which write it is of.
type Watched interface {
	// Watchers is how many watch all keys; 0 = nobody.
	Watchers() int
	// Stamp reads which write made a value; false if it cannot tell.
	Stamp(value []byte) (Stamp, bool)
	// CheckEvent returns nil if the value is one that was written to the key. It uses scratch, which
	// it returns for the next call.
	CheckEvent(scratch []byte, e *Event) ([]byte, error)
}

// Compacted is a Source that has old revisions removed behind its writers.
type Compacted interface {
	// CompactEvery is the pause between the end of one compaction and the next; 0 = none.
	CompactEvery() time.Duration
	// CompactTo is the revision to compact at now; 0 = none is known yet.
	CompactTo() int64
}
