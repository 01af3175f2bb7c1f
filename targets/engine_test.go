package targets_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/targets"
)

func openMem(t testing.TB) engine.Backend {
	t.Helper()
	b, err := mem.Open(mem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// spy counts the calls that reach a backend, and can be made to fail or to wait.
type spy struct {
	engine.Backend
	applies, syncs, ops atomic.Int64
	gate                chan struct{} // Apply waits for a value, if not nil
	err                 error
	caps                engine.Caps
}

func (s *spy) Apply(b engine.Batch, sync bool) error {
	s.applies.Add(1)
	s.ops.Add(int64(b.Len()))
	if sync {
		s.syncs.Add(1)
	}
	if s.gate != nil {
		<-s.gate
	}
	if s.err != nil {
		return s.err
	}
	return s.Backend.Apply(b, sync)
}

func (s *spy) Caps() engine.Caps { return s.caps }

func session(t *testing.T, b engine.Backend, d results.Durability) bench.Session {
	t.Helper()
	target, err := targets.NewEngine(b, d, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := target.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func do(t *testing.T, s bench.Session, op bench.Op) bench.Op {
	t.Helper()
	if err := s.Do(t.Context(), &op); err != nil {
		t.Fatalf("%v %q: %v", op.Kind, op.Key, err)
	}
	return op
}

func TestEveryKindOfOperationDoesWhatItSays(t *testing.T) {
	t.Run("on a bare engine", func(t *testing.T) {
		everyKind(t, session(t, openMem(t), results.DurabilityGroup))
	})
	t.Run("on a multi-version store", func(t *testing.T) {
		_, target := openMVCC(t, openMem(t), results.DurabilityGroup)
		everyKind(t, open(t, target))
	})
}

func everyKind(t *testing.T, s bench.Session) {
	op := do(t, s, bench.Op{Kind: bench.Insert, Key: []byte("a"), Value: []byte("1"),
		More: []bench.Pair{{Key: []byte("b"), Value: []byte("22")}, {Key: []byte("c"), Value: []byte("333")}}})
	if op.Items != 3 || op.Bytes != 9 {
		t.Errorf("insert of 3: %d items, %d bytes; want 3 and 9", op.Items, op.Bytes)
	}
	if op = do(t, s, bench.Op{Kind: bench.Get, Key: []byte("b")}); string(op.Value) != "22" || op.Items != 1 || op.Bytes != 3 {
		t.Errorf("get b: %q, %d items, %d bytes", op.Value, op.Items, op.Bytes)
	}
	if op = do(t, s, bench.Op{Kind: bench.Scan, Key: []byte("a"), Limit: 2}); op.Items != 2 || op.Bytes != 5 {
		t.Errorf("scan of 2: %d items, %d bytes; want 2 and 5", op.Items, op.Bytes)
	}
	if op = do(t, s, bench.Op{Kind: bench.Scan, Key: []byte("b"), End: []byte("c"), Limit: 9}); op.Items != 1 {
		t.Errorf("scan [b,c): %d items, want 1", op.Items)
	}
	if op = do(t, s, bench.Op{Kind: bench.ReadModifyWrite, Key: []byte("a"), Value: []byte("new")}); string(op.Value) != "new" {
		t.Errorf("read-modify-write left op.Value %q, want the value written", op.Value)
	}
	if op = do(t, s, bench.Op{Kind: bench.Get, Key: []byte("a")}); string(op.Value) != "new" {
		t.Errorf("after read-modify-write: %q", op.Value)
	}
	do(t, s, bench.Op{Kind: bench.Delete, Key: []byte("a")})
	gone := bench.Op{Kind: bench.Get, Key: []byte("a")}
	if err := s.Do(t.Context(), &gone); !errors.Is(err, bench.ErrNotFound) || gone.Items != 0 {
		t.Errorf("get of a deleted key: %v, %d items", err, gone.Items)
	}
}

func TestDurabilityDecidesHowWritesAreCommitted(t *testing.T) {
	for _, c := range []struct {
		durability results.Durability
		syncs      int64
	}{{results.DurabilitySync, 5}, {results.DurabilityGroup, 5}, {results.DurabilityInterval, 0}, {results.DurabilityNone, 0}} {
		t.Run(string(c.durability), func(t *testing.T) {
			b := &spy{Backend: openMem(t)}
			s := session(t, b, c.durability)
			for i := range 5 {
				do(t, s, bench.Op{Kind: bench.Put, Key: fmt.Append(nil, i), Value: []byte("v")})
			}
			if b.applies.Load() != 5 || b.syncs.Load() != c.syncs {
				t.Errorf("5 puts of one client: %d applies, %d syncs; want 5 and %d", b.applies.Load(), b.syncs.Load(), c.syncs)
			}
		})
	}
	if _, err := targets.NewEngine(openMem(t), "often", ""); err == nil {
		t.Error("an unknown durability was accepted")
	}
}

func TestWaitingWritersShareOneSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const writers = 32
		b := &spy{Backend: openMem(t), gate: make(chan struct{})}
		target, err := targets.NewEngine(b, results.DurabilityGroup, "")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		put := func(i int) {
			s, _ := target.Open(t.Context(), i)
			op := bench.Op{Kind: bench.Put, Key: fmt.Append(nil, "k", i), Value: fmt.Append(nil, i)}
			if err := s.Do(t.Context(), &op); err != nil {
				t.Error(err)
			}
		}
		wg.Go(func() { put(0) })
		synctest.Wait() // the first is in Apply: what comes now waits
		for i := 1; i < writers; i++ {
			wg.Go(func() { put(i) })
		}
		synctest.Wait()
		close(b.gate)
		wg.Wait()
		if b.applies.Load() != 2 || b.syncs.Load() != 2 || b.ops.Load() != writers {
			t.Errorf("%d operations in %d applies with %d syncs, want %d in 2 with 2", b.ops.Load(), b.applies.Load(), b.syncs.Load(), writers)
		}
		s := session(t, b.Backend, results.DurabilityGroup)
		for i := range writers {
			if op := do(t, s, bench.Op{Kind: bench.Get, Key: fmt.Append(nil, "k", i)}); string(op.Value) != fmt.Sprint(i) {
				t.Errorf("k%d holds %q", i, op.Value)
			}
		}
	})
}

func TestAFailedGroupFailsEveryWriterInIt(t *testing.T) {
	b := &spy{Backend: openMem(t), err: engine.ErrFailed}
	target, err := targets.NewEngine(b, results.DurabilityGroup, "")
	if err != nil {
		t.Fatal(err)
	}
	var failed atomic.Int64
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			s, _ := target.Open(context.Background(), i)
			op := bench.Op{Kind: bench.Put, Key: fmt.Append(nil, i), Value: []byte("v")}
			if err := s.Do(context.Background(), &op); errors.Is(err, engine.ErrFailed) && target.ErrorClass(err) == "failed" {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	if failed.Load() != 20 {
		t.Errorf("%d of 20 writers were told", failed.Load())
	}
}

func TestGroupsKeepWithinTheLimitsOfTheBackend(t *testing.T) {
	b := &spy{Backend: openMem(t), gate: make(chan struct{}), caps: engine.Caps{MaxBatchOps: 8}}
	target, err := targets.NewEngine(b, results.DurabilityGroup, "")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			s, _ := target.Open(context.Background(), i)
			op := bench.Op{Kind: bench.Put, Key: fmt.Append(nil, i), Value: []byte("v")}
			if err := s.Do(context.Background(), &op); err != nil {
				t.Error(err)
			}
		})
	}
	close(b.gate)
	wg.Wait()
	if b.ops.Load() != 40 || b.applies.Load() < 10 {
		t.Errorf("%d operations in %d applies, want 40 in at least 10 (at most half the limit of 8 each)", b.ops.Load(), b.applies.Load())
	}
}

func TestTheLabelSaysWhatIsReallyGiven(t *testing.T) {
	persistent := engine.Caps{Persistent: true}
	for _, c := range []struct {
		asked results.Durability
		caps  engine.Caps
		want  results.Durability
	}{
		{results.DurabilitySync, persistent, results.DurabilitySync},
		{results.DurabilityNone, persistent, results.DurabilityNone},
		{results.DurabilityNone, engine.Caps{Persistent: true, AlwaysSync: true}, results.DurabilitySync},
		{results.DurabilitySync, engine.Caps{}, results.DurabilityNone},
	} {
		if got := targets.Label(c.asked, c.caps); got != c.want {
			t.Errorf("Label(%s, %+v) = %s, want %s", c.asked, c.caps, got, c.want)
		}
	}
}
