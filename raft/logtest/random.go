package logtest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/etalon-kv/etalon/raft"
)

// histories drives log and twin with the same random calls.
func histories(t *testing.T, h Harness) {
	rounds := h.Rounds
	if rounds == 0 {
		rounds = 60
	}
	r := Rand(t)
	for range rounds {
		history(t, h, r)
	}
}

func history(t *testing.T, h Harness, r *rand.Rand) {
	s, twin := h.New(t), NewTwin()
	l, err := s.Open()
	must(t, err)
	defer func() { _ = l.Close() }()
	var what string
	for range 10 + r.IntN(60) {
		switch n := r.IntN(20); {
		case n == 0:
			what = "Close and Open"
			must(t, l.Close())
			twin.Sync()
			l, err = s.Open()
			must(t, err)
		case n == 1 && s.Crash != nil:
			what = "crash"
			s.Crash(r)
			if l, err = s.Open(); err != nil {
				t.Fatalf("open after a crash: %v", err)
			}
			if err := twin.Survived(l); err != nil {
				t.Fatal(err)
			}
		default:
			what = Step(r, l, twin, func(err error) { must(t, err) })
		}
		if err := twin.Check(l); err != nil {
			t.Fatalf("after %s: %v", what, err)
		}
	}
}

// Step does one random call on both, and says which. check gets what the log answers; if that is an
// error, the twin has the call as one that a crash may have left in part.
func Step(r *rand.Rand, l Log, twin *Twin, check func(error)) string {
	switch n := r.IntN(16); {
	case n == 0:
		err := l.Sync()
		if err == nil {
			twin.Sync()
		}
		check(err)
		return "Sync"
	case n <= 2 && twin.last() > twin.snap.Index && twin.last() > twin.base:
		lo := max(twin.snap.Index+1, twin.base)
		at := lo + raft.Index(r.IntN(int(twin.last()-lo)+1))
		data := randomData(r)
		twin.CreateSnapshot(at, conf(1, 2), data)
		check(l.CreateSnapshot(at, conf(1, 2), data))
		return fmt.Sprintf("CreateSnapshot(%d)", at)
	case n <= 4 && twin.snap.Index >= twin.base:
		at := twin.base + raft.Index(r.IntN(int(twin.snap.Index-twin.base)+1))
		twin.Compact(at)
		check(l.Compact(at))
		return fmt.Sprintf("Compact(%d)", at)
	}
	return write(r, l, twin, check)
}

// write is a random Write that makes sense.
func write(r *rand.Rand, l Log, twin *Twin, check func(error)) string {
	var snap *raft.Snapshot
	first, term := twin.base+1, twin.baseTerm
	if n := len(twin.ents); n > 0 {
		first += raft.Index(n)
		if r.IntN(4) == 0 {
			first = max(first-raft.Index(r.IntN(min(n, 10))), twin.snap.Index+1)
		}
	}
	if r.IntN(10) == 0 {
		at := max(twin.base, twin.snap.Index) + 1 + raft.Index(r.IntN(8))
		snap = &raft.Snapshot{Index: at, Term: twin.term(min(twin.last(), max(at, twin.base))) + raft.Term(r.IntN(2)), Conf: conf(1, 2, 3), Data: randomData(r)}
		first = at + 1
	}
	switch {
	case snap != nil:
		term = snap.Term
	case first > twin.base:
		term = twin.term(first - 1)
	}
	var entries []raft.Entry
	for i := range raft.Index(r.IntN(8)) {
		if r.IntN(5) == 0 {
			term++
		}
		entries = append(entries, raft.Entry{Term: term, Index: first + i, Type: raft.EntryType(r.IntN(2)), Data: randomData(r)})
	}
	var hard raft.HardState
	if r.IntN(3) == 0 {
		hard = raft.HardState{Term: term + 1, Vote: raft.NodeID(r.IntN(4)), Commit: first}
	}
	sync := r.IntN(2) == 0
	twin.Write(snap, entries, hard, false)
	err := l.Write(snap, entries, hard, sync)
	if err == nil && sync {
		twin.Sync()
	}
	check(err)
	return fmt.Sprintf("Write(snapshot %v, %d entries from %d, hard %+v, sync %v)", snap != nil, len(entries), first, hard, sync)
}

func randomData(r *rand.Rand) []byte {
	n := r.IntN(40)
	switch r.IntN(12) {
	case 0:
		n = 0
	case 1:
		n = 400 + r.IntN(200)
	case 2:
		n = r.IntN(6000)
	}
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// readers reads while a writer appends, truncates and compacts.
func readers(t *testing.T, h Harness) {
	l := open(t, h.New(t))
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := lookAround(l); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	next := raft.Index(1)
	for term := raft.Term(1); term <= 60 && !t.Failed(); term++ {
		must(t, l.Write(nil, run(next, next+30, term), raft.HardState{Term: term}, term%3 == 0))
		next += 25
		if term%10 == 0 {
			must(t, l.CreateSnapshot(next-20, conf(1), nil))
			must(t, l.Compact(next-40))
		}
	}
	close(done)
	wg.Wait()
}

// lookAround reads the whole log in pieces. What it finds may change under its hands; each entry must
// be whole.
func lookAround(l Log) error {
	first, err := l.FirstIndex()
	if err != nil {
		return err
	}
	last, err := l.LastIndex()
	if err != nil {
		return err
	}
	for lo := first; lo <= last; lo += 10 {
		list, err := l.Entries(nil, lo, min(lo+10, last+1), 400)
		if errors.Is(err, raft.ErrCompacted) || errors.Is(err, raft.ErrUnavailable) {
			return nil
		}
		if err != nil {
			return err
		}
		for i, e := range list {
			if e.Index != lo+raft.Index(i) || !bytes.Equal(e.Data, run(e.Index, e.Index+1, e.Term)[0].Data) {
				return fmt.Errorf("entry %d/%d at place %d is %q", e.Index, e.Term, lo+raft.Index(i), e.Data)
			}
		}
		if _, err := l.Term(lo); err != nil && !errors.Is(err, raft.ErrCompacted) && !errors.Is(err, raft.ErrUnavailable) {
			return err
		}
	}
	return nil
}
