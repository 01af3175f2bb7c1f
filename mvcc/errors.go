package mvcc

import (
	"errors"
	"fmt"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// Errors of input. The call had no effect.
var (
	// ErrCompacted: the revision is below the compacted one.
	ErrCompacted = errors.New("mvcc: revision was compacted")
	// ErrFutureRevision: the revision is above the current one.
	ErrFutureRevision = errors.New("mvcc: revision is in the future")
	// ErrNegative: a revision or limit below 0.
	ErrNegative = errors.New("mvcc: negative number")
	// ErrEmptyKey: a key of no bytes.
	ErrEmptyKey = errors.New("mvcc: empty key")
	// ErrInvertedRange: the end of a range is not above its beginning.
	ErrInvertedRange = errors.New("mvcc: range ends before it begins")
	// ErrTooLarge: key and value are together over Config.MaxWriteBytes.
	ErrTooLarge = errors.New("mvcc: key and value too large")
	// ErrMetaTooLarge: what SetMeta collected does not fit into one batch of the engine.
	ErrMetaTooLarge = errors.New("mvcc: meta data too large for one batch of the engine")
)

// Errors of the life cycle.
var (
	// ErrDone: the transaction was ended before.
	ErrDone = errors.New("mvcc: transaction is over")
	// ErrClosed: the store was closed before.
	ErrClosed = errors.New("mvcc: store is closed")
	// ErrBusy: read transactions are open, so the store was not closed.
	ErrBusy = errors.New("mvcc: read transactions are open")
	// ErrStopped: the engine failed in a write. Nothing is acknowledged or answered from then on;
	// what survived is found out by opening the directory again.
	ErrStopped = errors.New("mvcc: store has stopped, reopen to recover")
)

// Errors of stored data.
var (
	// ErrCorrupt is what every CorruptError is.
	ErrCorrupt = errors.New("mvcc: corrupt data")
	// ErrFormat: the backend was written by another format version, or by something else.
	ErrFormat = errors.New("mvcc: unknown format")
)

// CorruptError tells which record is damaged or missing. errors.Is finds ErrCorrupt, and in Cause
// what the engine said.
type CorruptError struct {
	// Key is the key of the record; nil where only the damaged record could tell.
	Key []byte
	// Rev is the revision under which the record stands.
	Rev index.Revision
	// What is wrong.
	What string
	// Cause is the engine's error, nil if it had none.
	Cause error
}

func (e *CorruptError) Error() string {
	text := fmt.Sprintf("%v: key %q at revision %v: %s", ErrCorrupt, e.Key, e.Rev, e.What)
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap makes it ErrCorrupt and its Cause.
func (e *CorruptError) Unwrap() []error { return []error{ErrCorrupt, e.Cause} }
