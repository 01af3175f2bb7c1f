package engine

import (
	"bytes"

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
	begins [24]byte        // with it, if it is no longer
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
	copy(r.begins[:], first[:r.prefix])
	for i, n := range nodes {
		r.heads[i] = prefix.Head(n.key[r.prefix:])
	}
	return r
}

func (r *row) last() *node { return r.nodes[r.n-1] }

// shared is what all keys begin with.
func (r *row) shared() []byte {
	if r.prefix <= len(r.begins) {
		return r.begins[:r.prefix]
	}
	return r.nodes[0].key[:r.prefix]
}

// below tells how many keys come before key.
func (r *row) below(key []byte) int {
	switch c := bytes.Compare(key[:min(len(key), r.prefix)], r.shared()); {
	case c < 0:
		return 0
	case c > 0:
		return r.n
	}
	h, lo, hi := prefix.Head(key[r.prefix:]), 0, r.n
	for lo < hi {
		i := int(uint(lo+hi) >> 1)
		if r.heads[i] < h || r.heads[i] == h && bytes.Compare(r.nodes[i].key, key) < 0 {
			lo = i + 1
		} else {
			hi = i
		}
	}
	return lo
}

// with appends r and more nodes, at least one and sorted, to rows.
func (r *row) with(rows []*row, more []*node) []*row {
	shared := r.shared()
	if r.n+len(more) <= rowKeys && bytes.HasPrefix(more[0].key, shared) && bytes.HasPrefix(more[len(more)-1].key, shared) {
		return append(rows, r.merge(more))
	}
	all, from := make([]*node, 0, r.n+len(more)), 0
	for _, n := range more {
		to := r.below(n.key)
		all = append(append(all, r.nodes[from:to]...), n)
		from = to
	}
	return appendRows(rows, append(all, r.nodes[from:r.n]...))
}

// merge returns a row with more nodes, for which there is room and which begin like its own.
func (r *row) merge(more []*node) *row {
	m := &row{n: r.n + len(more), prefix: r.prefix, begins: r.begins}
	from, at := 0, 0
	for _, n := range more {
		to := r.below(n.key)
		copy(m.nodes[at:], r.nodes[from:to])
		at += copy(m.heads[at:], r.heads[from:to])
		m.nodes[at], m.heads[at] = n, prefix.Head(n.key[r.prefix:])
		from, at = to, at+1
	}
	copy(m.nodes[at:], r.nodes[from:r.n])
	copy(m.heads[at:], r.heads[from:r.n])
	return m
}
