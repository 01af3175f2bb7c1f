package kvlog

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/raft"
)

var _ raft.Storage = (*Log)(nil)

// view is what raft.HeadStorage answers by.
func (l *Log) view() (raft.LogHead, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return raft.LogHead{}, ErrClosed
	}
	return l.head(), nil
}

// head is what readers and writers are checked against. Readers hold mu.
func (l *Log) head() raft.LogHead {
	return raft.LogHead{Hard: l.hard, Snapshot: l.snap, Base: l.base.index, Last: l.last.index}
}

// Term implements raft.Storage. It reads the entry, except for the first and last that are known.
func (l *Log) Term(i raft.Index) (raft.Term, error) {
	l.use.RLock()
	defer l.use.RUnlock()
	l.mu.RLock()
	defer l.mu.RUnlock() // held while the entry is read, so that it cannot go away
	if l.closed {
		return 0, ErrClosed
	}
	h := l.head()
	if err := h.CheckTerm(i); err != nil {
		return 0, err
	}
	pos, err := l.at(i)
	return pos.term, err
}

// Entries implements raft.Storage. Every check is verified (ErrCorrupt), and that each entry follows
// the one before. An entry counts its data and 24 bytes against maxBytes, as in the core.
func (l *Log) Entries(dst []raft.Entry, lo, hi raft.Index, maxBytes uint64) ([]raft.Entry, error) {
	l.use.RLock()
	defer l.use.RUnlock()
	l.mu.RLock()
	if l.closed {
		l.mu.RUnlock()
		return dst, ErrClosed
	}
	h := l.head()
	if err := h.CheckEntries(lo, hi); err != nil {
		l.mu.RUnlock()
		return dst, err
	}
	var recent []pendingEntry // never changed, only replaced
	split := hi
	if len(l.pending) > 0 && l.pending[0].Index < hi {
		first := l.pending[0].Index
		split = max(lo, first)
		recent = l.pending[split-first : hi-first]
	}
	var view engine.Snapshot
	if lo < split {
		var err error
		if view, err = l.b.Snapshot(); err != nil {
			l.mu.RUnlock()
			return dst, err
		}
		defer view.Close()
	}
	l.mu.RUnlock()

	budget := raft.NewReadBudget(maxBytes)
	take := func(e raft.Entry) bool {
		if !budget.Take(&e) {
			return false
		}
		dst = append(dst, e)
		return true
	}
	if lo < split {
		more, err := scan(view, l.space, lo, split, take)
		if err != nil || !more {
			return dst, err
		}
	}
	for i := range recent {
		if !take(recent[i].Entry) {
			break
		}
	}
	return dst, nil
}

// scan gives the stored entries [lo, hi) to take until it has enough.
func scan(view engine.Snapshot, space engine.Space, lo, hi raft.Index, take func(raft.Entry) bool) (more bool, err error) {
	it := view.Scan(space, appendEntryKey(nil, lo), appendEntryKey(nil, hi))
	defer func() {
		if cerr := it.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("kvlog: %w", cerr)
		}
	}()
	chain := uint32(0)
	for i := lo; i < hi; i++ {
		if !it.Next() {
			if err := it.Err(); err != nil {
				return false, fmt.Errorf("kvlog: entry %d: %w", i, err)
			}
			return false, fmt.Errorf("%w: entry %d is missing", ErrCorrupt, i)
		}
		if !bytes.Equal(it.Key(), appendEntryKey(nil, i)) {
			return false, fmt.Errorf("%w: entry %d is missing, %x follows", ErrCorrupt, i, it.Key())
		}
		e, before, sum, err := decodeEntry(bytes.Clone(it.Value()), i)
		if err != nil {
			return false, err
		}
		if i > lo && before != chain {
			return false, fmt.Errorf("%w: entry %d does not follow the one before", ErrCorrupt, i)
		}
		chain = sum
		if !take(e) {
			return false, nil
		}
	}
	return true, nil
}

