package engine

import (
	"bytes"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// group holds the writes that one commit will take: a skip list for order and a hash table for
// single keys, both over the same nodes. One writer adds (Apply, under fill); any number of
// readers go through it meanwhile without locks, since nothing is ever removed or moved: a node
// is complete before a pointer to it is published, and a reader passes over versions that are
// newer than its own sequence number.
type group struct {
	from   uint64 // the last sequence number before this group
	table  atomic.Pointer[table]
	ranges atomic.Pointer[[]rangeDelete]
	height atomic.Int32
	head   node

	// The writer's; the committer's once it has the group.
	ops, bytes int64
	batches    int64
	since      time.Time // of the first write
	nodes      int
	slab       []node
	versions   []version
	arena      []byte
}

const (
	maxHeight  = 10 // at one in four: enough for a million nodes
	slabNodes  = 64
	arenaBytes = 64 << 10
)

// node is a key with all its versions.
type node struct {
	key    []byte
	hash   uint64
	newest atomic.Pointer[version]
	space  Space
	first  version
	next   [maxHeight]atomic.Pointer[node]
}

// version is one write of a key. It does not change once published.
type version struct {
	seq     uint64
	value   []byte // not nil
	prev    *version
	deleted bool
}

// rangeDelete is a pending deletion of [lo, hi).
type rangeDelete struct {
	seq    uint64
	space  Space
	lo, hi []byte
}

// newGroup returns an empty group after sequence number from, made for about size keys.
func newGroup(from uint64, size int) *group {
	g := &group{from: from}
	g.height.Store(1)
	g.table.Store(newTable(2 * size))
	return g
}

func (g *group) empty() bool { return g.ops == 0 }

// full tells whether a commit is due for its size.
func (g *group) full(l limit) bool {
	return g.ops >= l.ops || g.bytes >= l.bytes || len(g.rangeDeletes()) >= maxRanges
}

func (g *group) rangeDeletes() []rangeDelete {
	if p := g.ranges.Load(); p != nil {
		return *p
	}
	return nil
}

// at returns the newest version that seq sees, nil if none.
func (n *node) at(seq uint64) *version {
	v := n.newest.Load()
	for v != nil && v.seq > seq {
		v = v.prev
	}
	return v
}

// before tells whether n sorts before key of s.
func (n *node) before(s Space, key []byte) bool {
	return n.space < s || n.space == s && bytes.Compare(n.key, key) < 0
}

// put adds one operation; hash is that of its key.
func (g *group) put(o *pendingOp, hash, seq uint64) {
	if o.kind == pendingRange {
		g.putRange(o, seq)
		return
	}
	if n := g.table.Load().find(hash, o.space, o.key); n != nil {
		v := g.newVersion()
		*v = version{seq: seq, value: g.keep(o.value), prev: n.newest.Load(), deleted: o.kind == pendingDelete}
		n.newest.Store(v)
		return
	}
	n := g.newNode()
	n.key, n.hash, n.space = g.keep(o.key), hash, o.space
	n.first = version{seq: seq, value: g.keep(o.value), deleted: o.kind == pendingDelete}
	n.newest.Store(&n.first)
	g.link(n)
	g.index(n)
}

func (g *group) putRange(o *pendingOp, seq uint64) {
	if EmptyRange(o.key, o.value) {
		return
	}
	r := rangeDelete{seq: seq, space: o.space, lo: g.keep(o.key)}
	if o.value != nil {
		r.hi = g.keep(o.value)
	}
	// Readers may be in the old slice; an append writes behind its end only.
	all := append(g.rangeDeletes(), r)
	g.ranges.Store(&all)
}

// link puts n into the skip list, the lowest level first: from then on it is found.
func (g *group) link(n *node) {
	var prevs [maxHeight]*node
	height := int(g.height.Load())
	at := &g.head
	for level := height - 1; level >= 0; level-- {
		for next := at.next[level].Load(); next != nil && next.before(n.space, n.key); next = at.next[level].Load() {
			at = next
		}
		prevs[level] = at
	}
	grown := 1
	for bits := rand.Uint32(); bits&3 == 0 && grown < maxHeight; bits >>= 2 {
		grown++
	}
	for ; height < grown; height++ {
		prevs[height] = &g.head
	}
	for level := range grown {
		n.next[level].Store(prevs[level].next[level].Load())
		prevs[level].next[level].Store(n)
	}
	g.height.Store(int32(height))
}

// seek returns the first node at or after key of s, and the last node before it (nil if none).
func (g *group) seek(s Space, key []byte) (at, prev *node) {
	prev = &g.head
	for level := int(g.height.Load()) - 1; level >= 0; level-- {
		for at = prev.next[level].Load(); at != nil && at.before(s, key); at = prev.next[level].Load() {
			prev = at
		}
	}
	if prev == &g.head {
		prev = nil
	}
	return at, prev
}

// lastOf returns the last node of s and below, nil if none.
func (g *group) lastOf(s Space) *node {
	at := &g.head
	for level := int(g.height.Load()) - 1; level >= 0; level-- {
		for next := at.next[level].Load(); next != nil && next.space <= s; next = at.next[level].Load() {
			at = next
		}
	}
	if at == &g.head {
		return nil
	}
	return at
}

// emit writes what the group comes to into out: its range deletions, then the last write of every
// key that no later range deletion covers, in order.
func (g *group) emit(out Batch) {
	ranges := g.rangeDeletes()
	for _, r := range ranges {
		out.DeleteRange(r.space, r.lo, r.hi)
	}
	for n := g.head.next[0].Load(); n != nil; n = n.next[0].Load() {
		v := n.newest.Load()
		switch {
		case covered(ranges, n.space, n.key, v.seq, ^uint64(0)):
		case v.deleted:
			out.Delete(n.space, n.key)
		default:
			out.Set(n.space, n.key, v.value)
		}
	}
}

// covered tells whether a range deletion after sequence number after, up to upto, covers key.
func covered(ranges []rangeDelete, s Space, key []byte, after, upto uint64) bool {
	for i := range ranges {
		r := &ranges[i]
		if r.seq > after && r.seq <= upto && r.space == s && InRange(key, r.lo, r.hi) {
			return true
		}
	}
	return false
}

func (g *group) newNode() *node {
	if len(g.slab) == 0 {
		g.slab = make([]node, slabNodes)
	}
	n := &g.slab[0]
	g.slab = g.slab[1:]
	g.nodes++
	return n
}

func (g *group) newVersion() *version {
	if len(g.versions) == 0 {
		g.versions = make([]version, slabNodes)
	}
	v := &g.versions[0]
	g.versions = g.versions[1:]
	return v
}

// keep copies b into the group's memory; never nil.
func (g *group) keep(b []byte) []byte {
	if len(b) > arenaBytes/4 {
		return append([]byte(nil), b...)
	}
	if len(b) > cap(g.arena)-len(g.arena) || g.arena == nil {
		g.arena = make([]byte, 0, arenaBytes)
	}
	at := len(g.arena)
	g.arena = append(g.arena, b...)
	return g.arena[at:len(g.arena):len(g.arena)]
}
