package packed

import (
	"bytes"
	"slices"
	"sync/atomic"
)

// replace puts kids, with the separators between them, in place of the children [from, to) of the
// node at a level of p. One for one is a pointer swapped; else the node is made new, in parts if
// it is too large, merged with a neighbour if it is too small, and replaced in its own parent.
// delta is how many live keys the change adds: it goes to the counts of the nodes that stay.
func (x *Index) replace(p *path, level int, kids []kid, seps [][]byte, from, to int, delta int64) {
	if level < 0 {
		x.replaceRoot(kids, seps)
		return
	}
	n := p.places[level].node
	if len(kids) == 1 && to == from+1 {
		n.store(from, kids[0])
		for l := range level + 1 {
			p.places[l].node.live.Add(delta)
		}
		return
	}
	if len(kids) == 2 && to == from+1 && n.kids() < x.lim.fan { // a split: much the most frequent
		if next := n.spliceKid(x, from, kids, seps[0]); next != nil {
			x.stats.Bytes += next.sizeBytes() - n.sizeBytes()
			next.live.Store(n.live.Load() + delta)
			next.newest.Store(n.newest.Load())
			x.replaceNode(p, level, next, delta)
			return
		}
	}
	kids, seps = n.exchange(kids, seps, from, to)
	x.stats.Bytes -= n.sizeBytes()
	from, to = 0, 1
	if level > 0 {
		parent := p.places[level-1]
		from, to = parent.i, parent.i+1
		if len(kids) > 0 && len(kids) < x.lim.fan/4 {
			kids, seps, from, to = x.mergeSibling(parent, kids, seps)
		}
	}
	nodes, between := x.divide(kids, seps)
	x.replace(p, level-1, nodes, between, from, to, delta)
}

// replaceNode puts next in the place of the node at a level of p, which covers the same keys.
func (x *Index) replaceNode(p *path, level int, next *inner, delta int64) {
	if level == 0 {
		x.root.Store(next)
		return
	}
	i := p.places[level-1].i
	x.replace(p, level-1, []kid{{inner: next}}, nil, i, i+1, delta)
}

// spliceKid is n with two children in place of the i-th, without its counts; nil if the separator
// does not fit the form of the others.
func (n *inner) spliceKid(x *Index, i int, two []kid, sep []byte) *inner {
	if n.n == 0 || !bytes.HasPrefix(sep, n.data[:n.prefix]) {
		return nil
	}
	rest := sep[n.prefix:]
	head, headLen := headOf(rest)
	item := append([]byte{byte(headLen) | formPlain}, rest[headLen:]...)
	b, ok := n.splice(&x.room, i, false, head, item)
	if !ok {
		return nil
	}
	next := &inner{block: b.own()}
	next.leaves, next.inners = widen(n.leaves, i), widen(n.inners, i)
	next.store(i, two[0])
	next.store(i+1, two[1])
	return next
}

// widen is a copy of from with one more place behind the i-th; nil stays nil. Only the writer
// stores into from, and nobody sees the copy yet, so plain moves do.
func widen[T any](from []atomic.Pointer[T], i int) []atomic.Pointer[T] {
	if from == nil {
		return nil
	}
	to := make([]atomic.Pointer[T], len(from)+1)
	copy(to, from[:i+1])
	copy(to[i+1:], from[i:])
	return to
}

// exchange is the list of n's children with [from, to) replaced.
func (n *inner) exchange(kids []kid, seps [][]byte, from, to int) ([]kid, [][]byte) {
	all := make([]kid, 0, n.kids()+len(kids))
	for i := range from {
		all = append(all, n.kid(i))
	}
	all = append(all, kids...)
	for i := to; i < n.kids(); i++ {
		all = append(all, n.kid(i))
	}
	old := n.seps()
	left, right := old[:from], old[to-1:] // the separators around what is replaced
	switch {
	case len(kids) > 0:
	case from == 0: // the next child takes over from the beginning
		right = old[min(to, len(old)):]
	default: // the child before takes over up to the next one
		left = old[:from-1]
	}
	return all, slices.Concat(left, seps, right)
}

// mergeSibling adds the children of a neighbour of a small node to its list, if they are few
// enough, and answers which children of the parent the list replaces then.
func (x *Index) mergeSibling(parent place, kids []kid, seps [][]byte) ([]kid, [][]byte, int, int) {
	i := parent.i
	for _, j := range []int{i - 1, i + 1} {
		if j < 0 || j >= parent.node.kids() {
			continue
		}
		s := parent.node.inners[j].Load()
		if s.kids()+len(kids) > x.lim.fan*3/4 {
			continue
		}
		x.stats.Bytes -= s.sizeBytes()
		theirs := make([]kid, s.kids())
		for k := range theirs {
			theirs[k] = s.kid(k)
		}
		between := [][]byte{parent.node.key(nil, min(i, j))}
		if j < i {
			return append(theirs, kids...), slices.Concat(s.seps(), between, seps), j, i + 1
		}
		return append(kids, theirs...), slices.Concat(seps, between, s.seps()), i, j + 1
	}
	return kids, seps, i, i + 1
}

// divide makes as few nodes of a list of children as hold them, and the separators between.
func (x *Index) divide(kids []kid, seps [][]byte) (nodes []kid, between [][]byte) {
	parts := (len(kids) + x.lim.fan - 1) / x.lim.fan
	for i := range parts {
		lo, hi := i*len(kids)/parts, (i+1)*len(kids)/parts
		if i > 0 {
			between = append(between, seps[lo-1])
		}
		n := x.newInner(kids[lo:hi], seps[lo:hi-1])
		x.stats.Bytes += n.sizeBytes()
		nodes = append(nodes, kid{inner: n})
	}
	return nodes, between
}

// replaceRoot makes a root of what has become of the old one.
func (x *Index) replaceRoot(kids []kid, seps [][]byte) {
	for len(kids) > 1 {
		kids, seps = x.divide(kids, seps)
	}
	if len(kids) == 0 {
		l := x.newPage(nil)
		x.stats.Bytes += l.sizeBytes()
		kids, _ = x.divide([]kid{{leaf: l}}, nil)
	}
	root := kids[0].inner
	for len(root.inners) == 1 {
		x.stats.Bytes -= root.sizeBytes()
		root = root.inners[0].Load()
	}
	x.root.Store(root)
}
