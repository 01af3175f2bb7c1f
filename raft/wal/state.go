package wal

import (
	"fmt"
	"slices"
	"sort"

	"github.com/etalon-kv/etalon/raft"
)

// state is what the records add up to: everything about the log but the data of its entries.
type state struct {
	hard raft.HardState
	snap raft.Snapshot // Index 0: none
	// The log is (base, last]; baseTerm is the term of base.
	base, last raft.Index
	baseTerm   raft.Term
	// missing: entries up to here are in segments that were released before this state was read.
	// Only while replaying; afterwards missing <= base or there is no log.
	missing raft.Index
	// terms says which term begins at which index, ascending, and extents where entries are.
	terms   []termRun
	extents []extent
	// apart: the log was truncated, so the next entry does not follow the last extent.
	apart bool
}

// termRun: the entries from first on, up to the next run, have this term.
type termRun struct {
	first raft.Index
	term  raft.Term
}

// extent is a place in a segment from which on the entries first, first+1, ... follow each other,
// with other records between them, up to where the next extent begins.
type extent struct {
	first raft.Index
	seg   *segment
	pos   int64  // of first's record, in the segment's data
	chain uint32 // the check of the record before
}

// head is the part of the state that readers and writers are checked against.
func (s *state) head() raft.LogHead {
	return raft.LogHead{Hard: s.hard, Snapshot: s.snap, Base: s.base, Last: s.last}
}

// term returns the term of i, which lies in [base, last]. 0: not known, in a released segment.
func (s *state) term(i raft.Index) raft.Term {
	if i == s.base {
		return s.baseTerm
	}
	n := sort.Search(len(s.terms), func(j int) bool { return s.terms[j].first > i })
	if n == 0 {
		return 0
	}
	return s.terms[n-1].term
}

// add appends the entry at last+1, whose record is at pos.
func (s *state) add(t raft.Term, seg *segment, pos int64, chain uint32) {
	s.last++
	if n := len(s.terms); n == 0 || s.terms[n-1].term != t {
		s.terms = append(s.terms, termRun{s.last, t})
	}
	if n := len(s.extents); n == 0 || s.apart || s.extents[n-1].seg != seg || pos-s.extents[n-1].pos >= extentBytes {
		s.extents = append(s.extents, extent{s.last, seg, pos, chain})
		s.apart = false
	}
}

// truncate drops the entries after i, which is at least base.
func (s *state) truncate(i raft.Index) {
	n := sort.Search(len(s.terms), func(j int) bool { return s.terms[j].first > i })
	s.terms = s.terms[:n]
	n = sort.Search(len(s.extents), func(j int) bool { return s.extents[j].first > i })
	s.extents = s.extents[:n]
	s.apart = true
	s.last, s.missing = i, min(s.missing, i)
}

// compact drops the entries up to i, which is in [base, last] and has term t.
func (s *state) compact(i raft.Index, t raft.Term) {
	s.base, s.baseTerm = i, t
	drop := 0
	for drop+1 < len(s.terms) && s.terms[drop+1].first <= i+1 {
		drop++
	}
	s.terms = slices.Delete(s.terms, 0, drop)
	drop = 0
	for drop+1 < len(s.extents) && s.extents[drop+1].first <= i+1 {
		drop++
	}
	s.extents = slices.Delete(s.extents, 0, drop)
	if i == s.last {
		s.terms, s.extents = s.terms[:0], s.extents[:0]
	}
}

// keeps reports whether the log agrees with a snapshot, so that entries behind it stay.
func (s *state) keeps(index raft.Index, t raft.Term) bool {
	return index >= s.base && index <= s.last && s.term(index) == t
}

// install replaces the log by a snapshot.
func (s *state) install(snap raft.Snapshot) {
	s.snap = snap
	s.base, s.baseTerm, s.last, s.missing = snap.Index, snap.Term, snap.Index, 0
	s.terms, s.extents = s.terms[:0], s.extents[:0]
}

