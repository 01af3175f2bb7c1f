package engine

import (
	"bytes"
	"cmp"
	"slices"
	"sort"

	"github.com/etalon-kv/etalon/internal/prefix"
)

// orders are the keys of a group in order, as far as somebody has asked for them: the first covers
// nodes that the group got. They do not change; newer ones share with them what is the same.
//
// Order is made when a scan or the commit wants it, and not by each write: keys that come in order
// need nothing then, and others are sorted at once for less than as many insertions. A skip list
// that the writer keeps in order was dropped for it: its nodes lie apart, so a scan waits for memory
// at every step to its first key, and every write pays for scans that nobody may make.
type orders struct {
	covers int
	spaces []*order // ascending
}

// order is that of one space: rows, at least one and none empty, each with a part of the keys.
type order struct {
	space  Space
	prefix []byte   // what all keys begin with
	heads  []uint64 // of the first key of each row, behind prefix
	rows   []*row
}

// ordered returns the order of a space, nil if the group has no key of it. It covers what was put
// before the call, and what is put beside it perhaps. Any number of readers may call it.
func (g *group) ordered(s Space) *order {
	for _, o := range g.inOrder().spaces {
		if o.space == s {
			return o
		}
	}
	return nil
}

// inOrder brings the orders up to date. Readers who ask at once wait for one of them to do it; the
// writer waits for nobody.
func (g *group) inOrder() *orders {
	if o := g.orders.Load(); o != nil && o.covers == int(g.count.Load()) {
		return o
	}
	g.sorting.Lock()
	defer g.sorting.Unlock()
	o := g.orders.Load()
	if o == nil {
		o = &orders{}
	}
	if n := int(g.count.Load()); n > o.covers {
		o = o.with(g.unsorted(n - o.covers))
		g.orders.Store(o)
	}
	return o
}

// unsorted returns the next n nodes of the log. sorting is held.
func (g *group) unsorted(n int) []*node {
	nodes := make([]*node, n)
	for i := range nodes {
		switch {
		case g.slab == nil:
			g.slab = g.first
		case g.used == slabNodes:
			g.slab, g.used = g.slab.next, 0
		}
		nodes[i] = &g.slab.nodes[g.used]
		g.used++
	}
	return nodes
}

// with returns o and more nodes, whose keys are not in o; it sorts the slice.
func (o *orders) with(more []*node) *orders {
	sortNodes(more)
	next := &orders{covers: o.covers + len(more), spaces: make([]*order, 0, len(o.spaces)+1)}
	have := o.spaces
	for len(more) > 0 {
		s, n := more[0].space, 1
		for n < len(more) && more[n].space == s {
			n++
		}
		for len(have) > 0 && have[0].space < s {
			next.spaces, have = append(next.spaces, have[0]), have[1:]
		}
		if len(have) > 0 && have[0].space == s {
			next.spaces, have = append(next.spaces, have[0].with(more[:n])), have[1:]
		} else {
			next.spaces = append(next.spaces, newOrder(s, appendRows(nil, more[:n])))
		}
		more = more[n:]
	}
	next.spaces = append(next.spaces, have...)
	return next
}

// sortNodes sorts by space and key.
func sortNodes(nodes []*node) {
	if slices.IsSortedFunc(nodes, compareNodes) {
		return
	}
	shared := len(nodes[0].key)
	for _, n := range nodes {
		shared = min(shared, prefix.Len(nodes[0].key, n.key))
	}
	type headed struct {
		head uint64
		node *node
	}
	all := make([]headed, len(nodes))
	for i, n := range nodes {
		all[i] = headed{prefix.Head(n.key[shared:]), n}
	}
	slices.SortFunc(all, func(a, b headed) int {
		if a.head != b.head && a.node.space == b.node.space {
			return cmp.Compare(a.head, b.head)
		}
		return compareNodes(a.node, b.node)
	})
	for i := range all {
		nodes[i] = all[i].node
	}
}

func compareNodes(a, b *node) int {
	if a.space != b.space {
		return cmp.Compare(a.space, b.space)
	}
	return bytes.Compare(a.key, b.key)
}

func newOrder(s Space, rows []*row) *order {
	o := &order{space: s, rows: rows, heads: make([]uint64, len(rows))}
	first := rows[0].nodes[0].key
	o.prefix = first[:prefix.Len(first, rows[len(rows)-1].last().key)]
	for i, r := range rows {
		o.heads[i] = prefix.Head(r.nodes[0].key[len(o.prefix):])
	}
	return o
}

