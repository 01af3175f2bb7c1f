package mvcc

import (
	"fmt"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// History calls visit for every change of the revisions from to to, 0 for the current one, in
// order, until visit answers false. The slices of a change are valid during the call only. Of the
// compacted revision it shows what is left, which is the last write of each key. Errors:
// ErrCompacted, also when a compaction passes from on the way; ErrFutureRevision, ErrNegative,
// ErrInvertedRange for to below from.
func (s *Store) History(from, to int64, visit func(*Change) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.exit()
	return s.history(from, to, visit)
}

// history is History for who is in the store already.
func (s *Store) history(from, to int64, visit func(*Change) bool) error {
	to, err := s.resolve(to, s.current.Load())
	if err != nil {
		return err
	}
	switch {
	case from < 0:
		return fmt.Errorf("%w: revision %d", ErrNegative, from)
	case from > to:
		return fmt.Errorf("%w: revisions %d to %d", ErrInvertedRange, from, to)
	}
	if err := s.readable(from); err != nil {
		return err
	}
	v, err := s.acquire(to)
	if err != nil {
		return err
	}
	defer s.views.release(v)
	// A compaction that passes from now on cannot take records out of v, but those of one that
	// passed before v was made are gone.
	if err := s.readable(from); err != nil {
		return err
	}
	compacted := s.compacted.Load()
	it := v.snap.Scan(spaceRecords, appendRevKey(nil, index.Revision{Main: from}), appendRevKey(nil, index.Revision{Main: to + 1}))
	defer it.Close()
	var c Change
	for it.Next() {
		rev, ok := parseRevKey(it.Key())
		if !ok {
			return &CorruptError{What: fmt.Sprintf("%x is no revision", it.Key())}
		}
		r, err := decode(rev, it.Key(), it.Value())
		if err != nil {
			return err
		}
		if rev.Main <= compacted {
			e, live := s.index.Get(r.kv.Key, compacted)
			if err := s.readable(from); err != nil {
				return err
			}
			if r.tombstone == live || live && e.ModRev != rev {
				continue
			}
		}
		c = Change{KeyValue: r.kv, Rev: rev, Tombstone: r.tombstone}
		if !visit(&c) {
			return nil
		}
	}
	return it.Err()
}
