package indextest

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/etalon-kv/etalon/internal/seedtest"
	"github.com/etalon-kv/etalon/mvcc/index"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

// step is one write of a history that was made up before the race begins.
type step struct {
	key       string
	rev       index.Revision
	tombstone bool
}

// script makes a random history up, with its twin: from then on the twin is only read.
func script(r *rand.Rand, keys []string, txns int) (steps []step, w *twin) {
	w = newTwin()
	for main := int64(1); main <= int64(txns); main++ {
		for sub := range int64(1 + r.IntN(3)) {
			s := step{key: keys[r.IntN(len(keys))], rev: index.Revision{Main: main, Sub: sub}}
			s.tombstone = r.IntN(3) == 0 && w.live(s.key)
			w.write(s.key, s.rev, s.tombstone)
			steps = append(steps, s)
		}
	}
	return steps, w
}

// race is one writer, one compactor and several readers on one index. Each reader picks a
// complete revision and checks that what it sees is the twin's answer at that revision, however
// far the writer has come meanwhile. A read that a compaction passed is not judged.
type race struct {
	x         index.Index
	w         *twin
	keys      []string
	written   atomic.Int64 // the newest complete main revision
	compacted atomic.Int64 // the newest compaction begun
	done      atomic.Bool
	checks    atomic.Int64
}

func testConcurrent(t *testing.T, open func() index.Index) {
	r := seedtest.Rand(t)
	keys := pool(r, 400)
	steps, w := script(r, keys, rounds(t, 4000))
	c := race{x: open(), w: w, keys: keys}
	var all sync.WaitGroup
	for range 3 {
		reader := newRand(r.Uint64())
		all.Go(func() {
			for !c.done.Load() {
				if !c.read(t, reader) {
					return
				}
			}
		})
	}
	compactor := newRand(r.Uint64())
	all.Go(func() {
		for !c.done.Load() {
			c.compactOnce(compactor)
			runtime.Gosched()
		}
	})
	for i, s := range steps {
		if s.tombstone {
			if err := c.x.Tombstone([]byte(s.key), s.rev); err != nil {
				t.Errorf("tombstone on %q at %v: %v", s.key, s.rev, err)
			}
		} else {
			c.x.Put([]byte(s.key), s.rev)
		}
		if i+1 == len(steps) || steps[i+1].rev.Main != s.rev.Main {
			c.written.Store(s.rev.Main)
		}
	}
	for c.checks.Load() < 200 && !t.Failed() { // the readers have had their share
		runtime.Gosched()
	}
	c.done.Store(true)
	all.Wait()
	checkRange(t, c.x, w, nil, nil, index.Latest, 10)
}

// compactOnce compacts at a revision behind the writer, a slice of few keys at a time.
func (c *race) compactOnce(r *rand.Rand) {
	written, floor := c.written.Load(), c.compacted.Load()
	if written-floor < 100 {
		return
	}
	at := floor + r.Int64N(written-floor-50)
	c.compacted.Store(at)
	for next := c.x.Compact(at, nil, 16, nil); next != nil && !c.done.Load(); {
		next = c.x.Compact(at, next, 16, nil)
	}
}

// read does one read and judges it; false if it was wrong.
func (c *race) read(t *testing.T, r *rand.Rand) bool {
	written, floor := c.written.Load(), c.compacted.Load()
	if written == 0 {
		runtime.Gosched()
		return true
	}
	at := written - r.Int64N(min(written-floor, 30)+1)
	lo, hi := []byte(c.keys[r.IntN(len(c.keys))]), []byte(c.keys[r.IntN(len(c.keys))])
	if r.IntN(4) == 0 {
		lo, hi = nil, nil
	}
	back := r.IntN(2) == 0
	got := collect(c.x, index.Query{Lo: lo, Hi: hi, At: at, Back: back})
	count := c.x.Count(lo, hi, at)
	e, ok := c.x.Get([]byte(c.keys[0]), at)
	if c.compacted.Load() > at {
		return true
	}
	want := c.w.scan(lo, hi, at)
	wantE, wantOK := c.w.get(c.keys[0], at)
	if back {
		slices.Reverse(want)
	}
	if !slices.Equal(got, want) || count != len(want) || e != wantE || ok != wantOK {
		t.Errorf("range [%q, %q) at %d, back %v: %s; count %d, want %d; get %+v, want %+v", lo, hi, at, back,
			firstDifference(got, want), count, len(want), e, wantE)
		return false
	}
	c.checks.Add(1)
	return true
}
