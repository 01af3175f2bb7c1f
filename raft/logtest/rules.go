package logtest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/etalon-kv/etalon/raft"
)

// Run runs the whole suite.
func Run(t *testing.T, h Harness) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, h Harness)
	}{
		{"an empty log has nothing before index 1", empty},
		{"entries come back as they were written", entries},
		{"an answer is limited in bytes but never empty", limits},
		{"entries replace those with the same and higher indexes", overwrite},
		{"a snapshot of something else replaces the log", install},
		{"a snapshot that the log agrees with keeps what follows it", adopt},
		{"a snapshot of the log's own cuts nothing before Compact does", compact},
		{"what makes no sense is refused and changes nothing", misuse},
		{"a log that is closed and opened again is the same", reopen},
		{"a second Open is refused while the first is open", inUse},
		{"a closed log answers nothing", closed},
		{"readers beside the writer see whole entries", readers},
		{"random histories equal the twin, also over crashes", histories},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, h) })
	}
}

func open(t testing.TB, s Store) Log {
	t.Helper()
	l, err := s.Open()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("%s: %v, want %v", what, err, target)
	}
}

// run returns the entries [lo, hi) of a term; their data tell where they belong.
func run(lo, hi raft.Index, term raft.Term) []raft.Entry {
	var list []raft.Entry
	for i := lo; i < hi; i++ {
		list = append(list, raft.Entry{Term: term, Index: i, Data: fmt.Appendf(nil, "entry %d of term %d", i, term)})
	}
	return list
}

func conf(ids ...raft.NodeID) raft.ConfState { return raft.ConfState{Voters: ids} }

var none raft.HardState

func empty(t *testing.T, h Harness) {
	l := open(t, h.New(t))
	must(t, NewTwin().Check(l))
	_, err := l.Entries(nil, 1, 2, 100)
	want(t, "Entries(1, 2)", err, raft.ErrUnavailable)
	_, err = l.Term(1)
	want(t, "Term(1)", err, raft.ErrUnavailable)
	_, err = l.Snapshot()
	want(t, "Snapshot", err, raft.ErrSnapshotUnavailable)
	must(t, l.Sync())
	must(t, l.Write(nil, nil, none, true))
}

func entries(t *testing.T, h Harness) {
	s := h.New(t)
	l, twin := open(t, s), NewTwin()
	hard := raft.HardState{Term: 7, Vote: 3, Commit: 2}
	list := run(1, 4, 6)
	list = append(list, raft.Entry{Index: 4, Term: 6}, raft.Entry{Index: 5, Term: 7, Type: raft.EntryConfChange, Data: []byte{1}},
		raft.Entry{Index: 6, Term: 7, Data: make([]byte, 100_000)})
	must(t, l.Write(nil, list, hard, true))
	twin.Write(nil, list, hard, true)
	must(t, twin.Check(l))
	got, err := l.Entries([]raft.Entry{{Index: 99}}, 2, 4, 1<<20)
	if must(t, err); got[0].Index != 99 || !reflect.DeepEqual(got[1:], list[1:3]) {
		t.Fatalf("Entries(2, 4) appended %v", got)
	}
	must(t, l.Close())
	must(t, twin.Check(open(t, s)))
}

func limits(t *testing.T, h Harness) {
	s := h.New(t)
	l := open(t, s)
	var list []raft.Entry
	for i := raft.Index(1); i <= 10; i++ {
		list = append(list, raft.Entry{Index: i, Term: 1, Data: make([]byte, 1000)})
	}
	must(t, l.Write(nil, list, none, true))
	for range 2 {
		for _, c := range []struct {
			max  uint64
			want []int // lengths that are right: an entry may count for a little more than its data
		}{{0, []int{1}}, {999, []int{1}}, {1999, []int{1}}, {3500, []int{3}}, {10_000, []int{9, 10}}, {11_000, []int{10}}, {1 << 63, []int{10}}} {
			got, err := l.Entries(nil, 1, 11, c.max)
			must(t, err)
			if n := len(got); n != c.want[0] && n != c.want[len(c.want)-1] || !reflect.DeepEqual(got, list[:n]) {
				t.Errorf("%d bytes: %d entries, want %v", c.max, n, c.want)
			}
		}
		must(t, l.Close()) // and once more from the disk
		l = open(t, s)
	}
}

