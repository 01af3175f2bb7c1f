package index

import (
	"cmp"
	"iter"
	"maps"
	"math/bits"
	"slices"
)

// chunkBits: a chunk of a Set covers 4096 main revisions.
const chunkBits = 12

// Set is a set of revisions that is small when they are dense: what a compaction drops. A
// revision with sub 0 takes a bit, any other 8 bytes, and every 4096 main revisions with a member
// 600 bytes more. The zero value is empty and ready. It is not safe for concurrent use.
type Set struct {
	chunks map[int64]*chunk
	n      int
}

type chunk struct {
	first [1 << chunkBits / 64]uint64 // sub 0, a bit a main revision
	rest  []uint64                    // main in the chunk << 32 | sub; sorted by All
}

// Add puts r into the set. Its caller adds a revision once; Len counts calls.
func (s *Set) Add(r Revision) {
	if s.chunks == nil {
		s.chunks = make(map[int64]*chunk)
	}
	id, low := r.Main>>chunkBits, uint64(r.Main)&(1<<chunkBits-1)
	c := s.chunks[id]
	if c == nil {
		c = new(chunk)
		s.chunks[id] = c
	}
	if r.Sub == 0 {
		c.first[low/64] |= 1 << (low % 64)
	} else {
		c.rest = append(c.rest, low<<32|uint64(r.Sub))
	}
	s.n++
}

// Len is the number of revisions in the set.
func (s *Set) Len() int { return s.n }

// Reset empties the set.
func (s *Set) Reset() { s.chunks, s.n = nil, 0 }

// All yields the revisions in ascending order, which is the order of their records in an engine:
// deleting in that order leaves of each key an unbroken end of its history, at every moment.
func (s *Set) All() iter.Seq[Revision] {
	return func(yield func(Revision) bool) {
		for _, id := range slices.SortedFunc(maps.Keys(s.chunks), cmp.Compare[int64]) {
			if !s.chunks[id].all(id<<chunkBits, yield) {
				return
			}
		}
	}
}

func (c *chunk) all(base int64, yield func(Revision) bool) bool {
	slices.Sort(c.rest)
	rest := c.rest
	below := func(low uint64) bool { // the revisions of rest whose main is below low
		for ; len(rest) > 0 && rest[0]>>32 < low; rest = rest[1:] {
			if !yield(Revision{Main: base + int64(rest[0]>>32), Sub: int64(uint32(rest[0]))}) {
				return false
			}
		}
		return true
	}
	for i, word := range c.first {
		for ; word != 0; word &= word - 1 {
			low := uint64(i*64 + bits.TrailingZeros64(word))
			if !below(low) || !yield(Revision{Main: base + int64(low)}) {
				return false
			}
		}
	}
	return below(1 << chunkBits)
}
