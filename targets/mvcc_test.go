package targets_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/targets"
)

// openMVCC opens a store on b and a target on it; the store is closed before b, which openMem
// closes.
func openMVCC(t *testing.T, b engine.Backend, d results.Durability) (*mvcc.Store, *targets.MVCC) {
	t.Helper()
	store, err := mvcc.Open(t.Context(), mvcc.Config{Backend: b, Index: packed.New()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil && !errors.Is(err, mvcc.ErrClosed) {
			t.Error(err)
		}
	})
	target, err := targets.NewMVCC(store, b, d, "")
	if err != nil {
		t.Fatal(err)
	}
	return store, target
}

func open(t *testing.T, target bench.Target) bench.Session {
	t.Helper()
	s, err := target.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReadsOfAMultiVersionStoreNameARevision(t *testing.T) {
	_, target := openMVCC(t, openMem(t), results.DurabilityNone)
	s := open(t, target)
	first := do(t, s, bench.Op{Kind: bench.Insert, Key: []byte("a"), Value: []byte("1"), More: []bench.Pair{{Key: []byte("b"), Value: []byte("1")}}})
	second := do(t, s, bench.Op{Kind: bench.Put, Key: []byte("a"), Value: []byte("22")})
	third := do(t, s, bench.Op{Kind: bench.Delete, Key: []byte("b")})
	if first.Rev != 2 || second.Rev != 3 || third.Rev != 4 {
		t.Errorf("revisions %d, %d, %d; want 2, 3, 4: one a transaction, whatever its pairs", first.Rev, second.Rev, third.Rev)
	}
	for rev, want := range map[int64]string{2: "1", 3: "22", 0: "22"} {
		if op := do(t, s, bench.Op{Kind: bench.Get, Key: []byte("a"), Rev: rev}); string(op.Value) != want {
			t.Errorf("get a at %d: %q, want %q", rev, op.Value, want)
		}
	}
	if op := do(t, s, bench.Op{Kind: bench.Scan, Key: []byte("a"), Limit: 9, Rev: 3}); op.Items != 2 || op.Bytes != 5 {
		t.Errorf("scan at 3: %d items, %d bytes; want 2 and 5", op.Items, op.Bytes)
	}
	if op := do(t, s, bench.Op{Kind: bench.Scan, Key: []byte("a"), Limit: 9}); op.Items != 1 {
		t.Errorf("scan: %d items, want 1", op.Items)
	}
	future := bench.Op{Kind: bench.Get, Key: []byte("a"), Rev: 99}
	if err := s.Do(t.Context(), &future); target.ErrorClass(err) != "future-revision" {
		t.Errorf("a read of the future: %v", err)
	}
}

func TestTransactionsThatWaitShareOneCommitAndKeepTheirRevisions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const writers = 32
		b := &spy{Backend: openMem(t)}
		store, target := openMVCC(t, b, results.DurabilityGroup)
		opened := b.applies.Load()
		b.gate = make(chan struct{})
		revs := make([]int64, writers)
		var wg sync.WaitGroup
		put := func(i int) {
			op := bench.Op{Kind: bench.Put, Key: fmt.Append(nil, "k", i), Value: fmt.Append(nil, i)}
			if err := open(t, target).Do(t.Context(), &op); err != nil {
				t.Error(err)
			}
			revs[i] = op.Rev
		}
		wg.Go(func() { put(0) })
		synctest.Wait() // the first is in Apply: what comes now waits
		for i := 1; i < writers; i++ {
			wg.Go(func() { put(i) })
		}
		synctest.Wait()
		close(b.gate)
		wg.Wait()
		if n := b.applies.Load() - opened; n != 2 {
			t.Errorf("%d transactions in %d applies, want 2", writers, n)
		}
		seen := make(map[int64]bool)
		for i, rev := range revs {
			kv, found, err := store.Get(fmt.Append(nil, "k", i), 0)
			if err != nil || !found || kv.ModRevision != rev || seen[rev] || string(kv.Value) != fmt.Sprint(i) {
				t.Errorf("k%d: told revision %d, found %+v, %v", i, rev, kv, err)
			}
			seen[rev] = true
		}
		if err := store.Close(); err != nil { // its goroutine must end with the bubble
			t.Error(err)
		}
	})
}

