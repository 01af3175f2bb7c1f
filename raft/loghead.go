package raft

import "fmt"

// LogHead is everything about a stored log but its entries. Logs that implement Storage keep one in
// some form; what they answer from it, and which reads and writes make no sense after it, is
// decided here once for all of them.
type LogHead struct {
	Hard HardState
	// Snapshot is the newest one; Index 0: none.
	Snapshot Snapshot
	// Base and Last bound the log, which is (Base, Last]. Base <= Snapshot.Index <= Last, where there is
	// a snapshot.
	Base, Last Index
}

// HeadStorage is the part of Storage that reads no entry, over a function that returns the head of now, or
// the error of a log that is closed. A log embeds one.
type HeadStorage func() (LogHead, error)

// InitialState implements Storage.
func (head HeadStorage) InitialState() (StoredState, error) {
	h, err := head()
	if err != nil {
		return StoredState{}, err
	}
	return StoredState{Hard: h.Hard, Conf: h.Snapshot.Conf.Clone(), SnapshotIndex: h.Snapshot.Index}, nil
}

// FirstIndex implements Storage.
func (head HeadStorage) FirstIndex() (Index, error) {
	h, err := head()
	if err != nil {
		return 0, err
	}
	return h.Base + 1, nil
}

// LastIndex implements Storage.
func (head HeadStorage) LastIndex() (Index, error) {
	h, err := head()
	return h.Last, err
}

// Snapshot implements Storage: the newest that was written or created.
func (head HeadStorage) Snapshot() (*Snapshot, error) {
	h, err := head()
	if err != nil {
		return nil, err
	}
	if h.Snapshot.Index == 0 {
		return nil, ErrSnapshotUnavailable
	}
	return &h.Snapshot, nil
}

// CheckTerm refuses what Storage.Term refuses.
func (h *LogHead) CheckTerm(i Index) error {
	switch {
	case i < h.Base:
		return fmt.Errorf("%w: %d, the log begins at %d", ErrCompacted, i, h.Base+1)
	case i > h.Last:
		return fmt.Errorf("%w: %d, the log ends at %d", ErrUnavailable, i, h.Last)
	}
	return nil
}

// CheckEntries refuses what Storage.Entries refuses.
func (h *LogHead) CheckEntries(lo, hi Index) error {
	switch {
	case lo <= h.Base:
		return fmt.Errorf("%w: %d, the log begins at %d", ErrCompacted, lo, h.Base+1)
	case hi > h.Last+1 || lo >= hi:
		return fmt.Errorf("%w: [%d, %d), the log ends at %d", ErrUnavailable, lo, hi, h.Last)
	}
	return nil
}

// CheckWrite refuses the writing of snap, if not nil, and then entries, where it makes no sense: with
// ErrSnapshotOutOfDate; ErrCompacted, for entries that a snapshot stands for, which are committed and
// cannot become others; ErrUnavailable, for a gap; ErrMisuse, for indexes that are not consecutive
// and terms that fall. term is Storage.Term, asked within the log only. keeps says that the log
// agrees with snap, so that the entries behind it stay.
func (h *LogHead) CheckWrite(snap *Snapshot, entries []Entry, term func(Index) (Term, error)) (keeps bool, err error) {
	after, last := max(h.Base, h.Snapshot.Index), h.Last
	if snap != nil {
		if snap.Index <= h.Snapshot.Index {
			return false, fmt.Errorf("%w: %d, stored is %d", ErrSnapshotOutOfDate, snap.Index, h.Snapshot.Index)
		}
		if snap.Index >= h.Base && snap.Index <= h.Last {
			t, err := term(snap.Index)
			if err != nil {
				return false, err
			}
			keeps = t == snap.Term
		}
		if after = snap.Index; !keeps {
			last = snap.Index
		}
	}
	if len(entries) == 0 {
		return keeps, nil
	}
	first := entries[0].Index
	if first <= after {
		return false, fmt.Errorf("%w: append at %d, what is up to %d is in a snapshot", ErrCompacted, first, after)
	}
	if first > last+1 {
		return false, fmt.Errorf("%w: append at %d, the log ends at %d", ErrUnavailable, first, last)
	}
	var before Term
	if snap != nil && first == snap.Index+1 {
		before = snap.Term
	} else if before, err = term(first - 1); err != nil {
		return false, err
	}
	for i := range entries {
		e := &entries[i]
		if e.Index != first+Index(i) || e.Term < before {
			return false, fmt.Errorf("%w: entry %d of term %d, want index %d and at least term %d", ErrMisuse, e.Index, e.Term, first+Index(i), before)
		}
		before = e.Term
	}
	return keeps, nil
}

// CheckSnapshot refuses a snapshot of the state machine at an index that has none, or a newer one:
// ErrSnapshotOutOfDate, ErrCompacted, ErrUnavailable.
func (h *LogHead) CheckSnapshot(at Index) error {
	if at <= h.Snapshot.Index {
		return fmt.Errorf("%w: %d, stored is %d", ErrSnapshotOutOfDate, at, h.Snapshot.Index)
	}
	return h.CheckTerm(at)
}

// CheckCompact refuses to forget entries beyond the newest snapshot: they are needed after a restart
// (ErrMisuse).
func (h *LogHead) CheckCompact(at Index) error {
	if at > h.Snapshot.Index {
		return fmt.Errorf("%w: compact to %d, the newest snapshot is at %d", ErrMisuse, at, h.Snapshot.Index)
	}
	return nil
}

// ReadBudget limits the entries of one answer of Storage.Entries to so many bytes, counted as the core
// counts them; the first is always within it.
type ReadBudget struct {
	left  uint64
	taken bool
	over  bool
}

// NewReadBudget returns a budget of maxBytes.
func NewReadBudget(maxBytes uint64) ReadBudget { return ReadBudget{left: maxBytes} }

// Take reports whether e is still within the budget. After a refusal all others are refused too.
func (b *ReadBudget) Take(e *Entry) bool {
	size := e.size()
	if b.over || b.taken && size > b.left {
		b.over = true
		return false
	}
	b.left -= min(size, b.left)
	b.taken = true
	return true
}

// Over reports whether an entry was refused.
func (b *ReadBudget) Over() bool { return b.over }
