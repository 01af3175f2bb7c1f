package bolt

import (
	"math"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/prefix"
)

// path is a way down a tree to a place in a leaf, from which it goes on to both sides. It reads the
// elements of a leaf one after another, where bbolt's cursor looks at the page anew for each. What
// is odd in a page makes it panic, as it does a lookup.
type path struct {
	tree *tree
	way  []place // from the root to a leaf
}

// place is between two elements of a leaf, before the one called at; in a branch, it is the child
// called at.
type place struct {
	page page
	at   int
}

// seek goes to the place before the first key at or above key.
func (w *path) seek(t *tree, key []byte) {
	w.tree, w.way = t, w.way[:0]
	k, id, r := prefix.Head(key), t.root, reach{}
	for range maxLevels {
		p := t.page(id)
		at := p.upTo(key, k, r.guess(&p, k))
		if p.leaf {
			if at > 0 && p.holds(at-1, key) {
				at--
			}
			w.way = append(w.way, place{p, at})
			return
		}
		at = max(at-1, 0)
		w.way = append(w.way, place{p, at})
		id, r = p.child(at), r.within(&p, at)
	}
	panic(errEndless)
}

// seekEnd goes behind the last key.
func (w *path) seekEnd(t *tree) {
	w.tree, w.way = t, w.way[:0]
	w.descend(t.root, math.MaxInt)
}

// descend goes from the page called id to its first leaf (at is 0) or behind its last one.
func (w *path) descend(id uint64, at int) {
	for len(w.way) < maxLevels {
		p := w.tree.page(id)
		if p.leaf {
			w.way = append(w.way, place{p, min(at, p.n)})
			return
		}
		child := min(at, p.n-1)
		w.way = append(w.way, place{p, child})
		id = p.child(child)
	}
	panic(errEndless)
}

// beside goes to the next leaf, or behind the previous one if step is -1. False: there is none, and
// nothing has changed.
func (w *path) beside(step int) bool {
	for d := len(w.way) - 2; d >= 0; d-- {
		b := &w.way[d]
		if child := b.at + step; child >= 0 && child < b.page.n {
			b.at = child
			id, at := b.page.child(child), 0
			if step < 0 {
				at = math.MaxInt
			}
			w.way = w.way[:d+1]
			w.descend(id, at)
			return true
		}
	}
	return false
}

// read takes up to len(pairs) pairs of one leaf, forwards or backwards from where w is, and moves
// over them. None: there is no further leaf.
func (w *path) read(pairs []engine.Pair, back bool) int {
	for {
		leaf := &w.way[len(w.way)-1]
		if back {
			if n := min(len(pairs), leaf.at); n > 0 {
				leaf.at -= n
				leaf.page.pairs(leaf.at, pairs[:n])
				for i, j := 0, n-1; i < j; i, j = i+1, j-1 {
					pairs[i], pairs[j] = pairs[j], pairs[i]
				}
				return n
			}
		} else if n := min(len(pairs), leaf.page.n-leaf.at); n > 0 {
			leaf.page.pairs(leaf.at, pairs[:n])
			leaf.at += n
			return n
		}
		step := 1
		if back {
			step = -1
		}
		if !w.beside(step) {
			return 0
		}
	}
}
