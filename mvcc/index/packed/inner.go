package packed

import (
	"sync/atomic"

	"github.com/etalon-kv/etalon/internal/prefix"
)

// inner is a node above the leaves: all children leaves, or all inner nodes. Separators and the
// number of children never change; a changed list is a new node. Child pointers are swapped for
// others that cover the same keys.
type inner struct {
	block  // separators: child i holds the keys from separator i-1 on and below separator i
	leaves []atomic.Pointer[page]
	inners []atomic.Pointer[inner]
	// live is the number of keys below that exist at their newest revision, newest at least the
	// newest main revision below. The writer raises newest before a write and changes live after
	// it, and a reader loads live first: if newest is then not above the revision that it reads
	// at, live has nothing newer in it and is the count at that revision.
	live, newest atomic.Int64
}

// kid is a child of either kind.
type kid struct {
	leaf  *page
	inner *inner
}

func (k kid) live() int64 {
	if k.leaf != nil {
		return int64(k.leaf.live)
	}
	return k.inner.live.Load()
}

func (k kid) newest() int64 {
	if k.leaf != nil {
		return k.leaf.newest
	}
	return k.inner.newest.Load()
}

func (n *inner) kids() int { return len(n.leaves) + len(n.inners) }

func (n *inner) kid(i int) kid {
	if n.leaves != nil {
		return kid{leaf: n.leaves[i].Load()}
	}
	return kid{inner: n.inners[i].Load()}
}

// store swaps the i-th child for one that covers the same keys.
func (n *inner) store(i int, k kid) {
	if k.leaf != nil {
		n.leaves[i].Store(k.leaf)
	} else {
		n.inners[i].Store(k.inner)
	}
}

// child is the place of the child that covers key.
func (n *inner) child(key []byte) int {
	i, found := n.search(key)
	if found {
		i++
	}
	return i
}

// seps are the separators, in new memory.
func (n *inner) seps() [][]byte {
	out := make([][]byte, n.n)
	for i := range out {
		out[i] = n.key(nil, i)
	}
	return out
}

// newInner makes a node of children and the separators between them.
func (x *Index) newInner(kids []kid, seps [][]byte) *inner {
	entries := make([]entry, len(seps))
	for i, s := range seps {
		entries[i].key = s
	}
	n := &inner{block: x.room.pack(entries, 0).own()}
	if kids[0].leaf != nil {
		n.leaves = make([]atomic.Pointer[page], len(kids))
	} else {
		n.inners = make([]atomic.Pointer[inner], len(kids))
	}
	live, newest := int64(0), int64(0)
	for i, k := range kids {
		n.store(i, k)
		live += k.live()
		newest = max(newest, k.newest())
	}
	n.live.Store(live)
	n.newest.Store(newest)
	return n
}

const innerBytes = 96 // what the heap gives for an inner node

// sizeBytes is what n takes in the heap, without its children.
func (n *inner) sizeBytes() int64 { return int64(innerBytes + cap(n.data) + 8*n.kids()) }

// separator is a short key above left and not above right.
func separator(left, right []byte) []byte {
	n := prefix.Len(left, right) + 1
	return append([]byte(nil), right[:n]...)
}

// place is a child of a node.
type place struct {
	node *inner
	i    int
}

// path leads from the root to a leaf. 128 children a node would need more keys than there is
// memory to fill 12 levels; nodes that compaction has thinned out are merged again.
type path struct {
	places [24]place
	depth  int
}

func (p *path) push(n *inner, i int) {
	p.places[p.depth] = place{n, i}
	p.depth++
}

// descend fills p with the way to the leaf that covers key; nil is the first leaf.
func (p *path) descend(n *inner, key []byte) *page {
	p.depth = 0
	for {
		i := 0
		if key != nil {
			i = n.child(key)
		}
		p.push(n, i)
		if n.leaves != nil {
			return n.leaves[i].Load()
		}
		n = n.inners[i].Load()
	}
}

// upper is the end of the keys that the child at the end of p covers; nil if it is the last.
func (p *path) upper() []byte {
	for d := p.depth - 1; d >= 0; d-- {
		if at := p.places[d]; at.i < int(at.node.n) {
			return at.node.key(nil, at.i)
		}
	}
	return nil
}
