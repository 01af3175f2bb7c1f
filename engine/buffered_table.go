package engine

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"sync/atomic"
)

// hash is of a key and its space, the same for all groups of u.
func (u *buffered) hash(s Space, key []byte) uint64 {
	return maphash.Bytes(u.seed, key) ^ uint64(s)*0x9e3779b97f4a7c15
}

// table finds a node by its key: open addressing, at most half full. Most reads look for a key
// that is not pending, so the tags are apart from the nodes: 4 bytes a slot that stay in the cache.
type table struct {
	mask  uint64
	tags  []atomic.Uint32 // 0: free. Stored after the node, so who sees the tag sees the node
	nodes []atomic.Pointer[node]
}

const minSlots = 64

func newTable(slots int) *table {
	slots = max(minSlots, 1<<bits.Len(uint(max(slots-1, 0))))
	return &table{
		mask:  uint64(slots - 1),
		tags:  make([]atomic.Uint32, slots),
		nodes: make([]atomic.Pointer[node], slots),
	}
}

func tagOf(hash uint64) uint32 { return uint32(hash>>32) | 1 }

func (t *table) find(hash uint64, s Space, key []byte) *node {
	want := tagOf(hash)
	for i := hash & t.mask; ; i = (i + 1) & t.mask {
		switch t.tags[i].Load() {
		case 0:
			return nil
		case want:
			if n := t.nodes[i].Load(); n.hash == hash && n.space == s && bytes.Equal(n.key, key) {
				return n
			}
		}
	}
}

func (t *table) insert(n *node) {
	i := n.hash & t.mask
	for t.tags[i].Load() != 0 {
		i = (i + 1) & t.mask
	}
	t.nodes[i].Store(n)
	t.tags[i].Store(tagOf(n.hash))
}

// index puts n, the newest of g.nodes, into the table, and makes the table grow first if that
// would be more than half full. A reader that still has the old one finds in it all that its
// sequence number lets it see.
func (g *group) index(n *node) {
	t := g.table.Load()
	if 2*g.nodes > len(t.tags) {
		bigger := newTable(2 * len(t.tags))
		for i := range t.nodes {
			if old := t.nodes[i].Load(); old != nil {
				bigger.insert(old)
			}
		}
		bigger.insert(n)
		g.table.Store(bigger)
		return
	}
	t.insert(n)
}