func overwrite(t *testing.T, h Harness) {
	s := h.New(t)
	l, twin := open(t, s), NewTwin()
	for _, list := range [][]raft.Entry{run(1, 11, 1), run(5, 7, 2), run(7, 9, 3), run(8, 9, 4), run(1, 3, 5), run(3, 20, 6)} {
		must(t, l.Write(nil, list, none, true))
		twin.Write(nil, list, none, true)
		must(t, twin.Check(l))
		must(t, l.Close())
		l = open(t, s)
		must(t, twin.Check(l))
	}
}

func install(t *testing.T, h Harness) {
	for _, at := range []raft.Index{3, 10, 50} { // within, at the end of, behind the log
		s := h.New(t)
		l, twin := open(t, s), NewTwin()
		hard := raft.HardState{Term: 9, Commit: at}
		snap := &raft.Snapshot{Index: at, Term: 8, Conf: conf(1, 2, 3), Data: []byte("state")}
		for _, l := range []interface {
			Write(*raft.Snapshot, []raft.Entry, raft.HardState, bool) error
		}{l, errless{twin}} {
			must(t, l.Write(nil, run(1, 11, 1), none, true))
			must(t, l.Write(snap, run(at+1, at+3, 9), hard, true))
		}
		must(t, twin.Check(l))
		_, err := l.Entries(nil, at, at+1, 10)
		want(t, "an entry below the snapshot", err, raft.ErrCompacted)
		want(t, "the same snapshot again", l.Write(snap, nil, none, true), raft.ErrSnapshotOutOfDate)
		must(t, l.Close())
		must(t, twin.Check(open(t, s)))
	}
}

// errless makes a Twin look like a log.
type errless struct{ *Twin }

func (e errless) Write(snap *raft.Snapshot, entries []raft.Entry, hard raft.HardState, sync bool) error {
	e.Twin.Write(snap, entries, hard, sync)
	return nil
}

func adopt(t *testing.T, h Harness) {
	s := h.New(t)
	l, twin := open(t, s), NewTwin()
	snap := &raft.Snapshot{Index: 4, Term: 1, Conf: conf(1), Data: nil}
	for _, l := range []interface {
		Write(*raft.Snapshot, []raft.Entry, raft.HardState, bool) error
	}{l, errless{twin}} {
		must(t, l.Write(nil, run(1, 11, 1), none, true))
		must(t, l.Write(snap, nil, none, true))
	}
	must(t, twin.Check(l))
	must(t, l.Close())
	must(t, twin.Check(open(t, s)))
}

func compact(t *testing.T, h Harness) {
	s := h.New(t)
	l, twin := open(t, s), NewTwin()
	must(t, l.Write(nil, run(1, 11, 1), none, true))
	twin.Write(nil, run(1, 11, 1), none, true)
	want(t, "Compact without a snapshot", l.Compact(3), raft.ErrMisuse)
	must(t, l.CreateSnapshot(7, conf(1, 2), []byte("at 7")))
	twin.CreateSnapshot(7, conf(1, 2), []byte("at 7"))
	must(t, twin.Check(l))
	for _, at := range []raft.Index{3, 2, 7} {
		must(t, l.Compact(at))
		twin.Compact(at)
		must(t, twin.Check(l))
	}
	want(t, "Compact beyond the snapshot", l.Compact(8), raft.ErrMisuse)
	must(t, l.CreateSnapshot(9, conf(1, 2), nil))
	twin.CreateSnapshot(9, conf(1, 2), nil)
	want(t, "other entries than those in the snapshot", l.Write(nil, run(9, 12, 2), none, true), raft.ErrCompacted)
	must(t, twin.Check(l))
	must(t, l.CreateSnapshot(10, conf(1, 2), nil))
	twin.CreateSnapshot(10, conf(1, 2), nil)
	must(t, l.Compact(10))
	twin.Compact(10)
	must(t, twin.Check(l))
	must(t, l.Write(nil, run(11, 13, 2), none, true))
	twin.Write(nil, run(11, 13, 2), none, true)
	must(t, twin.Check(l))
	must(t, l.Close())
	must(t, twin.Check(open(t, s)))
}