// Open opens the log in a space of b, or begins an empty one. b must not be written to by anybody
// else in that space, and stays open until after Close. ErrCorrupt, ErrForeign: nothing was changed.
func Open(b engine.Backend, o Options) (*Log, error) {
	l := &Log{b: b, space: o.Space, caps: b.Caps(), batch: b.NewBatch()}
	l.storageHead = l.view
	view, err := b.Snapshot()
	if err != nil {
		return nil, fmt.Errorf("kvlog: open: %w", err)
	}
	stale, err := l.load(view)
	if cerr := view.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("kvlog: open: %w", cerr)
	}
	if err != nil {
		return nil, err
	}
	if stale > 0 { // what a compaction that took several batches left behind
		if err := l.forget(stale-1, l.base.index); err != nil {
			return nil, err
		}
	}
	// What was found may not have been durable yet.
	if err := l.apply(true); err != nil {
		return nil, err
	}
	return l, nil
}

// load reads everything. stale is the first index that lies before the log; 0 if none does.
func (l *Log) load(view engine.Snapshot) (stale raft.Index, err error) {
	version, err := view.Get(nil, l.space, versionKey())
	if errors.Is(err, engine.ErrNotFound) {
		it := view.Scan(l.space, nil, nil)
		defer it.Close()
		if it.Next() {
			return 0, fmt.Errorf("%w: key %x, and no version", ErrForeign, it.Key())
		}
		l.set(versionKey(), []byte{formatVersion})
		return 0, it.Err()
	}
	if err != nil {
		return 0, fmt.Errorf("kvlog: open: %w", err)
	}
	if version, err = open(versionKey(), version); err != nil {
		return 0, err
	}
	if len(version) != 1 || version[0] != formatVersion {
		return 0, fmt.Errorf("%w: format %x, this program knows %d", ErrForeign, version, formatVersion)
	}
	it := view.Scan(l.space, nil, nil)
	defer it.Close()
	for it.Next() {
		key := it.Key()
		if len(key) == entryKeyBytes && key[0] == 'e' {
			if err := l.loadEntry(it, &stale); err != nil {
				return 0, err
			}
			continue
		}
		if err := l.loadOther(string(key), it.Value()); err != nil {
			return 0, err
		}
	}
	if err := it.Err(); err != nil {
		return 0, fmt.Errorf("kvlog: open: %w", err)
	}
	if l.base.index > l.snap.Index { // a log is cut behind a snapshot, which is stored first
		return 0, fmt.Errorf("%w: the log begins behind entry %d, the snapshot is at %d", ErrCorrupt, l.base.index, l.snap.Index)
	}
	return stale, nil
}

func (l *Log) loadEntry(it engine.Iterator, stale *raft.Index) error {
	i := entryIndex(it.Key())
	if i <= l.base.index {
		if *stale == 0 {
			*stale = i
		}
		return nil
	}
	if i != l.last.index+1 {
		return fmt.Errorf("%w: entry %d is missing, %d follows", ErrCorrupt, l.last.index+1, i)
	}
	e, before, sum, err := decodeEntry(it.Value(), i)
	if err != nil {
		return err
	}
	if before != l.last.check || e.Term < l.last.term {
		return fmt.Errorf("%w: entry %d does not follow the one before", ErrCorrupt, i)
	}
	l.last = position{i, e.Term, sum}
	return nil
}

// loadOther takes the values that are not entries. "b" comes before all entries.
func (l *Log) loadOther(key string, value []byte) error {
	value, err := open([]byte(key), bytes.Clone(value))
	if err != nil {
		return err
	}
	switch key {
	case string(baseKey()):
		l.base.index, l.base.term, l.base.check, err = decodeBase(value)
		l.last = l.base
	case string(hardKey()):
		err = l.hard.Decode(value)
	case string(snapKey()):
		err = l.snap.Decode(value)
	case string(versionKey()):
	default:
		return fmt.Errorf("%w: key %x", ErrForeign, key)
	}
	if err != nil {
		return fmt.Errorf("%w: the value of %q: %v", ErrCorrupt, key, err)
	}
	return nil
}
