package bench

import (
	"sync"
	"sync/atomic"
)

// Frontier numbers inserts and knows up to where they are all acknowledged, though many are under
// way at once and complete in any order. It takes one bit for every number between the oldest
// insert under way and the newest. Safe for concurrent use.
type Frontier struct {
	next  atomic.Uint64 // next number to be given out
	acked atomic.Uint64 // all below are settled

	mu    sync.Mutex
	done  []uint64 // bit i of the ring: number base+i is settled; base = acked rounded down to 64
	base  uint64
	holes map[uint64]struct{} // settled by failure: they may be there or not
	holed atomic.Bool         // holes is not empty
}

// NewFrontier starts with the first n numbers given out and acknowledged.
func NewFrontier(n uint64) *Frontier {
	f := &Frontier{base: n &^ 63, done: make([]uint64, 1)}
	f.done[0] = 1<<(n&63) - 1
	f.next.Store(n)
	f.acked.Store(n)
	return f
}

// Take gives out n consecutive numbers and returns the first.
func (f *Frontier) Take(n int) uint64 { return f.next.Add(uint64(n)) - uint64(n) }

// Taken is the next number that will be given out.
func (f *Frontier) Taken() uint64 { return f.next.Load() }

// Acked is the number below which every insert has been settled.
func (f *Frontier) Acked() uint64 { return f.acked.Load() }

// Settle reports the outcome of the inserts first to first+n-1. A failed insert leaves a hole: it
// does not hold the frontier back, but nothing is known of its key.
func (f *Frontier) Settle(first uint64, n int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := first; i < first+uint64(n); i++ {
		if !ok {
			if f.holes == nil {
				f.holes = make(map[uint64]struct{})
			}
			f.holes[i] = struct{}{}
			f.holed.Store(true)
		}
		word := (i - f.base) / 64
		for uint64(len(f.done)) <= word {
			f.done = append(f.done, 0)
		}
		f.done[word] |= 1 << (i & 63)
	}
	f.advance()
}

// advance moves the frontier over settled numbers; mu is held.
func (f *Frontier) advance() {
	full := 0
	for full < len(f.done) && f.done[full] == ^uint64(0) {
		full++
	}
	f.base += uint64(full) * 64
	f.done = append(f.done[:0], f.done[full:]...)
	if len(f.done) == 0 {
		f.done = append(f.done, 0)
	}
	at := f.base
	for w := f.done[0]; w&1 == 1; w >>= 1 {
		at++
	}
	f.acked.Store(at)
}

// Hole reports whether the insert of number i failed.
func (f *Frontier) Hole(i uint64) bool {
	if !f.holed.Load() {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.holes[i]
	return ok
}
