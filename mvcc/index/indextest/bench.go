package indextest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// Bench measures indexes that open makes, for each number of keys and for random keys and paths:
// names are keys=…/shape=…/op=…. An operation is one key or one range; op=compact is one revision
// dropped, op=restore one record, sorting included. op=heap reports bytes a key and no time.
func Bench(b *testing.B, open func() index.Index, sizes ...int) {
	for _, n := range sizes {
		for _, shape := range []struct {
			name string
			keys func(int) Keys
		}{{"random", RandomKeys}, {"path", PathKeys}} {
			b.Run(fmt.Sprintf("keys=%d/shape=%s", n, shape.name), func(b *testing.B) {
				s := bencher{open: open, keys: shape.keys(n), n: n}
				s.sorted = s.keys.sorted()
				s.run(b)
			})
		}
	}
}

// bencher measures one index size. The filled index is made when it is first asked for, and again
// after a measurement that has changed it.
type bencher struct {
	open   func() index.Index
	keys   Keys // in the order of their puts
	sorted Keys
	n      int
	filled index.Index
	main   int64
}

func (s *bencher) run(b *testing.B) {
	ops := []struct {
		name string
		run  func(*testing.B)
	}{
		{"put", s.put}, {"overwrite", s.overwrite}, {"get", s.get}, {"getold", s.getOld},
		{"range100", s.range100}, {"range100old", s.range100Old}, {"countall", s.countAll}, {"counthalf", s.countHalf},
		{"countold", s.countOld}, {"compact", s.compact}, {"restore", s.restore}, {"heap", s.heap},
		{"getbeside", s.getBeside}, {"putbeside", s.putBeside},
	}
	for _, op := range ops {
		b.Run("op="+op.name, op.run)
	}
}

// fill is an index in which every key was put once; main is its newest revision.
func (s *bencher) fill() index.Index {
	if s.filled == nil {
		s.filled = s.open()
		s.keys.putAll(s.filled)
		s.main = int64(s.n)
		runtime.GC()
	}
	return s.filled
}

// next is the next revision.
func (s *bencher) next() index.Revision {
	s.main++
	return index.Revision{Main: s.main}
}

// put fills indexes from half of the keys to all of them; only the second half is timed.
func (s *bencher) put(b *testing.B) {
	s.filled = nil
	half := s.n / 2
	var x index.Index
	b.ReportAllocs()
	for i := range b.N {
		at := i % (s.n - half)
		if at == 0 {
			b.StopTimer()
			x = s.open()
			Keys{s.keys.text[:half*s.keys.width], s.keys.width}.putAll(x)
			runtime.GC()
			b.StartTimer()
		}
		x.Put(s.keys.Key(half+at), index.Revision{Main: int64(half + at + 1)})
	}
}

// overwrite puts random keys again, and compacts as a store does, untimed, before a key has many
// revisions.
func (s *bencher) overwrite(b *testing.B) {
	x := s.fill()
	r := newRand(1)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i > 0 && i%(2*s.n) == 0 {
			b.StopTimer()
			compactWhole(x, s.main)
			b.StartTimer()
		}
		x.Put(s.keys.Key(r.IntN(s.n)), s.next())
	}
	b.StopTimer()
	compactWhole(x, s.main)
}

func compactWhole(x index.Index, at int64) int {
	var dropped index.Set
	for next := x.Compact(at, nil, 4096, &dropped); next != nil; {
		next = x.Compact(at, next, 4096, &dropped)
	}
	return dropped.Len()
}

func (s *bencher) get(b *testing.B) {
	x := s.fill()
	r := newRand(2)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, ok := x.Get(s.keys.Key(r.IntN(s.n)), s.main); !ok {
			b.Fatal("a key is missing")
		}
	}
}

// aged is an index in which every key was put about twice; old is the revision at which
// every key had been put once.
func (s *bencher) aged() (x index.Index, old int64) {
	s.filled = nil
	x = s.fill()
	old = s.main
	r := newRand(3)
	for range s.n {
		x.Put(s.keys.Key(r.IntN(s.n)), s.next())
	}
	s.filled = nil
	runtime.GC()
	return x, old
}

func (s *bencher) getOld(b *testing.B) {
	x, old := s.aged()
	r := newRand(4)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, ok := x.Get(s.keys.Key(r.IntN(s.n)), old+int64(r.IntN(s.n))); !ok {
			b.Fatal("a key is missing")
		}
	}
}

func (s *bencher) range100(b *testing.B) {
	x := s.fill()
	s.ranges(b, x, s.main)
}

func (s *bencher) range100Old(b *testing.B) {
	x, old := s.aged()
	s.ranges(b, x, old)
}

func (s *bencher) ranges(b *testing.B, x index.Index, at int64) {
	r := newRand(5)
	sum := 0
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		lo := r.IntN(s.n - 100)
		if n := x.Range(index.Query{Lo: s.sorted.Key(lo), Hi: s.sorted.Key(lo + 100), At: at}, func(k []byte, e index.Entry) bool {
			sum += len(k) + int(e.Version)
			return true
		}); n != 100 {
			b.Fatalf("visited %d keys, want 100", n)
		}
	}
}

