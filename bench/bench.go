package bench

import (
	"context"
	"math/rand/v2"
	"time"
)

// Kind is what an operation does.
type Kind uint8

const (
	Get             Kind = iota // read one key
	Put                         // write keys that are there (update, overwrite)
	Insert                      // write keys that are not there yet
	Scan                        // read up to Limit keys from Key on, ascending
	Delete                      // delete one key
	ReadModifyWrite             // read a key, then write it: one operation, as in YCSB F
	numKinds
)

// Pair is one further key and value of a batched write.
type Pair struct{ Key, Value []byte }

// Op is one request. A worker owns one and refills it, so the hot path allocates nothing.
type Op struct {
	Kind  Kind
	Key   []byte
	End   []byte // Scan: exclusive upper bound; nil = none
	Value []byte // writes: the value; reads: Do sets it to what was read (valid until the next Do)
	More  []Pair // writes: further pairs that are applied in the same batch
	Limit int    // Scan: at most this many keys
	Rev   int64  // revisioned targets: revision to read at (0 = newest); Do sets the revision written
	// Items is set by Do: how many keys were read, written or deleted.
	Items int
	// Bytes is set by Do: the keys and values moved to or from the client.
	Bytes int64
	// Index is the workload's own number of Key, for Acknowledged.
	Index uint64
}

// Workload turns a seeded source into operations. It belongs to one worker; it makes no clock, I/O
// or lock calls, and equal seeds give equal sequences (choosers that follow acknowledged inserts
// excepted). Next is called outside the timed window.
type Workload interface {
	Next(r *rand.Rand, op *Op)
	// Acknowledged is called by the worker after Do, outside the timed window: how latest learns
	// of inserts, and verification of writes.
	Acknowledged(op *Op, err error)
}

// Schedule says when the n-th operation is due, from the start of the phase. ok=false ends the
// phase. A nil Schedule is a closed loop: each worker sends when its last operation is done.
type Schedule interface {
	At(n uint64) (due time.Duration, ok bool)
}

// Target is what load is applied to. Open is called once a worker, by the Runner.
type Target interface {
	Open(ctx context.Context, worker int) (Session, error)
}

// Session is one client's use of a Target, used by one goroutine.
type Session interface {
	// Do carries out op and returns when it is acknowledged with the target's durability. A key
	// that is not there is ErrNotFound, and no failure of the target.
	Do(ctx context.Context, op *Op) error
	Close() error
}
