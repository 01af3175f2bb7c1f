package mvcctest

import (
	"context"
	"errors"
	"os"
	"strconv"
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/mvcc/index"
)

// Harness tells how to get at an engine and an index.
type Harness struct {
	Name string
	// Open opens the engine in dir, or reopens what an earlier Open left there. Engines that are
	// not Persistent ignore dir.
	Open func(tb testing.TB, dir string) (engine.Backend, error)
	// Index makes an empty index.
	Index func() index.Index
}

// Run runs the suite. A brief run leaves out what does not depend on the index: it is for the
// further indexes over an engine that had the whole.
func Run(t *testing.T, h Harness, brief bool) {
	h.Name = t.Name()
	t.Run("random", func(t *testing.T) { testRandom(t, h) })
	t.Run("concurrent", func(t *testing.T) { testConcurrent(t, h) })
	t.Run("rules", func(t *testing.T) { testRules(t, h) })
	t.Run("watches", func(t *testing.T) { testWatches(t, h) })
	if brief {
		return
	}
	t.Run("input", func(t *testing.T) { testInput(t, h) })
	t.Run("damage", func(t *testing.T) { testDamage(t, h) })
	t.Run("failing", func(t *testing.T) { testFailing(t, h) })
	t.Run("split", func(t *testing.T) { testSplit(t, h) })
}

// house is an open store and what it stands on.
type house struct {
	h       Harness
	dir     string
	backend engine.Backend
	store   *mvcc.Store

	// Of a play.
	ears    *ears
	ahead   bool   // it has steps behind it that the twin has not come to
	applied uint64 // the last of them that it committed
}

func (h Harness) build(tb testing.TB) *house {
	tb.Helper()
	x := &house{h: h, dir: tb.TempDir()}
	x.open(tb)
	tb.Cleanup(func() { x.close(tb, true) })
	return x
}

func (x *house) open(tb testing.TB) {
	tb.Helper()
	var err error
	if x.backend == nil {
		if x.backend, err = x.h.Open(tb, x.dir); err != nil {
			tb.Fatalf("%s: engine: %v", x.h.Name, err)
		}
	}
	if x.store, err = x.openStore(x.backend); err != nil {
		tb.Fatalf("%s: store: %v", x.h.Name, err)
	}
}

func (x *house) openStore(b engine.Backend) (*mvcc.Store, error) {
	return mvcc.Open(context.Background(), mvcc.Config{Backend: b, Index: x.h.Index()})
}

// close closes the store, and the engine if it is persistent or all ends.
func (x *house) close(tb testing.TB, all bool) {
	tb.Helper()
	if x.store != nil {
		if err := x.store.Close(); err != nil && !errors.Is(err, mvcc.ErrClosed) {
			tb.Errorf("%s: close of the store: %v", x.h.Name, err)
		}
		x.store = nil
	}
	if x.backend != nil && (all || x.backend.Caps().Persistent) {
		if err := x.backend.Close(); err != nil {
			tb.Errorf("%s: close of the engine: %v", x.h.Name, err)
		}
		x.backend = nil
	}
}

func (x *house) reopen(tb testing.TB) {
	tb.Helper()
	x.close(tb, false)
	x.open(tb)
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// put commits one put.
func put(tb testing.TB, s *mvcc.Store, key, value string) int64 {
	tb.Helper()
	return commit(tb, s, func(w *mvcc.Txn) {
		_, err := w.Put([]byte(key), []byte(value), 0)
		must(tb, err)
	})
}

func commit(tb testing.TB, s *mvcc.Store, fill func(w *mvcc.Txn)) int64 {
	tb.Helper()
	w, err := s.Begin()
	must(tb, err)
	defer w.Rollback()
	fill(w)
	rev, err := w.Commit(false)
	must(tb, err)
	return rev
}

func compact(tb testing.TB, s *mvcc.Store, rev int64) {
	tb.Helper()
	must(tb, s.Compact(rev))
	must(tb, s.WaitCompacted(context.Background(), rev))
}

func wantErr(tb testing.TB, what string, err, want error) {
	tb.Helper()
	if !errors.Is(err, want) {
		tb.Errorf("%s = %v, want %v", what, err, want)
	}
}

// rounds is how often something random is tried.
func rounds(short, usual int) int {
	switch {
	case os.Getenv("ETALON_LONG") != "":
		return usual * 10
	case testing.Short():
		return short
	}
	return usual
}

// seeds is how many random histories are tried where one takes long: ETALON_SEEDS, else 1.
func seeds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("ETALON_SEEDS")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("ETALON_SEEDS %q, want a number from 1 on", text)
	}
	return n
}