// with returns o and more nodes, at least one, sorted and of its space.
func (o *order) with(more []*node) *order {
	room := len(o.rows) + len(more)/rowFill + 2
	next := &order{space: o.space, prefix: o.prefix, rows: make([]*row, 0, room), heads: make([]uint64, 0, room)}
	same := bytes.HasPrefix(more[0].key, o.prefix) && bytes.HasPrefix(more[len(more)-1].key, o.prefix)
	at := 0
	for len(more) > 0 {
		i, n := max(o.row(more[0].key), 0), len(more)
		if i+1 < len(o.rows) {
			n = nodesBelow(more, o.rows[i+1].nodes[0].key)
		}
		next.rows = append(next.rows, o.rows[at:i]...)
		next.heads = append(next.heads, o.heads[at:i]...)
		next.rows = o.rows[i].with(next.rows, more[:n])
		for _, r := range next.rows[len(next.heads):] {
			next.heads = append(next.heads, prefix.Head(r.nodes[0].key[min(len(o.prefix), len(r.nodes[0].key)):]))
		}
		more, at = more[n:], i+1
	}
	next.rows = append(next.rows, o.rows[at:]...)
	next.heads = append(next.heads, o.heads[at:]...)
	if !same {
		return newOrder(o.space, next.rows)
	}
	return next
}

// nodesBelow tells how many of the sorted nodes come before key.
func nodesBelow(nodes []*node, key []byte) int {
	n, _ := slices.BinarySearchFunc(nodes, key, func(n *node, key []byte) int { return bytes.Compare(n.key, key) })
	return n
}

// comparePrefix is negative if key comes before all that begins with the prefix, and 0 if it begins
// with it itself.
func (o *order) comparePrefix(key []byte) int {
	return bytes.Compare(key[:min(len(key), len(o.prefix))], o.prefix)
}

// compare is negative if key comes before the one at a place of row r, which it seldom has to read.
func (o *order) compare(key []byte, r *row, at int) int {
	if c := o.comparePrefix(key); c != 0 {
		return c
	}
	if c := r.comparePrefix(key, len(o.prefix)); c != 0 {
		return c
	}
	if c := cmp.Compare(prefix.Head(key[r.prefix:]), r.heads[at]); c != 0 {
		return c
	}
	if len(key) == r.length {
		return 0
	}
	return bytes.Compare(key, r.nodes[at].key)
}

// row returns the last row that begins at or before key, -1 if none does.
func (o *order) row(key []byte) int {
	switch c := o.comparePrefix(key); {
	case c < 0:
		return -1
	case c > 0:
		return len(o.rows) - 1
	}
	return o.rowBehind(key)
}

// rowBehind is row for a key that begins with the prefix.
func (o *order) rowBehind(key []byte) int {
	h := prefix.Head(key[len(o.prefix):])
	at := below(o.heads, h)
	if at < len(o.heads) && o.heads[at] == h {
		at += sort.Search(len(o.heads)-at, func(i int) bool {
			return o.heads[at+i] > h || bytes.Compare(o.rows[at+i].nodes[0].key, key) > 0
		})
	}
	return at - 1
}

// place is where a key stands in an order.
type place struct{ row, at int }

// seek returns the place of the first key at or after key; behind the last row if there is none.
func (o *order) seek(key []byte) place {
	switch c := o.comparePrefix(key); {
	case c < 0:
		return place{}
	case c > 0:
		return place{row: len(o.rows)}
	}
	i := o.rowBehind(key)
	if i < 0 {
		return place{}
	}
	at := o.rows[i].below(key, len(o.prefix))
	if at == o.rows[i].n {
		return place{i + 1, 0}
	}
	return place{i, at}
}

// before returns the place before p, with row -1 if there is none.
func (o *order) before(p place) place {
	if p.at > 0 {
		return place{p.row, p.at - 1}
	}
	if p.row == 0 {
		return place{row: -1}
	}
	return place{p.row - 1, o.rows[p.row-1].n - 1}
}

// after returns the place after p, behind the last row if there is none.
func (o *order) after(p place) place {
	if p.at+1 < o.rows[p.row].n {
		return place{p.row, p.at + 1}
	}
	return place{p.row + 1, 0}
}

// node returns the node at p, nil if p is before or behind all.
func (o *order) node(p place) *node {
	if uint(p.row) >= uint(len(o.rows)) {
		return nil
	}
	return o.rows[p.row].nodes[p.at]
}
