package kvlog

import (
	"fmt"
	"slices"

	"github.com/etalon-kv/etalon/raft"
)

// at returns the position of i, which lies in [base, last].
func (l *Log) at(i raft.Index) (position, error) {
	switch i {
	case l.base.index:
		return l.base, nil
	case l.last.index:
		return l.last, nil
	}
	if n := len(l.pending); n > 0 && i >= l.pending[0].Index {
		e := l.pending[i-l.pending[0].Index]
		return position{i, e.Term, e.check}, nil
	}
	e, check, err := l.stored(i)
	return position{i, e.Term, check}, err
}

// stored reads one entry from the engine.
func (l *Log) stored(i raft.Index) (raft.Entry, uint32, error) {
	view, err := l.b.Snapshot()
	if err != nil {
		return raft.Entry{}, 0, err
	}
	defer view.Close()
	value, err := view.Get(nil, l.space, appendEntryKey(nil, i))
	if err != nil {
		return raft.Entry{}, 0, fmt.Errorf("kvlog: entry %d: %w", i, err)
	}
	e, _, check, err := decodeEntry(value, i)
	return e, check, err
}

// truncate drops the entries after i, from the end backwards where that takes several batches.
func (l *Log) truncate(i raft.Index) error {
	to, err := l.at(i)
	if err != nil {
		return err
	}
	end := l.last.index
	l.mu.Lock()
	l.last = to
	if n := len(l.pending); n > 0 {
		keep := max(int(i)+1-int(l.pending[0].Index), 0)
		l.pending = slices.Clone(l.pending[:min(keep, n)])
	}
	l.mu.Unlock()
	for end > i {
		from := max(i, end-min(end, l.span()))
		if err := l.delete(from+1, end); err != nil {
			return err
		}
		end = from
	}
	return nil
}

// forget deletes the entries in (from, to], which lie before the log now.
func (l *Log) forget(from, to raft.Index) error {
	for from < to {
		n := min(to-from, l.span())
		if err := l.delete(from+1, from+n); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// span is how many entries a range deletion may cover.
func (l *Log) span() raft.Index {
	if l.caps.RangeDelete || l.caps.MaxBatchOps == 0 {
		return 1 << 62
	}
	return raft.Index(max(1, l.caps.MaxBatchOps/4))
}

// delete puts the deletion of [lo, hi] into the batch.
func (l *Log) delete(lo, hi raft.Index) error {
	cost := int64(1)
	if !l.caps.RangeDelete && l.caps.MaxBatchOps > 0 {
		cost += int64(hi - lo + 1)
	}
	if err := l.room(64, cost); err != nil {
		return err
	}
	l.batch.DeleteRange(l.space, appendEntryKey(nil, lo), appendEntryKey(nil, hi+1))
	l.ops += cost
	return nil
}
