package packed

import "slices"

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
	kids, seps = n.exchange(kids, seps, from, to)
	x.bytes.Add(-n.sizeBytes())
	from, to = 0, 1
	if level > 0 {
		parent := p.places[level-1]
		from, to = parent.i, parent.i+1
		if len(kids) > 0 && len(kids) < fan/4 {
			kids, seps, from, to = x.mergeSibling(parent, kids, seps)
		}
	}
	nodes, between := x.divide(kids, seps)
	x.replace(p, level-1, nodes, between, from, to, delta)
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
		if s.kids()+len(kids) > fan*3/4 {
			continue
		}
		x.bytes.Add(-s.sizeBytes())
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
	parts := (len(kids) + fan - 1) / fan
	for i := range parts {
		lo, hi := i*len(kids)/parts, (i+1)*len(kids)/parts
		if i > 0 {
			between = append(between, seps[lo-1])
		}
		n := newInner(kids[lo:hi], seps[lo:hi-1])
		x.bytes.Add(n.sizeBytes())
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
		l := &leaf{}
		x.bytes.Add(l.sizeBytes())
		kids, _ = x.divide([]kid{{leaf: l}}, nil)
	}
	root := kids[0].inner
	for len(root.inners) == 1 {
		x.bytes.Add(-root.sizeBytes())
		root = root.inners[0].Load()
	}
	x.root.Store(root)
}