func (s *bencher) countAll(b *testing.B) { s.counts(b, s.fill(), s.main, 0) }

func (s *bencher) countHalf(b *testing.B) { s.counts(b, s.fill(), s.main, s.n/2) }

// countOld counts half of the keys at a revision that 1000 writes have followed.
func (s *bencher) countOld(b *testing.B) {
	x := s.fill()
	at := s.main
	r := newRand(6)
	for range 1000 {
		x.Put(s.keys.Key(r.IntN(s.n)), s.next())
	}
	s.counts(b, x, at, s.n/2)
	s.filled = nil
}

// counts counts a range of want keys, or of all of them for 0.
func (s *bencher) counts(b *testing.B, x index.Index, at int64, want int) {
	var lo, hi []byte
	if want == 0 {
		want = s.n
	} else {
		lo, hi = s.sorted.Key(want/2), s.sorted.Key(want/2+want)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if n := x.Count(lo, hi, at); n != want {
			b.Fatalf("counted %d keys, want %d", n, want)
		}
	}
}

// compact drops the revisions that half as many overwrites as there are keys have left behind.
func (s *bencher) compact(b *testing.B) {
	x := s.fill()
	r := newRand(7)
	total, longest := 0, time.Duration(0)
	b.ResetTimer()
	for total < b.N {
		b.StopTimer()
		for range s.n / 2 {
			x.Put(s.keys.Key(r.IntN(s.n)), s.next())
		}
		b.StartTimer()
		var dropped index.Set
		for next := []byte(nil); ; {
			began := time.Now()
			next = x.Compact(s.main-10, next, 1024, &dropped)
			longest = max(longest, time.Since(began))
			if next == nil {
				break
			}
		}
		total += dropped.Len()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(total), "ns/op")
	b.ReportMetric(float64(longest.Nanoseconds()), "ns/longest-slice")
}

// restore builds indexes from records in revision order, in chunks as a store reads them.
func (s *bencher) restore(b *testing.B) {
	s.filled = nil
	records := make([]index.Record, s.n)
	for i := range records {
		records[i] = index.Record{Key: s.keys.Key(i), Rev: index.Revision{Main: int64(i + 1)}, CreateRev: int64(i + 1), Version: 1}
	}
	total := 0
	for total < b.N {
		b.StopTimer()
		rest := slices.Clone(records)
		x := s.open()
		runtime.GC()
		b.StartTimer()
		for len(rest) > 0 {
			// Chunks that grow with what is there keep the number of passes over it small.
			chunk := rest[:min(len(rest), max(64<<10, (s.n-len(rest))/2))]
			rest = rest[len(chunk):]
			index.SortRecords(chunk)
			if err := x.Restore(chunk); err != nil {
				b.Fatal(err)
			}
		}
		total += s.n
		if x.Stats().Live != s.n {
			b.Fatalf("restored %+v", x.Stats())
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(total), "ns/op")
}

// heap reports what an index takes a key: of the heap, and by its own account.
func (s *bencher) heap(b *testing.B) {
	s.filled = nil
	before := heapBytes()
	x := s.fill()
	b.ReportMetric(float64(heapBytes()-before)/float64(s.n), "B/key")
	b.ReportMetric(float64(x.Stats().Bytes)/float64(s.n), "told-B/key")
	b.ReportMetric(0, "ns/op")
	s.filled = nil
}

// getBeside gets keys while a writer overwrites others as fast as it can.
func (s *bencher) getBeside(b *testing.B) {
	x := s.fill()
	at := s.main
	var stop atomic.Bool
	var puts atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := newRand(8)
		for !stop.Load() {
			x.Put(s.keys.Key(r.IntN(s.n)), s.next())
			puts.Add(1)
		}
	}()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		r := newRand(rand.Uint64())
		for pb.Next() {
			x.Get(s.keys.Key(r.IntN(s.n)), at)
		}
	})
	elapsed := b.Elapsed()
	stop.Store(true)
	<-done
	b.ReportMetric(float64(puts.Load())/elapsed.Seconds(), "puts/s")
	compactWhole(x, s.main)
}

// putBeside overwrites keys while a reader walks over everything, again and again.
func (s *bencher) putBeside(b *testing.B) {
	x := s.fill()
	at := s.main
	var stop atomic.Bool
	var visits atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			x.Range(index.Query{At: at}, func([]byte, index.Entry) bool {
				visits.Add(1)
				return !stop.Load()
			})
		}
	}()
	r := newRand(9)
	worst := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for range b.N {
		began := time.Now()
		x.Put(s.keys.Key(r.IntN(s.n)), s.next())
		worst = append(worst, time.Since(began))
	}
	elapsed := b.Elapsed()
	stop.Store(true)
	<-done
	slices.Sort(worst)
	b.ReportMetric(float64(worst[len(worst)*999/1000].Nanoseconds()), "p99.9-ns")
	b.ReportMetric(float64(visits.Load())/elapsed.Seconds(), "visits/s")
	compactWhole(x, s.main)
}