func TestAReadModifyWriteThatWasOvertakenReadsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &spy{Backend: openMem(t)}
		store, target := openMVCC(t, b, results.DurabilityGroup)
		key := []byte("k")
		do(t, open(t, target), bench.Op{Kind: bench.Put, Key: key, Value: []byte("0")})
		before := b.applies.Load()
		b.gate = make(chan struct{})
		var wg sync.WaitGroup
		run := func(kind bench.Kind) {
			wg.Go(func() {
				op := bench.Op{Kind: kind, Key: key, Value: []byte("x")}
				if err := open(t, target).Do(t.Context(), &op); err != nil || op.Items != 1 || op.Bytes < 2 {
					t.Errorf("%v: %d items, %d bytes, %v", kind, op.Items, op.Bytes, err)
				}
			})
		}
		run(bench.Put)
		synctest.Wait() // in Apply
		run(bench.ReadModifyWrite)
		run(bench.ReadModifyWrite)
		synctest.Wait() // both have read the first value, which the put that is in Apply replaces
		close(b.gate)
		wg.Wait()
		// The put; both in one group, refused; both again, in one or two groups, in one of which at
		// most one can win.
		if n := b.applies.Load() - before; n < 3 {
			t.Errorf("%d applies, want at least 3: the puts were not compared", n)
		}
		if kv, _, err := store.Get(key, 0); err != nil || kv.Version != 4 {
			t.Errorf("version %d after 4 puts, %v", kv.Version, err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatIsWrongWithOneTransactionOfAGroupIsItsOwn(t *testing.T) {
	b := openMem(t)
	store, target := openMVCC(t, b, results.DurabilityGroup)
	s := open(t, target)
	large := make([]byte, store.MaxWriteBytes()+1)
	op := bench.Op{Kind: bench.Put, Key: []byte("a"), Value: []byte("1"), More: []bench.Pair{{Key: []byte("b"), Value: large}}}
	err := s.Do(t.Context(), &op)
	if !errors.Is(err, mvcc.ErrTooLarge) || target.ErrorClass(err) != "too-large" || op.Items != 0 {
		t.Errorf("too large a pair: %v, class %q, %d items", err, target.ErrorClass(err), op.Items)
	}
	if _, found, _ := store.Get([]byte("a"), 0); found || store.Rev() != 1 {
		t.Error("half of a refused transaction is there")
	}
	do(t, s, bench.Op{Kind: bench.Put, Key: []byte("a"), Value: []byte("1")})
	op = bench.Op{Kind: bench.Put}
	if err := s.Do(t.Context(), &op); target.ErrorClass(err) != "empty-key" {
		t.Errorf("an empty key: %v", err)
	}
}

func TestAFailedEngineStopsTheTarget(t *testing.T) {
	b := &spy{Backend: openMem(t)}
	_, target := openMVCC(t, b, results.DurabilityGroup)
	b.err = engine.ErrFailed
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			s, _ := target.Open(context.Background(), i)
			op := bench.Op{Kind: bench.Put, Key: fmt.Append(nil, i), Value: []byte("v")}
			if err := s.Do(context.Background(), &op); target.ErrorClass(err) != "stopped" {
				t.Errorf("writer %d was told %v", i, err)
			}
		})
	}
	wg.Wait()
}

func TestTheTargetOfAStoreDescribesItself(t *testing.T) {
	b := openMem(t)
	store, target := openMVCC(t, b, results.DurabilityGroup)
	if target.Durability() != results.DurabilityNone || target.Consistency() != results.Local {
		t.Errorf("on mem: %s, %s; want none, local", target.Durability(), target.Consistency())
	}
	o := target.Options()
	if len(o["engine"]) == 0 || o["mvcc"]["maxWriteBytes"] == "" {
		t.Errorf("options %v", o)
	}
	if _, err := targets.NewMVCC(store, b, "often", ""); err == nil || !strings.Contains(err.Error(), `"often"`) {
		t.Errorf("an unknown durability: %v", err)
	}
	op := bench.Op{Kind: 99}
	if err := open(t, target).Do(t.Context(), &op); err == nil {
		t.Error("an unknown kind of operation was done")
	}
}

func TestAWatchTellsWhatIsWrittenFromThenOn(t *testing.T) {
	_, target := openMVCC(t, openMem(t), results.DurabilityGroup)
	s := open(t, target)
	put := func(key, value string) int64 {
		return do(t, s, bench.Op{Kind: bench.Put, Key: []byte(key), Value: []byte(value)}).Rev
	}
	put("a", "before")
	all, err := target.Watch(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	some, err := target.Watch(t.Context(), []byte("b"), []byte("c"))
	if err != nil {
		t.Fatal(err)
	}
	revs := []int64{put("a", "1"), put("b", "2")}
	do(t, s, bench.Op{Kind: bench.Delete, Key: []byte("b")})
	var got []string
	for len(got) < 3 {
		events, err := all.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			got = append(got, fmt.Sprintf("%s=%s@%d %v", e.Key, e.Value, e.Rev-revs[0], e.Deleted))
		}
	}
	if want := "[a=1@0 false b=2@1 false b=@2 true]"; fmt.Sprint(got) != want {
		t.Errorf("told of %v, want %s", got, want)
	}
	if events, err := some.Next(t.Context()); err != nil || string(events[0].Key) != "b" || events[0].Rev != revs[1] {
		t.Errorf("the watch of one key: %v, %v", events, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := all.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next after its context has ended: %v", err)
	}
	if err := errors.Join(all.Close(), some.Close()); err != nil {
		t.Error(err)
	}
	if _, err := all.Next(t.Context()); !errors.Is(err, mvcc.ErrWatchEnded) {
		t.Errorf("Next after Close: %v", err)
	}
	if _, err := target.Watch(t.Context(), []byte("b"), []byte("a")); !errors.Is(err, mvcc.ErrInvertedRange) {
		t.Errorf("an inverted range: %v", err)
	}
}

func TestCompactRemovesWhatReadsAtTheRevisionDoNotNeed(t *testing.T) {
	store, target := openMVCC(t, openMem(t), results.DurabilityGroup)
	s := open(t, target)
	var last bench.Op
	for i := range 10 {
		last = do(t, s, bench.Op{Kind: bench.Put, Key: []byte("a"), Value: fmt.Append(nil, i)})
	}
	if op := do(t, s, bench.Op{Kind: bench.Scan, Key: []byte("a"), Limit: 1}); op.Rev != last.Rev {
		t.Errorf("a scan of the newest revision tells %d, want %d", op.Rev, last.Rev)
	}
	if err := target.Compact(t.Context(), last.Rev-1); err != nil {
		t.Fatal(err)
	}
	if n := store.Stats().Revisions; n != 2 {
		t.Errorf("%d revisions are left, want 2", n)
	}
	op := bench.Op{Kind: bench.Scan, Key: []byte("a"), Limit: 1, Rev: last.Rev - 2}
	if err := s.Do(t.Context(), &op); target.ErrorClass(err) != "compacted" {
		t.Errorf("a scan below: %v", err)
	}
	if err := target.Compact(t.Context(), last.Rev+1); !errors.Is(err, mvcc.ErrFutureRevision) {
		t.Errorf("a compaction in the future: %v", err)
	}
}