// snapshot applies one of the three records of a snapshot.
func (s *state) snapshot(k kind, snap raft.Snapshot) {
	switch k {
	case kindInstall:
		s.install(snap)
	case kindAdopt:
		s.snap = snap
		s.compact(snap.Index, snap.Term)
	case kindMark:
		s.snap = snap
	}
}

// appendState appends the payload of the record that begins a segment.
func (s *state) appendState(dst []byte) []byte {
	dst = appendNumbers(dst, uint64(s.base), uint64(s.baseTerm), uint64(s.last), uint64(s.term(s.last)),
		uint64(s.hard.Term), uint64(s.hard.Vote), uint64(s.hard.Commit))
	if s.snap.Index > 0 {
		dst = s.snap.Append(dst)
	}
	return dst
}

func decodeState(b []byte) (s state, err error) {
	var base, baseTerm, last, lastTerm, term, vote, commit uint64
	rest, err := numbers(b, &base, &baseTerm, &last, &lastTerm, &term, &vote, &commit)
	if err != nil {
		return s, err
	}
	s = state{hard: raft.HardState{Term: raft.Term(term), Vote: raft.NodeID(vote), Commit: raft.Index(commit)},
		base: raft.Index(base), baseTerm: raft.Term(baseTerm), last: raft.Index(last), missing: raft.Index(last)}
	if base > last {
		return s, fmt.Errorf("%w: a log from %d to %d", ErrCorrupt, base, last)
	}
	if last > base {
		s.terms = []termRun{{s.base + 1, 0}}
		s.truncateTermsFor(raft.Term(lastTerm))
	}
	if len(rest) > 0 {
		if err := s.snap.Decode(rest); err != nil {
			return s, fmt.Errorf("%w: snapshot: %v", ErrCorrupt, err)
		}
	}
	return s, nil
}

// truncateTermsFor notes the term of last where those before it are unknown.
func (s *state) truncateTermsFor(t raft.Term) {
	if s.last == s.base+1 {
		s.terms[0].term = t
		return
	}
	s.terms = append(s.terms, termRun{s.last, t})
}

// replay applies one record that was read from seg at pos, where chain is the check before it.
func (s *state) replay(r record, seg *segment, pos int64, chain uint32) error {
	switch r.kind {
	case kindEntry:
		var e raft.Entry
		if err := e.Decode(r.payload); err != nil {
			return fmt.Errorf("%w: entry: %v", ErrCorrupt, err)
		}
		if e.Index != s.last+1 || e.Term < s.term(s.last) {
			return fmt.Errorf("%w: entry %d of term %d after entry %d of term %d", ErrCorrupt, e.Index, e.Term, s.last, s.term(s.last))
		}
		s.add(e.Term, seg, pos, chain)
	case kindHard:
		if err := s.hard.Decode(r.payload); err != nil {
			return fmt.Errorf("%w: hard state: %v", ErrCorrupt, err)
		}
	case kindInstall, kindAdopt, kindMark:
		var snap raft.Snapshot
		if err := snap.Decode(slices.Clone(r.payload)); err != nil {
			return fmt.Errorf("%w: snapshot: %v", ErrCorrupt, err)
		}
		if snap.Index <= s.snap.Index || r.kind != kindInstall && (snap.Index > s.last || snap.Index < s.base) {
			return fmt.Errorf("%w: snapshot at %d after one at %d, in a log up to %d", ErrCorrupt, snap.Index, s.snap.Index, s.last)
		}
		s.snapshot(r.kind, snap)
	case kindCompact, kindTruncate:
		var i, t uint64
		rest, err := numbers(r.payload, &i, &t)
		if at := raft.Index(i); err != nil || len(rest) > 0 || at < s.base || at > s.last {
			return fmt.Errorf("%w: cut at %d of a log from %d to %d", ErrCorrupt, i, s.base, s.last)
		}
		if r.kind == kindCompact {
			s.compact(raft.Index(i), raft.Term(t))
		} else {
			s.truncate(raft.Index(i))
		}
	default:
		return fmt.Errorf("%w: a record of kind %d within a segment", ErrCorrupt, r.kind)
	}
	return nil
}
