package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/etalon-kv/etalon/engine"
)

// Harness tells the suite how to get at the engine under test.
type Harness struct {
	// Open opens the engine in dir, or reopens what an earlier Open left there. It must not
	// register clean-ups that close the Backend. Engines that are not Persistent ignore dir.
	Open func(tb testing.TB, dir string) (engine.Backend, error)
	// DiesOnFullDisk: the library ends the process when the disk is full, in a way that no adapter
	// can catch (badger writes through maps: SIGBUS). The suite then only demands that what was
	// synced is there afterwards. The engine's package comment must say so.
	DiesOnFullDisk bool
}

// open opens h in dir and closes it at the end of the test, unless the test did.
func (h Harness) open(tb testing.TB, dir string) engine.Backend {
	tb.Helper()
	b, err := h.Open(tb, dir)
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil && !errors.Is(err, engine.ErrClosed) {
			tb.Errorf("close at the end of the test: %v", err)
		}
	})
	return b
}

// fresh opens h in a new directory.
func (h Harness) fresh(tb testing.TB) engine.Backend {
	tb.Helper()
	return h.open(tb, tb.TempDir())
}

// persistent skips the test for an engine that keeps nothing.
func (h Harness) persistent(t *testing.T) {
	t.Helper()
	if !h.fresh(t).Caps().Persistent {
		t.Skip("the engine keeps nothing: Caps.Persistent is false")
	}
}

// Space numbers of the suite: the ends and two in between.
const (
	s0   engine.Space = 0
	s1   engine.Space = 1
	s7   engine.Space = 7
	s255 engine.Space = 255
)

// apply applies what fill writes as one batch.
func apply(tb testing.TB, b engine.Backend, sync bool, fill func(w engine.Batch)) {
	tb.Helper()
	w := b.NewBatch()
	fill(w)
	if err := b.Apply(w, sync); err != nil {
		tb.Fatalf("apply: %v", err)
	}
}

// put applies one Set, unsynced.
func put(tb testing.TB, b engine.Backend, s engine.Space, key, value string) {
	tb.Helper()
	apply(tb, b, false, func(w engine.Batch) { w.Set(s, []byte(key), []byte(value)) })
}

// snap opens a Snapshot and closes it at the end of the test, unless the test did.
func snap(tb testing.TB, b engine.Backend) engine.Snapshot {
	tb.Helper()
	s, err := b.Snapshot()
	if err != nil {
		tb.Fatalf("snapshot: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, engine.ErrClosed) {
			tb.Errorf("close of a snapshot: %v", err)
		}
	})
	return s
}

// must ends the test on an error.
func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// wantErr fails the test unless errors.Is(err, want).
func wantErr(tb testing.TB, what string, err, want error) {
	tb.Helper()
	if !errors.Is(err, want) {
		tb.Errorf("%s = %v, want %v", what, err, want)
	}
}

// pair is a key with its value.
type pair struct{ key, value string }

func (p pair) String() string { return fmt.Sprintf("%.40q=%.40q", p.key, p.value) }

// collect closes it after copying all that it visits.
func collect(tb testing.TB, it engine.Iterator) []pair {
	tb.Helper()
	var all []pair
	for it.Next() {
		all = append(all, pair{string(it.Key()), string(it.Value())})
	}
	if err := it.Close(); err != nil {
		tb.Errorf("iterator: %v", err)
	}
	return all
}

// collectWalk is collect through a Walker that is told how many pairs are wanted, 0 = all; the first
// comes by the Iterator itself if mixed.
func collectWalk(tb testing.TB, it engine.Iterator, most int, mixed bool) []pair {
	tb.Helper()
	var all []pair
	if mixed && it.Next() {
		all = append(all, pair{string(it.Key()), string(it.Value())})
	}
	w := engine.Walk(it, most)
	for w.Next() {
		for _, p := range w.Run() {
			all = append(all, pair{string(p.Key), string(p.Value)})
		}
	}
	if w.Next() || len(w.Run()) > 0 {
		tb.Error("the walk goes on past its end")
	}
	if err := it.Close(); err != nil {
		tb.Errorf("iterator: %v", err)
	}
	return all
}

// randBytes returns n bytes that do not compress.
func randBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
