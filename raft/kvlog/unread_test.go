package kvlog_test

import (
	"errors"
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/raft/kvlog"
)

// unread is an engine of which the n-th look, a snapshot, a Get or a step of a Scan, fails, once.
type unread struct {
	*forgetful
	n, looks int
}

func (b *unread) fails() bool {
	b.looks++
	return b.looks == b.n
}

func (b *unread) Snapshot() (engine.Snapshot, error) {
	if b.fails() {
		return nil, errBlind
	}
	s, err := b.forgetful.Snapshot()
	return &unreadView{s, b}, err
}

type unreadView struct {
	engine.Snapshot
	b *unread
}

func (v *unreadView) Get(dst []byte, s engine.Space, key []byte) ([]byte, error) {
	if v.b.fails() {
		return dst, errBlind
	}
	return v.Snapshot.Get(dst, s, key)
}

func (v *unreadView) Scan(s engine.Space, lo, hi []byte) engine.Iterator {
	return &unreadScan{Iterator: v.Snapshot.Scan(s, lo, hi), b: v.b}
}

type unreadScan struct {
	engine.Iterator
	b   *unread
	err error
}

func (s *unreadScan) Next() bool {
	if s.err == nil && s.b.fails() {
		s.err = errBlind
	}
	return s.err == nil && s.Iterator.Next()
}

func (s *unreadScan) Err() error {
	if s.err != nil {
		return s.err
	}
	return s.Iterator.Err()
}

// What cannot be read is no end of the log: Open gives up, and changes nothing.
func TestNoReadThatFailsIsTakenForTheEnd(t *testing.T) {
	m := &forgetful{t: t, caps: engine.Caps{RangeDelete: true}}
	m.become(nil)
	empty := &unread{forgetful: m, n: 3} // snapshot, version, and is there anything else?
	if _, err := kvlog.Open(empty, kvlog.Options{}); !errors.Is(err, errBlind) {
		t.Errorf("an engine that cannot be read to its end is taken for an empty one: %v", err)
	}
	l, err := kvlog.Open(m, kvlog.Options{})
	must(t, err)
	for i := raft.Index(1); i <= 9; i++ {
		must(t, l.Write(nil, []raft.Entry{{Index: i, Term: 1}}, raft.HardState{Term: 1, Commit: i}, true))
	}
	must(t, l.CreateSnapshot(4, raft.ConfState{Voters: []raft.NodeID{1}}, nil))
	must(t, l.Compact(3))
	must(t, l.Close())
	whole := &unread{forgetful: m}
	l, err = kvlog.Open(whole, kvlog.Options{})
	must(t, err)
	must(t, l.Close())
	if whole.looks < 10 {
		t.Fatalf("Open looks %d times only", whole.looks)
	}
	before := m.dump()
	for n := 1; n <= whole.looks; n++ {
		if _, err := kvlog.Open(&unread{forgetful: m, n: n}, kvlog.Options{}); !errors.Is(err, errBlind) || errors.Is(err, kvlog.ErrCorrupt) {
			t.Errorf("look %d of %d fails: %v", n, whole.looks, err)
		}
		if string(m.dump()) != string(before) {
			t.Fatalf("look %d of %d fails, and something is changed", n, whole.looks)
		}
	}
}
