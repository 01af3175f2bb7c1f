package packed

import (
	"bytes"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// Get implements index.Reader.
func (x *Index) Get(key []byte, at int64) (index.Entry, bool) {
	n := x.root.Load()
	for n.leaves == nil {
		n = n.inners[n.child(key)].Load()
	}
	p := n.leaves[n.child(key)].Load()
	p.touch()
	l := p.open()
	i, found := l.search(key)
	if !found {
		return index.Entry{}, false
	}
	return l.at(i, at)
}

// bounds is a range of keys in which nil has no bound.
type bounds struct{ lo, hi []byte }

// within bounds are those of a query; false if nothing is in them.
func within(lo, hi []byte) (bounds, bool) {
	if hi != nil && bytes.Compare(lo, hi) >= 0 {
		return bounds{}, false
	}
	if len(lo) == 0 {
		lo = nil
	}
	return bounds{lo, hi}, true
}

// children are the first and the last child of n that b touches.
func (b bounds) children(n *inner) (first, last int) {
	if b.lo != nil {
		first = n.child(b.lo)
	}
	if b.hi == nil {
		return first, int(n.n)
	}
	last, _ = n.search(b.hi)
	return first, last
}

// items are the places [first, end) of the keys of l that are in b.
func (b bounds) items(l *leaf) (first, end int) {
	end = int(l.n)
	if b.lo != nil {
		first, _ = l.search(b.lo)
	}
	if b.hi != nil {
		end, _ = l.search(b.hi)
	}
	return first, end
}

// at are the bounds of the i-th of the children [first, last]: those between are not cut.
func (b bounds) at(i, first, last int) bounds {
	if i > first {
		b.lo = nil
	}
	if i < last {
		b.hi = nil
	}
	return b
}

// Count implements index.Reader.
func (x *Index) Count(lo, hi []byte, at int64) int {
	b, ok := within(lo, hi)
	if !ok {
		return 0
	}
	return x.root.Load().count(b, min(at, x.newest.Load()))
}

func (n *inner) count(b bounds, at int64) int {
	if b.lo == nil && b.hi == nil {
		if live := n.live.Load(); n.newest.Load() <= at { // in this order, see inner
			return int(live)
		}
	}
	total := 0
	first, last := b.children(n)
	for i := first; i <= last; i++ {
		if n.leaves == nil {
			total += n.inners[i].Load().count(b.at(i, first, last), at)
		} else if p := n.leaves[i].Load(); i > first && i < last && p.newest <= at {
			total += int(p.live)
		} else {
			l := p.open()
			total += l.count(b.at(i, first, last), at)
		}
	}
	return total
}

func (l *leaf) count(b bounds, at int64) int {
	first, end := b.items(l)
	if l.newest <= at {
		if end-first == int(l.n) {
			return int(l.live)
		}
		if l.live == l.n {
			return end - first
		}
	}
	total := 0
	for i := first; i < end; i++ {
		if _, ok := l.at(i, at); ok {
			total++
		}
	}
	return total
}

// Range implements index.Reader.
func (x *Index) Range(q index.Query, visit func([]byte, index.Entry) bool) int {
	b, ok := within(q.Lo, q.Hi)
	if !ok {
		return 0
	}
	s := scan{at: min(q.At, x.newest.Load()), limit: q.Limit, back: q.Back, visit: visit}
	s.inner(x.root.Load(), b)
	return s.visits
}

// scan is a Range under way.
type scan struct {
	at            int64
	visits, limit int
	back          bool
	visit         func([]byte, index.Entry) bool
	key           []byte
}

// inner visits what is below n; false ends the scan.
func (s *scan) inner(n *inner, b bounds) bool {
	first, last := b.children(n)
	i, end, step := first, last+1, 1
	if s.back {
		i, end, step = last, first-1, -1
	}
	for ; i != end && n.leaves == nil; i += step {
		if !s.inner(n.inners[i].Load(), b.at(i, first, last)) {
			return false
		}
	}
	var ahead [leavesAhead]*page
	for i != end {
		some := s.ahead(ahead[:min(leavesAhead, step*(end-i))], n, i, step)
		for _, p := range some {
			l := p.open()
			if !s.leaf(&l, b.at(i, first, last)) {
				return false
			}
			i += step
		}
	}
	return true
}

// leavesAhead is how many leaves are fetched side by side.
const leavesAhead = 16

// ahead fills room with leaves of n from the i-th on, as many as the limit may need, and touches
// all of them, so that the waits for their memory overlap.
func (s *scan) ahead(room []*page, n *inner, i, step int) []*page {
	if s.limit > 0 {
		room = room[:min(len(room), (s.limit-s.visits)/keysAhead+1)]
	}
	for j := range room {
		room[j] = n.leaves[i+j*step].Load()
	}
	touchAll(room)
	return room
}

// keysAhead is how many keys a leaf has at least, mostly.
const keysAhead = 8

func (s *scan) leaf(l *leaf, b bounds) bool {
	first, end := b.items(l)
	i, step := first, 1
	if s.back {
		i, end, step = end-1, first-1, -1
	}
	s.key = append(s.key[:0], l.data[:l.prefix]...)
	for ; i != end; i += step {
		e, ok := l.at(i, s.at)
		if !ok {
			continue
		}
		s.key = l.appendKey(s.key[:l.prefix], i)
		s.visits++
		if !s.visit(s.key, e) || s.visits == s.limit {
			return false
		}
	}
	return true
}

// Stats implements index.Reader. Unlike the others it waits for a write under way.
func (x *Index) Stats() index.Stats {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.stats
}
