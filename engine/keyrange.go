package engine

import (
	"bytes"
	"fmt"
)

// EmptyRange tells whether no key can lie in [lo, hi), by the rules of Batch.DeleteRange: a nil or
// empty lo is the start of the space, a nil hi its end; an empty non-nil hi, or hi <= lo, is empty.
func EmptyRange(lo, hi []byte) bool {
	return hi != nil && bytes.Compare(lo, hi) >= 0
}

// InRange tells whether key lies in [lo, hi), by the same rules.
func InRange(key, lo, hi []byte) bool {
	return bytes.Compare(lo, key) <= 0 && (hi == nil || bytes.Compare(key, hi) < 0)
}

// CheckKey answers ErrKeySize, with the size, for a key that no batch may hold.
func CheckKey(key []byte) error {
	if len(key) == 0 || len(key) > MaxKeyBytes {
		return fmt.Errorf("%w: %d bytes, want 1 to %d", ErrKeySize, len(key), MaxKeyBytes)
	}
	return nil
}

// Ended returns an Iterator over nothing that ends with err: what Scan answers for an empty range
// (nil) or on a closed Snapshot (ErrClosed).
func Ended(err error) Iterator { return &ended{err: err} }

type ended struct {
	err    error
	closed bool
}

func (e *ended) Next() bool    { return false }
func (e *ended) Key() []byte   { return nil }
func (e *ended) Value() []byte { return nil }

func (e *ended) Err() error {
	if e.closed {
		return ErrClosed
	}
	return e.err
}

func (e *ended) Close() error {
	if e.closed {
		return ErrClosed
	}
	e.closed = true
	return e.err
}
