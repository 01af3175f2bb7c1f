package raft

import (
	"fmt"
	"slices"
	"sync"
)

// MemoryStorage is a Storage in memory, for tests, simulations and examples; nothing survives the
// process. Its writing methods are what a caller needs to serve a Ready:
//
//	if rd.Snapshot != nil { st.ApplySnapshot(rd.Snapshot) }
//	st.Append(rd.Entries)
//	if !rd.HardState.Empty() { st.SetHardState(rd.HardState) }
//
// All methods may be called concurrently.
type MemoryStorage struct {
	mu   sync.RWMutex
	hard HardState
	snap Snapshot
	// ents follow base: ents[i].Index == base+1+i.
	ents     []Entry
	base     Index
	baseTerm Term
}

var _ Storage = (*MemoryStorage)(nil)

// NewMemoryStorage returns the storage of a founding member of a group with that membership: it begins
// with FoundingSnapshot(conf). For a node that is added to a group later, pass the zero ConfState:
// the storage is empty and the node learns everything from the leader.
func NewMemoryStorage(conf ConfState) *MemoryStorage {
	s := &MemoryStorage{}
	if len(conf.Voters) > 0 {
		f := FoundingSnapshot(conf)
		s.snap, s.base, s.baseTerm = *f, f.Index, f.Term
		s.hard = HardState{Term: f.Term, Commit: f.Index}
	}
	return s
}

// FoundingSnapshot is how a group begins: a snapshot at index 1 and term 1 of an empty state machine
// and the given membership, which every founding member stores before its first start. Because it
// is a snapshot and not nothing, a node that is added later gets it, and with it the membership on
// which the changes in the log build.
func FoundingSnapshot(conf ConfState) *Snapshot {
	return &Snapshot{Index: 1, Term: 1, Conf: conf.Clone()}
}

// InitialState implements Storage.
func (s *MemoryStorage) InitialState() (StoredState, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return StoredState{Hard: s.hard, Conf: s.snap.Conf.Clone(), SnapshotIndex: s.snap.Index}, nil
}

// Entries implements Storage.
func (s *MemoryStorage) Entries(dst []Entry, lo, hi Index, maxBytes uint64) ([]Entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	h := s.head()
	if err := h.CheckEntries(lo, hi); err != nil {
		return dst, err
	}
	return append(dst, limitBytes(s.ents[lo-s.base-1:hi-s.base-1], maxBytes)...), nil
}

// Term implements Storage.
func (s *MemoryStorage) Term(i Index) (Term, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.term(i)
}

// FirstIndex implements Storage.
func (s *MemoryStorage) FirstIndex() (Index, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.base + 1, nil
}

// LastIndex implements Storage.
func (s *MemoryStorage) LastIndex() (Index, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.last(), nil
}

// Snapshot implements Storage. It returns ErrSnapshotUnavailable until CreateSnapshot or
// ApplySnapshot gave it one.
func (s *MemoryStorage) Snapshot() (*Snapshot, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.snap.Index == 0 {
		return nil, ErrSnapshotUnavailable
	}
	snap := s.snap
	return &snap, nil
}

// SetHardState stores h.
func (s *MemoryStorage) SetHardState(h HardState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hard = h
}

// Append writes entries; those already there from the first one's index on are replaced. The entries
// must be consecutive and leave no gap after the log. It keeps the Data and copies the rest.
func (s *MemoryStorage) Append(entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	first := entries[0].Index
	if first <= s.base {
		return fmt.Errorf("%w: append at %d, the log begins at %d", ErrCompacted, first, s.base+1)
	}
	if first > s.last()+1 {
		return fmt.Errorf("%w: append at %d, the log ends at %d", ErrUnavailable, first, s.last())
	}
	s.ents = append(s.ents[:first-s.base-1], entries...)
	return nil
}

// ApplySnapshot replaces the log by snap. ErrSnapshotOutOfDate: the stored one is as new or newer.
func (s *MemoryStorage) ApplySnapshot(snap *Snapshot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if snap.Index <= s.snap.Index {
		return fmt.Errorf("%w: %d, stored is %d", ErrSnapshotOutOfDate, snap.Index, s.snap.Index)
	}
	s.snap = *snap
	s.snap.Conf = snap.Conf.Clone()
	if t, err := s.term(snap.Index); err == nil && t == snap.Term {
		return s.compact(snap.Index) // the entries that follow it stay
	}
	s.ents, s.base, s.baseTerm = nil, snap.Index, snap.Term
	return nil
}

// CreateSnapshot makes a snapshot of the log up to at, which must be applied, with the membership
// and the state as of it. It cuts nothing; see Compact.
func (s *MemoryStorage) CreateSnapshot(at Index, conf ConfState, data []byte) (*Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at <= s.snap.Index {
		return nil, fmt.Errorf("%w: %d, stored is %d", ErrSnapshotOutOfDate, at, s.snap.Index)
	}
	t, err := s.term(at)
	if err != nil {
		return nil, err
	}
	s.snap = Snapshot{Index: at, Term: t, Conf: conf.Clone(), Data: data}
	snap := s.snap
	return &snap, nil
}

// Compact forgets the entries up to and including at. Entries beyond the newest snapshot stay needed
// after a restart, so at must not exceed its index.
func (s *MemoryStorage) Compact(at Index) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at > s.snap.Index {
		return fmt.Errorf("%w: compact to %d, the newest snapshot is at %d", ErrMisuse, at, s.snap.Index)
	}
	return s.compact(at)
}

func (s *MemoryStorage) compact(at Index) error {
	if at <= s.base {
		return nil
	}
	t, err := s.term(at)
	if err != nil {
		return err
	}
	// Append and Entries copy, so nobody else holds the array: it serves the entries that come next,
	// unless it has grown far beyond what is kept.
	rest := s.ents[at-s.base:]
	if cap(s.ents) > 1<<16 && len(rest) < cap(s.ents)/8 {
		s.ents = slices.Clone(rest)
	} else {
		n := copy(s.ents, rest)
		clear(s.ents[n:])
		s.ents = s.ents[:n]
	}
	s.base, s.baseTerm = at, t
	return nil
}

func (s *MemoryStorage) term(i Index) (Term, error) {
	h := s.head()
	if err := h.CheckTerm(i); err != nil {
		return 0, err
	}
	if i == s.base {
		return s.baseTerm, nil
	}
	return s.ents[i-s.base-1].Term, nil
}

func (s *MemoryStorage) head() LogHead {
	return LogHead{Hard: s.hard, Snapshot: s.snap, Base: s.base, Last: s.last()}
}

func (s *MemoryStorage) last() Index { return s.base + Index(len(s.ents)) }

// limitBytes returns the longest prefix of entries whose sizes sum up to at most maxBytes, but at
// least one entry.
func limitBytes(entries []Entry, maxBytes uint64) []Entry {
	sum := uint64(0)
	for i := range entries {
		sum += entries[i].size()
		if sum > maxBytes && i > 0 {
			return entries[:i:i]
		}
	}
	return entries[:len(entries):len(entries)]
}
