package raftsim

import (
	"fmt"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/raft/wal"
)

// shadow is what a member's log must hold: a second, plain account of what was written, against which the
// log is checked and by which the oracles judge what is durable.
type shadow struct {
	hard     raft.HardState
	snap     raft.Index
	base     raft.Index
	baseTerm raft.Term
	terms    []raft.Term // of base+1, base+2, …
}

func (s *shadow) last() raft.Index { return s.base + raft.Index(len(s.terms)) }

// term returns the term at i; covered: a snapshot or compaction stands for it.
func (s *shadow) term(i raft.Index) (t raft.Term, covered, ok bool) {
	switch {
	case i == s.base:
		return s.baseTerm, true, true
	case i < s.base:
		return 0, true, true
	case i > s.last():
		return 0, false, false
	}
	return s.terms[i-s.base-1], false, true
}

func (s *shadow) clone() shadow {
	c := *s
	c.terms = append([]raft.Term(nil), s.terms...)
	return c
}

func (s *shadow) compact(i raft.Index) {
	if i > s.base {
		s.baseTerm = s.terms[i-s.base-1]
		s.terms = append([]raft.Term(nil), s.terms[i-s.base:]...)
		s.base = i
	}
}

// record is one record of the log: exactly one field is set.
type record struct {
	snap    *raft.Snapshot
	entry   *raft.Entry
	hard    raft.HardState
	mark    raft.Index // a snapshot was taken here
	compact raft.Index
}

// appendRecords appends what a Ready lets be written.
func appendRecords(rs []record, rd *raft.Ready) []record {
	if rd.Snapshot != nil {
		rs = append(rs, record{snap: rd.Snapshot})
	}
	for i := range rd.Entries {
		rs = append(rs, record{entry: &rd.Entries[i]})
	}
	if !rd.HardState.Empty() {
		rs = append(rs, record{hard: rd.HardState})
	}
	return rs
}

// put applies one record. halfway, if not nil, is called with the state between a truncation and the
// entry that caused it.
func (s *shadow) put(r record, halfway func()) {
	switch {
	case r.snap != nil:
		s.snap = r.snap.Index
		if t, _, ok := s.term(r.snap.Index); ok && t == r.snap.Term && r.snap.Index >= s.base {
			s.compact(r.snap.Index)
			return
		}
		s.base, s.baseTerm, s.terms = r.snap.Index, r.snap.Term, nil
	case r.entry != nil:
		if r.entry.Index <= s.last() {
			s.terms = s.terms[:r.entry.Index-s.base-1]
			if halfway != nil {
				halfway()
			}
		}
		s.terms = append(s.terms, r.entry.Term)
	case r.mark > 0:
		s.snap = r.mark
	case r.compact > 0:
		s.compact(r.compact)
	default:
		s.hard = r.hard
	}
}

// recovered checks that log holds s and some beginning of what was written after it without being
// acknowledged, and returns that.
func (s *shadow) recovered(log *wal.Log, pending []record) (shadow, error) {
	found, err := read(log)
	if err != nil {
		return found, err
	}
	now := s.clone()
	match := now.equal(&found)
	for i := 0; i < len(pending) && !match; i++ {
		now.put(pending[i], func() { match = match || now.equal(&found) })
		match = match || now.equal(&found)
	}
	if !match {
		return found, fmt.Errorf("the log comes back as %s; durable was %s, with all that was under way it would be %s", &found, s, &now)
	}
	return found, nil
}

func read(log *wal.Log) (shadow, error) {
	stored, err := log.InitialState()
	if err != nil {
		return shadow{}, err
	}
	first, err := log.FirstIndex()
	if err != nil {
		return shadow{}, err
	}
	last, err := log.LastIndex()
	if err != nil {
		return shadow{}, err
	}
	s := shadow{hard: stored.Hard, snap: stored.SnapshotIndex, base: first - 1}
	if s.baseTerm, err = log.Term(s.base); err != nil {
		return s, err
	}
	for i := first; i <= last; i++ {
		t, err := log.Term(i)
		if err != nil {
			return s, err
		}
		s.terms = append(s.terms, t)
	}
	return s, nil
}

func (s *shadow) equal(o *shadow) bool {
	if s.hard != o.hard || s.snap != o.snap || s.base != o.base || s.baseTerm != o.baseTerm || len(s.terms) != len(o.terms) {
		return false
	}
	for i := range s.terms {
		if s.terms[i] != o.terms[i] {
			return false
		}
	}
	return true
}

// String shows the positions.
func (s *shadow) String() string {
	t, _, _ := s.term(s.last())
	return fmt.Sprintf("(%d/%d to %d/%d, snapshot %d, %+v)", s.baseTerm, s.base, t, s.last(), s.snap, s.hard)
}
