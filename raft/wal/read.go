package wal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/etalon-kv/etalon/raft"
)

var _ raft.Storage = (*Log)(nil)

// InitialState implements raft.Storage.
func (l *Log) InitialState() (raft.StoredState, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return raft.StoredState{}, ErrClosed
	}
	return raft.StoredState{Hard: l.st.hard, Conf: l.st.snap.Conf.Clone(), SnapshotIndex: l.st.snap.Index}, nil
}

// FirstIndex implements raft.Storage.
func (l *Log) FirstIndex() (raft.Index, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return 0, ErrClosed
	}
	return l.st.base + 1, nil
}

// LastIndex implements raft.Storage.
func (l *Log) LastIndex() (raft.Index, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return 0, ErrClosed
	}
	return l.st.last, nil
}

// Term implements raft.Storage. It reads no file.
func (l *Log) Term(i raft.Index) (raft.Term, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	switch {
	case l.closed:
		return 0, ErrClosed
	case i < l.st.base:
		return 0, fmt.Errorf("%w: %d, the log begins at %d", raft.ErrCompacted, i, l.st.base+1)
	case i > l.st.last:
		return 0, fmt.Errorf("%w: %d, the log ends at %d", raft.ErrUnavailable, i, l.st.last)
	}
	return l.st.term(i), nil
}

// Snapshot implements raft.Storage: the newest snapshot that was written or created.
func (l *Log) Snapshot() (*raft.Snapshot, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return nil, ErrClosed
	}
	if l.st.snap.Index == 0 {
		return nil, raft.ErrSnapshotUnavailable
	}
	snap := l.st.snap
	return &snap, nil
}

// Entries implements raft.Storage: the newest from memory, older ones from their files, with all
// checksums verified. ErrCorrupt (a *CorruptError): an entry is damaged. An entry counts its data and
// 24 bytes against maxBytes, as in the core.
func (l *Log) Entries(dst []raft.Entry, lo, hi raft.Index, maxBytes uint64) ([]raft.Entry, error) {
	l.files.RLock()
	defer l.files.RUnlock()
	l.mu.RLock()
	if err := l.checkRange(lo, hi); err != nil {
		l.mu.RUnlock()
		return dst, err
	}
	var old []extent
	var recent []raft.Entry
	from := min(max(lo, l.cacheFirst), hi) // below: in files
	if from < hi {
		recent = slices.Clone(l.cache[from-l.cacheFirst : hi-l.cacheFirst])
	}
	if lo < from {
		a := sort.Search(len(l.st.extents), func(j int) bool { return l.st.extents[j].first > lo }) - 1
		b := sort.Search(len(l.st.extents), func(j int) bool { return l.st.extents[j].first >= from })
		old = slices.Clone(l.st.extents[a:b])
	}
	l.mu.RUnlock()

	budget := budget{left: maxBytes}
	for i, x := range old {
		end := from
		if i+1 < len(old) {
			end = old[i+1].first
		}
		var err error
		if dst, err = x.read(dst, max(lo, x.first), end, &budget); err != nil {
			return dst, err
		}
	}
	for i := range recent {
		if !budget.take(&recent[i]) {
			break
		}
		dst = append(dst, recent[i])
	}
	return dst, nil
}

func (l *Log) checkRange(lo, hi raft.Index) error {
	switch {
	case l.closed:
		return ErrClosed
	case lo <= l.st.base:
		return fmt.Errorf("%w: %d, the log begins at %d", raft.ErrCompacted, lo, l.st.base+1)
	case hi > l.st.last+1 || lo >= hi:
		return fmt.Errorf("%w: [%d, %d), the log ends at %d", raft.ErrUnavailable, lo, hi, l.st.last)
	}
	return nil
}

// budget limits the bytes of one answer, which has at least one entry.
type budget struct {
	left  uint64
	taken int
	over  bool
}

func (b *budget) take(e *raft.Entry) bool {
	size := uint64(len(e.Data)) + 24
	if b.over || b.taken > 0 && size > b.left {
		b.over = true
		return false
	}
	b.left -= min(size, b.left)
	b.taken++
	return true
}

// read appends the entries [lo, hi), which are in the extent.
func (x *extent) read(dst []raft.Entry, lo, hi raft.Index, budget *budget) ([]raft.Entry, error) {
	s := newScanner(x.seg, x.pos, x.chain, -1)
	for next := x.first; next < hi && !budget.over; {
		s.next = next
		r, pos, _, err := s.read()
		if errors.Is(err, errEnd) {
			return dst, x.seg.corrupt((s.sector-1)*sectorData, next, "a sector fails its checksum or is not there")
		}
		if err != nil {
			return dst, err
		}
		if r.kind != kindEntry {
			continue
		}
		var e raft.Entry
		if err := e.Decode(r.payload); err != nil || e.Index != next {
			return dst, x.seg.corrupt(pos, next, fmt.Sprintf("a record is entry %d: %v", e.Index, err))
		}
		if next++; e.Index < lo || !budget.take(&e) {
			continue
		}
		e.Data = bytes.Clone(e.Data)
		dst = append(dst, e)
	}
	return dst, nil
}
