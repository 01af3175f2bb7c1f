package logtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/etalon-kv/etalon/raft"
)

// Twin is a log as simple as can be. Each change of state is kept until it is durable, so that it
// knows everything that may be found after a crash. Entries' Data is shared, nothing else.
type Twin struct {
	state
	// states are what the log was after each step since the last sync, the durable one first.
	states []state
}

type state struct {
	hard     raft.HardState
	snap     raft.Snapshot
	base     raft.Index
	baseTerm raft.Term
	ents     []raft.Entry
}

// NewTwin returns the empty log.
func NewTwin() *Twin { return &Twin{states: make([]state, 1)} }

func (s *state) last() raft.Index { return s.base + raft.Index(len(s.ents)) }

// term returns the term of i, which lies in [base, last].
func (s *state) term(i raft.Index) raft.Term {
	if i == s.base {
		return s.baseTerm
	}
	return s.ents[i-s.base-1].Term
}

func (t *Twin) step() {
	s := t.state
	s.ents = slices.Clone(s.ents)
	t.states = append(t.states, s)
}

func (t *Twin) drop(to raft.Index) {
	t.baseTerm = t.term(to)
	t.ents, t.base = slices.Clone(t.ents[to-t.base:]), to
}

// shorten drops the entries after to, one step each from the last on.
func (t *Twin) shorten(to raft.Index) {
	for t.last() > max(to, t.base) {
		t.ents = slices.Clone(t.ents[:len(t.ents)-1])
		t.step()
	}
}

// Write is Log.Write with arguments that are right.
func (t *Twin) Write(snap *raft.Snapshot, entries []raft.Entry, hard raft.HardState, sync bool) {
	if snap != nil {
		if snap.Index >= t.base && snap.Index <= t.last() && t.term(snap.Index) == snap.Term {
			t.snap = *snap
			t.drop(snap.Index)
		} else {
			t.shorten(snap.Index)
			t.snap = *snap
			t.base, t.baseTerm, t.ents = snap.Index, snap.Term, nil
		}
		t.step()
	}
	if len(entries) > 0 && entries[0].Index <= t.last() {
		t.shorten(entries[0].Index - 1)
	}
	for _, e := range entries {
		t.ents = append(t.ents, e)
		t.step()
	}
	if !hard.Empty() {
		t.hard = hard
		t.step()
	}
	if sync {
		t.Sync()
	}
}

// CreateSnapshot is Log.CreateSnapshot with arguments that are right.
func (t *Twin) CreateSnapshot(at raft.Index, conf raft.ConfState, data []byte) {
	t.snap = raft.Snapshot{Index: at, Term: t.term(at), Conf: conf, Data: data}
	t.step()
}

// Compact is Log.Compact with an argument that is right.
func (t *Twin) Compact(at raft.Index) {
	if at > t.base {
		t.drop(at)
		t.step()
	}
}

// Sync makes the present the only thing that a crash can leave.
func (t *Twin) Sync() { t.states = append(t.states[:0:0], t.state) }

// Check compares what can be read from l with the twin.
func (t *Twin) Check(l Log) error {
	got, err := read(l)
	if err != nil {
		return err
	}
	if got, want := got.String(), t.state.String(); got != want {
		return fmt.Errorf("the log is\n%s\nwant\n%s", got, want)
	}
	return nil
}

// Survived checks that l, opened after a crash, is something that the crash may have left, and makes
// that the present and durable.
func (t *Twin) Survived(l Log) error {
	got, err := read(l)
	if err != nil {
		return err
	}
	str := got.String()
	for i := len(t.states) - 1; i >= 0; i-- {
		if s := t.states[i]; s.String() == str {
			t.state = s
			t.state.ents = slices.Clone(s.ents)
			t.Sync()
			return nil
		}
	}
	return fmt.Errorf("after a crash the log is\n%s\nwhich it never was since the last sync; durable was\n%s\nand last\n%s", str, &t.states[0], &t.state)
}

// String shows everything that can be told about the log.
func (s *state) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "hard %+v snapshot %d/%d %s %q log (%d/%d,%d]", s.hard, s.snap.Index, s.snap.Term, s.snap.Conf, s.snap.Data, s.base, s.baseTerm, s.last())
	for _, e := range s.ents {
		fmt.Fprintf(&b, "\n%d/%d %s %d %.20q", e.Index, e.Term, e.Type, len(e.Data), e.Data)
	}
	return b.String()
}

// read takes a whole log through raft.Storage.
func read(l Log) (*state, error) {
	stored, err := l.InitialState()
	if err != nil {
		return nil, err
	}
	s := &state{hard: stored.Hard}
	snap, err := l.Snapshot()
	switch {
	case err == nil:
		s.snap = *snap
	case !errors.Is(err, raft.ErrSnapshotUnavailable):
		return nil, err
	}
	if stored.SnapshotIndex != s.snap.Index || !stored.Conf.Equal(&s.snap.Conf) {
		return nil, fmt.Errorf("InitialState has a snapshot at %d (%s), Snapshot one at %d (%s)", stored.SnapshotIndex, stored.Conf, s.snap.Index, s.snap.Conf)
	}
	first, err := l.FirstIndex()
	if err != nil {
		return nil, err
	}
	last, err := l.LastIndex()
	if err != nil {
		return nil, err
	}
	s.base = first - 1
	if s.baseTerm, err = l.Term(s.base); err != nil {
		return nil, err
	}
	if last > s.base {
		if s.ents, err = l.Entries(nil, first, last+1, 1<<62); err != nil {
			return nil, err
		}
	}
	if len(s.ents) != int(last-s.base) {
		return nil, fmt.Errorf("the answer to Entries(%d, %d) has %d", first, last+1, len(s.ents))
	}
	for i, e := range s.ents {
		term, err := l.Term(e.Index)
		if e.Index != first+raft.Index(i) || err != nil || term != e.Term {
			return nil, fmt.Errorf("entry %d/%d is at place %d, Term says %d, %v", e.Index, e.Term, i, term, err)
		}
	}
	return s, nil
}
