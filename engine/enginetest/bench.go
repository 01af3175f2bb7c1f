package enginetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/etalon-kv/etalon/engine"
)

// The content that the read benchmarks look at. Values do not compress.
const (
	benchKeys  = 100_000
	benchValue = 256
	benchScan  = 100
	// BenchSpace is the space that the benchmarks use.
	BenchSpace = s1
)

// benchSet is the content and what to do with it. The same for every engine.
type benchSet struct {
	rand    *rand.Rand
	keys    [][]byte // ascending
	missing [][]byte // between them
	value   []byte   // benchValue bytes of it, from anywhere, are a value
}

func newBenchSet() *benchSet {
	s := &benchSet{rand: rand.New(rand.NewPCG(1, 1))}
	for i := range benchKeys {
		s.keys = append(s.keys, fmt.Appendf(nil, "key%013d", i))
		s.missing = append(s.missing, fmt.Appendf(nil, "key%013dx", i))
	}
	s.value = randBytes(s.rand, 1<<20)
	return s
}

func (s *benchSet) key() []byte  { return s.keys[s.rand.IntN(benchKeys)] }
func (s *benchSet) miss() []byte { return s.missing[s.rand.IntN(benchKeys)] }

// scanFrom returns a key with at least benchScan keys from it on.
func (s *benchSet) scanFrom() []byte { return s.keys[s.rand.IntN(benchKeys-benchScan)] }

func (s *benchSet) val() []byte {
	at := s.rand.IntN(len(s.value) - benchValue)
	return s.value[at : at+benchValue]
}

// load writes every key, and waits until the engine has nothing left to do in the background.
func (s *benchSet) load(b *testing.B, db engine.Backend) {
	b.Helper()
	w := db.NewBatch()
	for i, key := range s.keys {
		w.Set(BenchSpace, key, s.val())
		if w.Len() == 1000 || i == len(s.keys)-1 {
			must(b, db.Apply(w, false))
			w.Reset()
		}
	}
	must(b, db.Sync())
	if d, ok := db.(engine.Drainer); ok {
		must(b, d.Drain(context.Background()))
	}
}

// Bench measures every call of the contract: BenchmarkX/op=get/value=256 and so on. An operation
// is one Get, one scan of 100, one batch of the named size, one Snapshot with its Close, one range
// deletion of 100 keys.
func Bench(b *testing.B, h Harness) {
	set := newBenchSet()
	db := h.fresh(b)
	set.load(b, db)
	benchReads(b, db, set)
	for _, ops := range []int{1, 100} {
		for _, sync := range []bool{false, true} {
			b.Run(fmt.Sprintf("op=batch/ops=%d/sync=%v/value=%d", ops, sync, benchValue), func(b *testing.B) {
				benchWrite(b, db, set, ops, sync)
			})
		}
	}
	b.Run("op=deleterange/keys=100", func(b *testing.B) { benchDeleteRange(b, db, set) })
}

func benchReads(b *testing.B, db engine.Backend, set *benchSet) {
	view, err := db.Snapshot()
	must(b, err)
	b.Run(fmt.Sprintf("op=get/value=%d", benchValue), func(b *testing.B) { benchGet(b, view, set) })
	b.Run("op=missing", func(b *testing.B) {
		b.ReportAllocs()
		var dst []byte
		for b.Loop() {
			var err error
			if dst, err = view.Get(dst[:0], BenchSpace, set.miss()); !errors.Is(err, engine.ErrNotFound) {
				b.Fatal(err)
			}
		}
	})
	b.Run(fmt.Sprintf("op=scan/keys=%d/value=%d", benchScan, benchValue), func(b *testing.B) {
		benchScanFrom(b, view, set)
	})
	b.Run(fmt.Sprintf("op=scanback/keys=%d/value=%d", benchScan, benchValue), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if n := scanSum(b, view.ScanBack(BenchSpace, nil, set.keys[benchKeys-1])); n == 0 {
				b.Fatal("scan found nothing")
			}
		}
	})
	must(b, view.Close())
	b.Run("op=snapshot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			view, err := db.Snapshot()
			if err != nil {
				b.Fatal(err)
			}
			if err := view.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchGet(b *testing.B, view engine.Snapshot, set *benchSet) {
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		var err error
		if dst, err = view.Get(dst[:0], BenchSpace, set.key()); err != nil || len(dst) != benchValue {
			b.Fatalf("%d bytes, %v", len(dst), err)
		}
	}
}

func benchScanFrom(b *testing.B, view engine.Snapshot, set *benchSet) {
	b.ReportAllocs()
	for b.Loop() {
		if n := scanSum(b, view.Scan(BenchSpace, set.scanFrom(), nil)); n < benchScan*benchValue {
			b.Fatalf("scan saw %d bytes", n)
		}
	}
}

// scanSum visits benchScan keys and returns the sum of the lengths seen.
func scanSum(b *testing.B, it engine.Iterator) int {
	sum := 0
	for w := engine.Walk(it, benchScan); w.Next(); {
		for _, p := range w.Run() {
			sum += len(p.Key) + len(p.Value)
		}
	}
	if err := it.Close(); err != nil {
		b.Fatal(err)
	}
	return sum
}

// benchWrite overwrites keys anywhere, ops a batch.
func benchWrite(b *testing.B, db engine.Backend, set *benchSet, ops int, sync bool) {
	b.ReportAllocs()
	w := db.NewBatch()
	for b.Loop() {
		w.Reset()
		for range ops {
			w.Set(BenchSpace, set.key(), set.val())
		}
		if err := db.Apply(w, sync); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	must(b, db.Sync())
}

// benchDeleteRange removes all keys, 100 a time, and loads them again off the clock.
func benchDeleteRange(b *testing.B, db engine.Backend, set *benchSet) {
	b.ReportAllocs()
	w := db.NewBatch()
	at := 0
	for b.Loop() {
		if at+benchScan >= benchKeys {
			b.StopTimer()
			set.load(b, db)
			at = 0
			b.StartTimer()
		}
		w.Reset()
		w.DeleteRange(BenchSpace, set.keys[at], set.keys[at+benchScan])
		if err := db.Apply(w, false); err != nil {
			b.Fatal(err)
		}
		at += benchScan
	}
}
