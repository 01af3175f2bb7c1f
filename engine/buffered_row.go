package engine

import (
	"bytes"
	"math/bits"
	"sort"

	"github.com/etalon-kv/etalon/internal/prefix"
)

const (
	// rowKeys is how many keys a row holds at most.
	rowKeys = 64
	// rowFill is how many a new one gets, so that there is room for more.
	rowFill = 48
)

// row is some keys in order, with their heads, so that a search touches few of the keys themselves.
// It does not change.
type row struct {
	n      int
	prefix int             // the length of what the keys have in common
	ends   [24]byte        // the last of it, behind zeros if it is shorter
	length int             // of each key if they are equally long and heads hold all behind prefix, else 0
	heads  [rowKeys]uint64 // of the keys, behind prefix
	nodes  [rowKeys]*node
}

// appendRows cuts nodes, at least one, into new rows.
func appendRows(rows []*row, nodes []*node) []*row {
	pieces := (len(nodes) + rowFill - 1) / rowFill
	for ; pieces > 0; pieces-- {
		n := len(nodes) / pieces
		rows = append(rows, newRow(nodes[:n]))
		nodes = nodes[n:]
	}
	return rows
}

func newRow(nodes []*node) *row {
	r := &row{}
	r.n = copy(r.nodes[:], nodes)
	first := nodes[0].key
	r.prefix = prefix.Len(first, r.last().key)
	end := min(r.prefix, len(r.ends))
	copy(r.ends[len(r.ends)-end:], first[r.prefix-end:r.prefix])
	for i, n := range nodes {
		r.heads[i] = prefix.Head(n.key[r.prefix:])
	}
	if len(first) <= r.prefix+8 && allAre(len(first), nodes) {
		r.length = len(first)
	}
	return r
}

// allAre tells whether the keys of nodes have that length.
func allAre(length int, nodes []*node) bool {
	for _, n := range nodes {
		if len(n.key) != length {
			return false
		}
	}
	return true
}

func (r *row) last() *node { return r.nodes[r.n-1] }

// shared is what all keys begin with.
func (r *row) shared() []byte { return r.nodes[0].key[:r.prefix] }

// comparePrefix is negative if key comes before all that begins with what the keys have in common, and 0
// if it begins with that itself, as its first known bytes, at most prefix, are known to do.
func (r *row) comparePrefix(key []byte, known int) int {
	key = key[:min(len(key), r.prefix)]
	if r.prefix-known <= len(r.ends) {
		return bytes.Compare(key[known:], r.ends[len(r.ends)-(r.prefix-known):])
	}
	return bytes.Compare(key, r.shared())
}

// below tells how many keys come before key; known is that of comparePrefix.
func (r *row) below(key []byte, known int) int {
	switch c := r.comparePrefix(key, known); {
	case c < 0:
		return 0
	case c > 0:
		return r.n
	}
	h := prefix.Head(key[r.prefix:])
	at := below(r.heads[:r.n], h)
	if at < r.n && r.heads[at] == h {
		at += sort.Search(r.n-at, func(i int) bool {
			return r.heads[at+i] > h || bytes.Compare(r.nodes[at+i].key, key) >= 0
		})
	}
	return at
}

// below tells how many of the ascending heads are less than h, without branches, which nobody could predict.
func below(heads []uint64, h uint64) int {
	from, n := 0, len(heads)
	for n > 1 {
		half := n >> 1
		_, less := bits.Sub64(heads[from+half-1], h, 0)
		from += half & -int(less)
		n -= half
	}
	if n == 1 && heads[from] < h {
		from++
	}
	return from
}

// with appends r and more nodes, at least one and sorted, to rows.
func (r *row) with(rows []*row, more []*node) []*row {
	shared := r.shared()
	if r.n+len(more) <= rowKeys && bytes.HasPrefix(more[0].key, shared) && bytes.HasPrefix(more[len(more)-1].key, shared) {
		return append(rows, r.merge(more))
	}
	all, from := make([]*node, 0, r.n+len(more)), 0
	for _, n := range more {
		to := r.below(n.key, 0)
		all = append(append(all, r.nodes[from:to]...), n)
		from = to
	}
	return appendRows(rows, append(all, r.nodes[from:r.n]...))
}

// merge returns a row with more nodes, for which there is room and which begin like its own.
func (r *row) merge(more []*node) *row {
	m := &row{n: r.n + len(more), prefix: r.prefix, ends: r.ends}
	from, at := 0, 0
	for _, n := range more {
		to := r.below(n.key, 0)
		copy(m.nodes[at:], r.nodes[from:to])
		at += copy(m.heads[at:], r.heads[from:to])
		m.nodes[at], m.heads[at] = n, prefix.Head(n.key[r.prefix:])
		from, at = to, at+1
	}
	if allAre(r.length, more) {
		m.length = r.length
	}
	copy(m.nodes[at:], r.nodes[from:r.n])
	copy(m.heads[at:], r.heads[from:r.n])
	return m
}
