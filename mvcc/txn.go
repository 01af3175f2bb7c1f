package mvcc

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// Change is one write of a committed transaction: an event. Of a tombstone only Key, ModRevision
// and Rev are set.
type Change struct {
	KeyValue
	// Rev is ModRevision and the place in the transaction.
	Rev       index.Revision
	Tombstone bool
}

// Txn is a write transaction: everything in it becomes visible at once, or nothing does. It sees
// its own writes. It is used by one goroutine and must be ended by Commit or Rollback; until then
// no other can begin. Keys and values given to it must not be changed before it has ended.
type Txn struct {
	s    *Store
	base int64 // current when it began
	main int64 // of the revision being written
	sub  int64
	own  ownWrites
	meta map[string][]byte // nil value: delete
	// compact is the revision that is compacted with the commit, -1 for none.
	compact int64
	done    bool
}

// Begin begins a write transaction when the one before has ended.
func (s *Store) Begin() (*Txn, error) {
	if s.guard.Enter() != nil {
		return nil, ErrClosed
	}
	s.mu.Lock()
	if p := s.stopped.Load(); p != nil {
		s.mu.Unlock()
		s.guard.Exit()
		return nil, *p
	}
	base := s.current.Load()
	t := &Txn{s: s, base: base, main: base + 1, compact: -1}
	t.own.list = s.room.list
	return t, nil
}

// end lets the next one begin.
func (t *Txn) end() {
	s := t.s
	t.done = true
	s.room.recycle(t.own.list)
	t.own.list = nil
	clear(s.changes)
	s.changes = s.changes[:0]
	if cap(s.changes) > maxKeptChanges {
		s.changes = nil
	}
	s.mu.Unlock()
	s.guard.Exit()
}

// maxKeptChanges is the longest list of changes whose memory is kept for the next transaction.
const maxKeptChanges = 1 << 14

// Rollback ends the transaction without effect. After Commit or Rollback it does nothing, so it
// may be deferred.
func (t *Txn) Rollback() {
	if !t.done {
		t.end()
	}
}

// Rev is the revision of the store as the transaction sees it: the one it stands on, or its own
// once it has changed something.
func (t *Txn) Rev() int64 {
	if t.sub > 0 {
		return t.main
	}
	return t.main - 1
}

// Next ends the revision being written, if it has changes; what follows is written in the next
// one. All of them become visible, and durable, together: that is how a log's entries are applied
// in groups.
func (t *Txn) Next() {
	if t.sub > 0 {
		t.main++
		t.sub = 0
	}
}

// Changes are the writes of the transaction so far, in order. They are the transaction's, valid
// until its next call.
func (t *Txn) Changes() []Change {
	if t.done {
		return nil
	}
	return t.s.changes
}

// Entry returns what the index knows of key as the transaction sees it; false if it does not exist.
func (t *Txn) Entry(key []byte) (index.Entry, bool) {
	if w := t.own.get(key); w != nil {
		return w.entry(), !w.tombstone
	}
	return t.s.index.Get(key, t.base)
}

// Get returns key as the transaction sees it, or, with at > 0, as it was at that revision; false if
// it does not exist. The slices are the caller's.
func (t *Txn) Get(key []byte, at int64) (KeyValue, bool, error) {
	if t.done {
		return KeyValue{}, false, ErrDone
	}
	if w := t.own.get(key); w != nil && at == 0 {
		if w.tombstone {
			return KeyValue{}, false, nil
		}
		kv := w.kv
		kv.Key, kv.Value = bytes.Clone(kv.Key), bytes.Clone(kv.Value)
		return kv, true, nil
	}
	return t.s.getAt(key, at, t.base)
}

// Range is that of a read transaction, on what this one sees; with o.Rev > 0, on the committed
// revision named.
func (t *Txn) Range(lo, hi []byte, o RangeOptions) (RangeResult, error) {
	if t.done {
		return RangeResult{}, ErrDone
	}
	return t.s.rangeAt(lo, hi, o, t.base, &t.own)
}

// Put writes value to key and attaches it to lease, 0 for none. It returns the key's entry before,
// whose Version is 0 if it did not exist. Errors: ErrEmptyKey, ErrTooLarge.
func (t *Txn) Put(key, value []byte, lease int64) (before index.Entry, err error) {
	switch {
	case t.done:
		return before, ErrDone
	case len(key) == 0:
		return before, ErrEmptyKey
	case len(key)+len(value) > t.s.limit:
		return before, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(key)+len(value), t.s.limit)
	}
	w := t.own.get(key)
	live := false
	if w != nil {
		before, live = w.entry(), !w.tombstone
	} else {
		before, live = t.s.index.Get(key, t.base)
		w = t.s.room.next()
		w.before = live
		w.kv.Key = key
		t.own.insert(w)
	}
	if !live {
		before = index.Entry{}
	}
	w.rev, w.tombstone = index.Revision{Main: t.main, Sub: t.sub}, false
	w.kv = KeyValue{
		Key: w.kv.Key, Value: value, Lease: lease,
		CreateRevision: before.CreateRev, ModRevision: t.main, Version: before.Version + 1,
	}
	if !live {
		w.kv.CreateRevision = t.main
	}
	t.add(Change{KeyValue: w.kv, Rev: w.rev})
	return before, nil
}

func (t *Txn) add(c Change) {
	t.s.changes = append(t.s.changes, c)
	t.sub++
}

