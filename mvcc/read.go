package mvcc

import (
	"fmt"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// RangeOptions refine a Range.
type RangeOptions struct {
	// Rev is the revision to read at; 0 is the one of the transaction.
	Rev int64
	// Limit bounds the number of keys returned; 0 does not. Count is not affected.
	Limit int64
	// KeysOnly leaves out values and leases; the answer comes from the index alone.
	KeysOnly bool
	// CountOnly returns no keys at all.
	CountOnly bool
	// Back returns keys in descending order, so a Limit keeps the last ones.
	Back bool
}

// RangeResult is what a Range found.
type RangeResult struct {
	// KVs are in the order of their keys. The slices are the caller's.
	KVs []KeyValue
	// Count is the number of keys in the range at the revision, whatever the limit.
	Count int64
	// Rev is the revision that was read.
	Rev int64
}

// ReadTxn reads one revision: the one that was current when it began, unless a call names an
// older one. It never waits for the writer, nor the writer for it. If a compaction passes the
// revision, reads answer ErrCompacted from then on. Its methods may be called by any number of
// goroutines; Close must come after they have returned.
type ReadTxn struct {
	s   *Store
	rev int64
}

// Read begins a read transaction. The caller must Close it.
func (s *Store) Read() (*ReadTxn, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	return &ReadTxn{s: s, rev: s.current.Load()}, nil
}

// Close ends the transaction. A second Close answers ErrDone.
func (t *ReadTxn) Close() error {
	if t.s == nil {
		return ErrDone
	}
	t.s.exit()
	t.s = nil
	return nil
}

// Rev is the revision of the transaction.
func (t *ReadTxn) Rev() int64 { return t.rev }

// Get returns key at the revision at, 0 for the transaction's; false if it does not exist there.
// The slices are the caller's.
func (t *ReadTxn) Get(key []byte, at int64) (KeyValue, bool, error) {
	if t.s == nil {
		return KeyValue{}, false, ErrDone
	}
	return t.s.getAt(key, at, t.rev)
}

// Range returns the keys of [lo, hi) at a revision. A nil lo begins with the first key, a nil hi
// has no end. Errors: ErrInvertedRange, ErrNegative, ErrCompacted, ErrFutureRevision, and
// CorruptError for a record that is damaged.
func (t *ReadTxn) Range(lo, hi []byte, o RangeOptions) (RangeResult, error) {
	if t.s == nil {
		return RangeResult{}, ErrDone
	}
	return t.s.rangeAt(lo, hi, o, t.rev, nil)
}

// Get is Get of a read transaction of its own.
func (s *Store) Get(key []byte, at int64) (KeyValue, bool, error) {
	if err := s.enter(); err != nil {
		return KeyValue{}, false, err
	}
	defer s.exit()
	return s.getAt(key, at, s.current.Load())
}

// Range is Range of a read transaction of its own.
func (s *Store) Range(lo, hi []byte, o RangeOptions) (RangeResult, error) {
	if err := s.enter(); err != nil {
		return RangeResult{}, err
	}
	defer s.exit()
	return s.rangeAt(lo, hi, o, s.current.Load(), nil)
}

// resolve returns the revision that a read asks for, where now is that of its transaction.
func (s *Store) resolve(at, now int64) (int64, error) {
	if p := s.stopped.Load(); p != nil {
		return 0, *p
	}
	switch {
	case at < 0:
		return 0, fmt.Errorf("%w: revision %d", ErrNegative, at)
	case at > now:
		return 0, fmt.Errorf("%w: %d, the current one is %d", ErrFutureRevision, at, now)
	case at == 0:
		at = now
	}
	return at, s.readable(at)
}

// readable is ErrCompacted when a compaction has passed at. What was read from the index counts
// only if it is still nil afterwards.
func (s *Store) readable(at int64) error {
	if c := s.compacted.Load(); at < c {
		return fmt.Errorf("%w: %d, the oldest left is %d", ErrCompacted, at, c)
	}
	return nil
}

func (s *Store) getAt(key []byte, at, now int64) (KeyValue, bool, error) {
	if len(key) == 0 {
		return KeyValue{}, false, ErrEmptyKey
	}
	at, err := s.resolve(at, now)
	if err != nil {
		return KeyValue{}, false, err
	}
	e, found := s.index.Get(key, at)
	if !found {
		return KeyValue{}, false, s.readable(at)
	}
	kv, err := s.fetch(key, e, at)
	return kv, err == nil, err
}

// fetch returns the record of key that e names, for a read at the revision at.
func (s *Store) fetch(key []byte, e index.Entry, at int64) (KeyValue, error) {
	v, err := s.acquire(e.ModRev.Main)
	if err != nil {
		return KeyValue{}, err
	}
	defer s.views.release(v)
	// One piece of memory for the revision key and, behind it, the record: as long as the last.
	last := s.lastRecord.Load()
	buf := appendRevKey(make([]byte, 0, revKeyBytes+last), e.ModRev)
	buf, err = v.snap.Get(buf, spaceRecords, buf[:revKeyBytes:revKeyBytes])
	if err != nil {
		return KeyValue{}, s.missing(key, e.ModRev, at, err)
	}
	if n := int64(len(buf) - revKeyBytes); n != last && n <= maxGuess {
		s.lastRecord.Store(n)
	}
	return check(key, e, buf[:revKeyBytes], buf[revKeyBytes:])
}

// maxGuess is the longest record that the next one is taken to be as long as.
const maxGuess = 16 << 10

// missing tells why the record of key at rev, which the index knows, could not be read.
func (s *Store) missing(key []byte, rev index.Revision, at int64, err error) error {
	if gone := s.readable(at); gone != nil {
		return gone
	}
	return &CorruptError{Key: append([]byte(nil), key...), Rev: rev, What: "record cannot be read", Cause: err}
}

// check decodes a record and compares it with what the index says.
func check(key []byte, e index.Entry, revKey, value []byte) (KeyValue, error) {
	r, err := decode(e.ModRev, revKey, value)
	if err != nil {
		if c, ok := err.(*CorruptError); ok { // the index knows the key better
			c.Key = append([]byte(nil), key...)
		}
		return KeyValue{}, err
	}
	if r.tombstone || string(r.kv.Key) != string(key) || r.kv.CreateRevision != e.CreateRev || r.kv.Version != e.Version {
		return KeyValue{}, &CorruptError{Key: append([]byte(nil), key...), Rev: e.ModRev, What: "record is of another write than the index says"}
	}
	return r.kv, nil
}