func misuse(t *testing.T, h Harness) {
	l, twin := open(t, h.New(t)), NewTwin()
	must(t, l.Write(&raft.Snapshot{Index: 5, Term: 3, Conf: conf(1)}, run(6, 9, 3), none, true))
	twin.Write(&raft.Snapshot{Index: 5, Term: 3, Conf: conf(1)}, run(6, 9, 3), none, true)
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"a gap", l.Write(nil, run(10, 11, 3), none, true), raft.ErrUnavailable},
		{"an entry below the snapshot", l.Write(nil, run(5, 7, 3), none, true), raft.ErrCompacted},
		{"a hole within", l.Write(nil, append(run(9, 10, 3), run(11, 12, 3)...), none, true), raft.ErrMisuse},
		{"a term that falls within", l.Write(nil, append(run(9, 10, 4), run(10, 11, 3)...), none, true), raft.ErrMisuse},
		{"a term below that of the entry before", l.Write(nil, run(9, 10, 2), none, true), raft.ErrMisuse},
		{"an old snapshot", l.Write(&raft.Snapshot{Index: 4, Term: 3, Conf: conf(1)}, nil, none, true), raft.ErrSnapshotOutOfDate},
		{"a gap behind a new snapshot", l.Write(&raft.Snapshot{Index: 20, Term: 3, Conf: conf(1)}, run(22, 23, 3), none, true), raft.ErrUnavailable},
		{"a snapshot of what is not there", l.CreateSnapshot(9, conf(1), nil), raft.ErrUnavailable},
		{"a snapshot of what was", l.CreateSnapshot(5, conf(1), nil), raft.ErrSnapshotOutOfDate},
	} {
		want(t, c.name, c.err, c.want)
		if err := twin.Check(l); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
	}
	for _, c := range []struct {
		lo, hi raft.Index
		want   error
	}{{5, 6, raft.ErrCompacted}, {1, 9, raft.ErrCompacted}, {6, 10, raft.ErrUnavailable}, {9, 10, raft.ErrUnavailable}, {7, 7, raft.ErrUnavailable}} {
		_, err := l.Entries(nil, c.lo, c.hi, 100)
		want(t, fmt.Sprintf("Entries(%d, %d)", c.lo, c.hi), err, c.want)
	}
	_, err := l.Term(4)
	want(t, "Term(4)", err, raft.ErrCompacted)
	_, err = l.Term(9)
	want(t, "Term(9)", err, raft.ErrUnavailable)
}

func reopen(t *testing.T, h Harness) {
	s := h.New(t)
	twin := NewTwin()
	for i := range raft.Index(6) {
		l := open(t, s)
		must(t, twin.Check(l))
		hard := raft.HardState{Term: 1, Vote: 1, Commit: i}
		must(t, l.Write(nil, run(1+i*4, 5+i*4, 1), hard, i%2 == 0)) // Close syncs the rest
		twin.Write(nil, run(1+i*4, 5+i*4, 1), hard, true)
		must(t, l.Close())
	}
	must(t, twin.Check(open(t, s)))
}

func inUse(t *testing.T, h Harness) {
	if h.InUse == nil {
		t.Skip("the store has no directory to be locked")
	}
	s := h.New(t)
	l := open(t, s)
	must(t, l.Write(nil, run(1, 3, 1), none, true))
	_, err := s.Open()
	want(t, "a second Open", err, h.InUse)
	must(t, l.Write(nil, run(3, 5, 1), none, true))
	must(t, l.Close())
	open(t, s)
}

func closed(t *testing.T, h Harness) {
	l := open(t, h.New(t))
	must(t, l.Close())
	_, e1 := l.InitialState()
	_, e2 := l.Entries(nil, 1, 2, 1)
	_, e3 := l.Term(0)
	_, e4 := l.FirstIndex()
	_, e5 := l.LastIndex()
	_, e6 := l.Snapshot()
	for i, err := range []error{e1, e2, e3, e4, e5, e6, l.Write(nil, run(1, 2, 1), none, false),
		l.CreateSnapshot(1, conf(1), nil), l.Compact(1), l.Sync(), l.Close()} {
		want(t, fmt.Sprintf("call %d after Close", i), err, h.Closed)
	}
}
