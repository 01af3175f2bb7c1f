package packed

import (
	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/mvcc/index/internal/history"
)

// Compact implements index.Index. A leaf without anything to take counts as one key of the limit:
// it is passed at a glance. The slice ends with a leaf, so it may be a leaf longer.
func (x *Index) Compact(at int64, from []byte, limit int, dropped *index.Set) (next []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer x.forget()
	if dropped == nil {
		dropped = new(index.Set)
	}
	for {
		limit, next = x.compactNode(at, from, limit, dropped)
		if next == nil || limit <= 0 {
			return next
		}
		from = next
	}
}

// compactNode compacts leaves of one node, from the leaf of from on, and answers what is left of
// the limit and where to go on.
func (x *Index) compactNode(at int64, from []byte, limit int, dropped *index.Set) (left int, next []byte) {
	p := &x.path
	p.descend(x.root.Load(), from)
	place := &p.places[p.depth-1]
	n, first := place.node, place.i
	c := compaction{x: x, at: at, dropped: dropped, node: n, from: first}
	if first > 0 { // a neighbour that may take up a small first leaf
		c.from--
		c.add(c.from, n.leaves[c.from].Load())
	}
	i := first
	for ; i < n.kids() && (limit > 0 || i == first); i++ {
		l := n.leaves[i].Load()
		if l.loose == 0 {
			limit--
			c.add(i, l)
			continue
		}
		limit -= int(l.n)
		start := 0
		if i == first && from != nil {
			open := l.open()
			start, _ = open.search(from)
		}
		c.add(i, c.compactLeaf(l, start))
	}
	place.i = i - 1
	next = p.upper()
	c.finish(p, i)
	return limit, next
}

// compaction collects what becomes of the leaves of a node.
type compaction struct {
	x       *Index
	at      int64
	dropped *index.Set
	node    *inner
	from    int // the first leaf in kids
	kids    []kid
	origin  []int // of each kid, its first place in the node
	reshape bool  // kids are fewer than the leaves they are made of
}

// compactLeaf is l after the compaction of its keys from start on.
func (c *compaction) compactLeaf(p *page, start int) *page {
	x, l := c.x, p.open()
	changed := false
	x.list, x.text = x.list[:0], x.text[:0]
	var buf, rest [maxShort]history.Rev
	for i := range int(l.n) {
		var e entry
		if form := l.item(i)[0] & formMask; i >= start && form != formPlain {
			h := l.history(i, buf[:0])
			left, n := h.Compact(rest[:0], c.at)
			for _, r := range h.Revs()[:n] {
				c.dropped.Add(r.Revision())
			}
			x.stats.Revisions -= n
			changed = changed || n > 0
			if n > 0 && left.Len() == 0 {
				x.stats.Keys--
				continue
			}
			if n > 0 {
				e, x.text = l.entryKey(i, x.text)
				e.set(&left, 0)
				x.list = append(x.list, e)
				continue
			}
		}
		e, x.text = l.entry(i, x.text)
		x.list = append(x.list, e)
	}
	if !changed {
		return p
	}
	next := x.newPage(x.list)
	x.stats.Bytes += next.sizeBytes() - p.sizeBytes()
	return next
}

// add appends what became of the leaf at place i of the node. It and the leaf before it become one
// if they fill no more than half a leaf together.
func (c *compaction) add(i int, l *page) {
	if l.n == 0 {
		c.x.stats.Bytes -= l.sizeBytes()
		c.reshape = true
		return
	}
	if k := len(c.kids) - 1; k >= 0 {
		before := c.kids[k].leaf
		if int(before.n)+int(l.n) <= c.x.lim.leafKeys/2 && int(before.size)+int(l.size) <= c.x.lim.leafBytes/2 {
			c.kids[k].leaf = c.x.mergeLeaves(before, l)
			c.reshape = true
			return
		}
	}
	c.kids = append(c.kids, kid{leaf: l})
	c.origin = append(c.origin, i)
}

func (x *Index) mergeLeaves(a, b *page) *page {
	left, right := a.open(), b.open()
	x.gather(&left, 0, int(left.n))
	x.gatherMore(&right, 0, int(right.n))
	l := x.newPage(x.list)
	x.stats.Bytes += l.sizeBytes() - a.sizeBytes() - b.sizeBytes()
	return l
}

// finish puts the kids into the place of the leaves [c.from, to) of the node at the end of p. No
// count changes: what compaction takes was not live.
func (c *compaction) finish(p *path, to int) {
	if !c.reshape {
		for j, k := range c.kids {
			if i := c.origin[j]; c.node.leaves[i].Load() != k.leaf {
				c.node.leaves[i].Store(k.leaf)
			}
		}
		return
	}
	var seps [][]byte
	for j := 1; j < len(c.kids); j++ {
		seps = append(seps, c.node.key(nil, c.origin[j]-1))
	}
	c.x.replace(p, p.depth-1, c.kids, seps, c.from, to, 0)
}
