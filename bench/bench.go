package bench

import (
	"context"
	"errors"
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

var kindNames = [numKinds]string{"get", "put", "insert", "scan", "delete", "rmw"}

// String is the name under which results.Record.Ops has the kind: get, put, insert, scan, delete,
// rmw.
func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return "unknown"
}

// Writes reports whether operations of the kind change content.
func (k Kind) Writes() bool { return k != Get && k != Scan }

// Errors of a Session and of the Runner.
var (
	// ErrNotFound is what Session.Do returns for a Get or ReadModifyWrite of a key that is not
	// there. It is an answer, not a failure: the operation counts as done. Whether the key ought
	// to be there is judged by the workload.
	ErrNotFound = errors.New("bench: key not found")
	// ErrStuck: workers did not return although their context had ended. The target ignores its
	// context; the goroutines that are stuck in it are left behind, there being no way to end them.
	ErrStuck = errors.New("bench: target does not return")
)

// Pair is one further key and value of a batched write.
type Pair struct{ Key, Value []byte }

// Op is one request. A worker owns one and refills it, so the hot path allocates nothing.
type Op struct {
	Kind  Kind
	Key   []byte
	End   []byte // Scan: exclusive upper bound; nil = none
	Value []byte // writes: the value; Get: Do sets it to what was read (valid until the next Do)
	More  []Pair // writes: further pairs that are applied in the same batch
	Limit int    // Scan: at most this many keys
	// Rev, of targets with revisions, is the one to read at, 0 = the newest. Do sets it to the one
	// that was written, or, of a Scan, read.
	Rev int64
	// Items is set by Do: how many keys were read, written or deleted.
	Items int
	// Bytes is set by Do: the keys and values moved to or from the client.
	Bytes int64
	// Index is the workload's own number of Key.
	Index uint64
	// Sent and Done are set by the Runner around Do: readings of one monotonic clock, the same for
	// all workers, from an arbitrary start.
	Sent, Done time.Duration
}

// Workload turns a seeded source into operations. It belongs to one worker; it makes no clock or
// I/O calls, and equal seeds give equal sequences (choosers that follow acknowledged inserts
// excepted). Neither method is inside the timed window.
type Workload interface {
	// Next fills in op. The slices it sets belong to the workload and stay as they are until the
	// next call.
	Next(r *rand.Rand, op *Op)
	// Acknowledged is called by the worker after Do: how latest learns of inserts, and where
	// answers are checked. It sees op as Do left it.
	Acknowledged(op *Op, err error)
}

// Source is a whole workload: what the load phase writes, and a Workload for each worker. Its
// methods are safe for concurrent use. *Mix is the one of this package; a Source that is a
// Verifier as well has its answers checked.
type Source interface {
	// Records is how many records the load phase writes, numbered from 0.
	Records() uint64
	// Load makes op the insertion of records first to first+n-1, reusing op's memory.
	Load(op *Op, first uint64, n int)
	// Worker returns worker i's Workload. Each i is used once a run.
	Worker(i int) Workload
	// DatasetBytes is the keys and values of the records that are there: those loaded, and those
	// inserted and deleted since.
	DatasetBytes() int64
	// Options are the effective settings, defaults included, as they go into the record.
	Options() map[string]string
}

// Verifier is a Source that knows what its reads must answer. The Runner asks in the verify phase,
// when no operation is under way.
type Verifier interface {
	// Samples picks records whose state is known: n at random, and all whose writes were followed.
	Samples(r *rand.Rand, n int) []uint64
	// Ask makes op the read of record index.
	Ask(op *Op, index uint64)
	// Judge takes the answer of Ask's op, and reports whether it is right.
	Judge(op *Op, err error) bool
	// Wrong is how many answers were wrong in the whole run, with an account of the first few;
	// checked is how many were looked at.
	Wrong() (wrong, checked int64, first []string)
}

// Schedule says when the n-th operation is due (n counts from 0), from the start of the phase.
// Times never descend. ok=false ends the phase. A nil Schedule is a closed loop: each worker sends
// when its last operation is done. At is a pure function, called by many workers at once.
type Schedule interface {
	At(n uint64) (due time.Duration, ok bool)
	// Rate is the mean number of operations a second offered within the first d of the schedule.
	Rate(d time.Duration) float64
	// String is the text that ParseSchedule reads as this Schedule.
	String() string
}

// Target is what load is applied to. Open is called once a worker, by the Runner. A Target that is
// a System too tells the Runner about itself.
type Target interface {
	Open(ctx context.Context, worker int) (Session, error)
}

// Session is one client's use of a Target, used by one goroutine.
type Session interface {
	// Do carries out op and returns when it is acknowledged with the target's durability. A key
	// that is not there is ErrNotFound, and no failure of the target. Do returns soon after ctx has
	// ended.
	Do(ctx context.Context, op *Op) error
	Close() error
}
