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

// head is what raft.HeadStorage answers by.
func (l *Log) head() (raft.LogHead, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return raft.LogHead{}, ErrClosed
	}
	return l.st.head(), nil
}

// Term implements raft.Storage. It reads no file.
func (l *Log) Term(i raft.Index) (raft.Term, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return 0, ErrClosed
	}
	h := l.st.head()
	if err := h.CheckTerm(i); err != nil {
		return 0, err
	}
	return l.st.term(i), nil
}

// Entries implements raft.Storage: the newest from memory, older ones from their files, with all
// checksums verified. ErrCorrupt (a *CorruptError): an entry is damaged. An entry counts its data and
// 24 bytes against maxBytes, as in the core.
func (l *Log) Entries(dst []raft.Entry, lo, hi raft.Index, maxBytes uint64) ([]raft.Entry, error) {
	l.files.RLock()
	defer l.files.RUnlock()
	l.mu.RLock()
	if l.closed {
		l.mu.RUnlock()
		return dst, ErrClosed
	}
	h := l.st.head()
	if err := h.CheckEntries(lo, hi); err != nil {
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

	budget := raft.NewReadBudget(maxBytes)
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
		if !budget.Take(&recent[i]) {
			break
		}
		dst = append(dst, recent[i])
	}
	return dst, nil
}

// read appends the entries [lo, hi), which are in the extent.
func (x *extent) read(dst []raft.Entry, lo, hi raft.Index, budget *raft.ReadBudget) ([]raft.Entry, error) {
	s := newScanner(x.seg, x.pos, x.chain, -1)
	for next := x.first; next < hi && !budget.Over(); {
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
		if next++; e.Index < lo || !budget.Take(&e) {
			continue
		}
		e.Data = bytes.Clone(e.Data)
		dst = append(dst, e)
	}
	return dst, nil
}