// Delete deletes key and tells whether it existed; if not nothing was changed.
func (t *Txn) Delete(key []byte) (bool, error) {
	if t.done {
		return false, ErrDone
	}
	if len(key) == 0 {
		return false, ErrEmptyKey
	}
	w := t.own.get(key)
	if w == nil {
		if _, live := t.s.index.Get(key, t.base); !live {
			return false, nil
		}
		w = t.s.room.next()
		w.before = true
		w.kv.Key = key
		t.own.insert(w)
	} else if w.tombstone {
		return false, nil
	}
	t.bury(w)
	return true, nil
}

// bury makes w a tombstone at the next revision.
func (t *Txn) bury(w *ownWrite) {
	w.rev, w.tombstone = index.Revision{Main: t.main, Sub: t.sub}, true
	w.kv = KeyValue{Key: w.kv.Key, ModRevision: t.main}
	t.add(Change{KeyValue: w.kv, Rev: w.rev, Tombstone: true})
}

// DeleteRange deletes the keys of [lo, hi), bounds as in Range, in their order, and returns how
// many they were.
func (t *Txn) DeleteRange(lo, hi []byte) (int64, error) {
	if t.done {
		return 0, ErrDone
	}
	if err := checkRange(lo, hi); err != nil {
		return 0, err
	}
	r := t.s.ranger()
	defer r.recycle(t.s)
	r.collect(t.s.index, index.Query{Lo: lo, Hi: hi, At: t.base}, t.own.between(lo, hi))
	keys := make([]byte, 0, len(r.keys)) // r.keys is used again
	writes := make([]ownWrite, len(r.found))
	var fresh []*ownWrite
	for i := range r.found {
		f := &r.found[i]
		if f.own != nil {
			t.bury(f.own)
			continue
		}
		n := len(f.key)
		keys = append(keys, f.key...)
		w := &writes[i]
		w.before = true
		w.kv.Key = keys[len(keys)-n : len(keys) : len(keys)]
		t.bury(w)
		fresh = append(fresh, w)
	}
	t.own.insertAll(fresh)
	return int64(len(r.found)), nil
}

// SetMeta stores value under key beside the data, to be committed in the same batch: the applied
// index of a log, leases, members. It makes no revision. The store does not look at it.
func (t *Txn) SetMeta(key, value []byte) error {
	return t.setMeta(key, append([]byte{}, value...))
}

// DeleteMeta removes what SetMeta stored.
func (t *Txn) DeleteMeta(key []byte) error { return t.setMeta(key, nil) }

// Compact makes rev the oldest revision that can be read, from the commit on and in the batch of it;
// reads of this transaction do not see that yet. rev must be one that is ended: a revision being
// written is in the future. Errors are those of Store.Compact.
func (t *Txn) Compact(rev int64) error {
	if t.done {
		return ErrDone
	}
	switch c := max(t.s.compacted.Load(), t.compact); {
	case rev < 0:
		return fmt.Errorf("%w: compaction at revision %d", ErrNegative, rev)
	case rev <= c:
		return fmt.Errorf("%w: %d, compacted was %d", ErrCompacted, rev, c)
	case rev > t.main-1:
		return fmt.Errorf("%w: %d, the current one is %d", ErrFutureRevision, rev, t.main-1)
	}
	t.compact = rev
	return nil
}

// Leap lets the history go on n revisions later, and makes that revision the oldest that can be read:
// who has seen this store with up to n-1 revisions more will see none twice with another content. The
// revision itself is key written and deleted. It must come before any change. Errors: ErrNegative for
// n below 1, ErrFutureRevision for one out of reach, those of Put.
func (t *Txn) Leap(n int64, key []byte) error {
	switch {
	case t.done:
		return ErrDone
	case n < 1:
		return fmt.Errorf("%w: a leap of %d revisions", ErrNegative, n)
	case n >= index.MaxMain-t.base:
		return fmt.Errorf("%w: a leap of %d revisions from %d", ErrFutureRevision, n, t.base)
	case t.main != t.base+1 || t.sub > 0:
		return fmt.Errorf("mvcc: a leap from revision %d with changes before it", t.base)
	}
	t.main = t.base + n
	if _, err := t.Put(key, nil, 0); err != nil {
		return err
	}
	if _, err := t.Delete(key); err != nil {
		return err
	}
	t.Next()
	return t.Compact(t.main - 1)
}

func (t *Txn) setMeta(key, value []byte) error {
	switch {
	case t.done:
		return ErrDone
	case len(key) == 0:
		return ErrEmptyKey
	case len(key)+len(value) > t.s.limit:
		return fmt.Errorf("%w: %d bytes of meta data, at most %d", ErrTooLarge, len(key)+len(value), t.s.limit)
	}
	if t.meta == nil {
		t.meta = make(map[string][]byte)
	}
	t.meta[string(key)] = value
	return nil
}

// Meta returns what SetMeta stored under key, in this transaction or before; false if nothing is.
func (t *Txn) Meta(key []byte) ([]byte, bool, error) {
	if t.done {
		return nil, false, ErrDone
	}
	if v, ok := t.meta[string(key)]; ok {
		return bytes.Clone(v), v != nil, nil
	}
	return t.s.readMeta(key)
}

// metaKeys are in order, so that equal transactions make equal batches.
func (t *Txn) metaKeys() []string { return slices.Sorted(maps.Keys(t.meta)) }
