package raft

import (
	"errors"
	"fmt"
)

// raftLog is the core's view of the log: a tail in memory over what Storage has.
//
//	      storage              tail (memory)
//	┌───────────────────┬───────────────────────────────┐
//	            applied ┊ applying   stable  handed  last
//
// The tail begins at tailFirst and always reaches the end. Everything after stable or after applied
// is in it; what lies before is a cache. Slices of the tail are handed out freely (Readies, messages)
// and never written again: a truncation cuts the capacity, so that the next append copies.
type raftLog struct {
	storage Storage

	// tail[i].Index == tailFirst+i. prevTerm is the term of the entry at tailFirst-1.
	tail      []Entry
	tailFirst Index
	prevTerm  Term
	// tailBytes is the size of tail.
	tailBytes uint64
	// cacheBytes is what release leaves of the tail's persisted and applied part.
	cacheBytes uint64

	// snapshot is received and not yet persisted; nil otherwise. While it waits, storage is not read:
	// what it has is about to be replaced. snapshotHanded says that a Ready carried it.
	snapshot       *Snapshot
	snapshotHanded bool

	// stable is the last index known to be durable with its present term. handed is the last one that
	// a Ready asked to be written. Invariant: stable <= handed <= last.
	stable Index
	handed Index
	// Invariant: applied <= applying <= committed <= last, and applying <= stable. applying is the
	// last index given out in Ready.Committed, applied the last one that came back.
	committed Index
	applying  Index
	applied   Index
}

// newRaftLog reads the ends of the log from storage.
func newRaftLog(storage Storage, cacheBytes uint64) (*raftLog, error) {
	first, err := storage.FirstIndex()
	if err != nil {
		return nil, err
	}
	last, err := storage.LastIndex()
	if err != nil {
		return nil, err
	}
	if first < 1 || last+1 < first || last > maxIndex {
		return nil, fmt.Errorf("%w: storage says its log is [%d, %d]", ErrConfig, first, last)
	}
	t, err := storage.Term(last)
	if err != nil {
		return nil, err
	}
	return &raftLog{storage: storage, tailFirst: last + 1, prevTerm: t, cacheBytes: cacheBytes,
		stable: last, handed: last, committed: first - 1, applying: first - 1, applied: first - 1}, nil
}

func (l *raftLog) last() Index { return l.tailFirst + Index(len(l.tail)) - 1 }

func (l *raftLog) lastTerm() Term {
	if n := len(l.tail); n > 0 {
		return l.tail[n-1].Term
	}
	return l.prevTerm
}

// firstIndex returns the first index whose entry can still be read.
func (l *raftLog) firstIndex() (Index, error) {
	if l.snapshot != nil {
		return l.snapshot.Index + 1, nil
	}
	return l.storage.FirstIndex()
}

// term returns the term of the entry at i, ErrCompacted or ErrUnavailable, or an error of storage.
func (l *raftLog) term(i Index) (Term, error) {
	switch {
	case i > l.last():
		return 0, ErrUnavailable
	case i >= l.tailFirst:
		return l.tail[i-l.tailFirst].Term, nil
	case i == l.tailFirst-1:
		return l.prevTerm, nil
	case l.snapshot != nil:
		return 0, ErrCompacted
	}
	return l.storage.Term(i)
}

// matches reports whether the log has an entry with that index and term. An index that is compacted
// away does not match.
func (l *raftLog) matches(i Index, t Term) (bool, error) {
	got, err := l.term(i)
	if errors.Is(err, ErrCompacted) || errors.Is(err, ErrUnavailable) {
		return false, nil
	}
	return got == t, err
}

// upToDate reports whether a log that ends with (i, t) is at least as up to date as this one (Raft
// §5.4.1).
func (l *raftLog) upToDate(i Index, t Term) bool {
	return t > l.lastTerm() || t == l.lastTerm() && i >= l.last()
}

// read returns entries from lo up to hi exclusive, as many as fit maxBytes but at least one; fewer
// too where memory and storage meet. The caller must not modify them.
func (l *raftLog) read(lo, hi Index, maxBytes uint64) ([]Entry, error) {
	if lo >= hi {
		return nil, nil
	}
	if lo >= l.tailFirst {
		return limitBytes(l.tail[lo-l.tailFirst:hi-l.tailFirst], maxBytes), nil
	}
	if l.snapshot != nil {
		return nil, ErrCompacted
	}
	entries, err := l.storage.Entries(nil, lo, min(hi, l.tailFirst), maxBytes)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 || entries[0].Index != lo {
		return nil, fmt.Errorf("%w: storage returned no entry %d", ErrMisuse, lo)
	}
	return entries, nil
}

// append adds entries that directly follow the log.
func (l *raftLog) append(entries ...Entry) {
	if need := len(l.tail) + len(entries); need > cap(l.tail) {
		grown := make([]Entry, len(l.tail), max(64, 2*need))
		copy(grown, l.tail)
		l.tail = grown
	}
	l.tail = append(l.tail, entries...)
	for i := range entries {
		l.tailBytes += entries[i].size()
	}
}

// truncate forgets the entries from i on, which must be above committed. What was handed out or
// known durable beyond i-1 is so no more.
func (l *raftLog) truncate(i Index) error {
	if i <= l.committed {
		panic(fmt.Sprintf("raft: truncating at %d, below the committed index %d", i, l.committed))
	}
	if i < l.tailFirst { // only after a restart, before the tail has grown over what storage holds
		t, err := l.term(i - 1)
		if err != nil {
			return err
		}
		l.tail, l.tailFirst, l.prevTerm, l.tailBytes = nil, i, t, 0
	}
	n := int(i - l.tailFirst)
	for j := n; j < len(l.tail); j++ {
		l.tailBytes -= l.tail[j].size()
	}
	l.tail = l.tail[:n:n]
	l.stable = min(l.stable, i-1)
	l.handed = min(l.handed, i-1)
	return nil
}

// restore replaces the whole log by a snapshot.
func (l *raftLog) restore(s *Snapshot) {
	// What was committed and durable is equal to the snapshot's beginning; of the rest nothing is.
	l.stable = min(l.stable, l.committed)
	l.tail, l.tailFirst, l.prevTerm, l.tailBytes = nil, s.Index+1, s.Term, 0
	l.snapshot, l.snapshotHanded = s, false
	l.committed = s.Index
	l.handed = s.Index
}

// persisted notes that the log up to i is durable.
func (l *raftLog) persisted(i Index) {
	l.stable = max(l.stable, i)
	l.release()
}

// release drops entries from the front of the tail that are durable and applied, while the tail is
// bigger than the cache may be.
func (l *raftLog) release() {
	free := min(l.stable, l.applied)
	n := 0
	for l.tailBytes > l.cacheBytes && l.tailFirst+Index(n) <= free {
		l.tailBytes -= l.tail[n].size()
		n++
	}
	if n > 0 {
		l.prevTerm = l.tail[n-1].Term
		l.tail = l.tail[n:]
		l.tailFirst += Index(n)
	}
}

// lastAgreeing returns the highest index at or below i whose term is at most t, and its term: where a
// log that has t at i can agree with this one at best (Raft §5.3, fast back-tracking). The term is 0
// when it is compacted away.
func (l *raftLog) lastAgreeing(i Index, t Term) (Index, Term, error) {
	for ; i > 0; i-- {
		own, err := l.term(i)
		if errors.Is(err, ErrCompacted) || errors.Is(err, ErrUnavailable) {
			return i, 0, nil
		}
		if err != nil {
			return 0, 0, err
		}
		if own <= t {
			return i, own, nil
		}
	}
	return 0, 0, nil
}
