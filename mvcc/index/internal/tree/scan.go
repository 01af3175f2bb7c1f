package tree

import (
	"bytes"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// Range implements index.Reader.
func (x *Index) Range(q index.Query, visit func([]byte, index.Entry) bool) int {
	n := 0
	x.scan(&q, func(key []byte, e index.Entry) bool {
		n++
		return visit(key, e) && n != q.Limit
	})
	return n
}

// Count implements index.Reader.
func (x *Index) Count(lo, hi []byte, at int64) int {
	n := 0
	x.scan(&index.Query{Lo: lo, Hi: hi, At: at}, func([]byte, index.Entry) bool {
		n++
		return true
	})
	return n
}

type hit struct {
	key   string
	entry index.Entry
}

// scan visits the keys of q outside the lock, a stretch at a time. Keys are never changed, so
// they may be used after the lock was given up.
func (x *Index) scan(q *index.Query, visit func([]byte, index.Entry) bool) {
	if q.Hi != nil && bytes.Compare(q.Lo, q.Hi) >= 0 {
		return
	}
	at := q.At
	if at == index.Latest {
		x.mu.RLock()
		at = x.newest.Main
		x.mu.RUnlock()
	}
	size := stretch
	if q.Limit > 0 {
		size = min(size, q.Limit)
	}
	hits := make([]hit, 0, size)
	c := cursor{q: q, at: at, lo: text(q.Lo), hi: text(q.Hi), next: probe(q.Lo)}
	if q.Back {
		c.next = probe(q.Hi)
		c.skip, c.last = q.Hi != nil, q.Hi == nil
	}
	var key []byte
	for !c.done {
		hits = x.collect(&c, hits[:0])
		for _, h := range hits {
			key = append(key[:0], h.key...)
			if !visit(key, h.entry) {
				return
			}
		}
	}
}

// cursor is where a scan goes on.
type cursor struct {
	q      *index.Query
	at     int64
	lo, hi string // those of q
	next   Slot
	skip   bool // next itself was visited, or is the bound that is not part of the range
	last   bool // instead of next, the last of all
	done   bool
}

// collect appends the keys of the next stretch to hits.
func (x *Index) collect(c *cursor, hits []hit) []hit {
	x.mu.RLock()
	defer x.mu.RUnlock()
	c.done = true
	seen := 0
	step := func(s Slot) bool {
		it := s.item
		if c.skip && it.key == c.next.item.key {
			return true
		}
		if c.q.Back && it.key < c.lo || !c.q.Back && c.q.Hi != nil && it.key >= c.hi {
			return false
		}
		if e, ok := it.at(c.at); ok {
			hits = append(hits, hit{it.key, e})
		}
		if seen++; seen == stretch || len(hits) == cap(hits) {
			c.next, c.skip, c.last, c.done = s, true, false, false
			return false
		}
		return true
	}
	switch {
	case c.q.Back && c.last:
		x.tree.Descend(nil, step)
	case c.q.Back:
		x.tree.Descend(&c.next, step)
	default:
		x.tree.Ascend(c.next, step)
	}
	return hits
}
