package engine

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// group holds the writes that one commit will take: nodes in the order in which their keys came
// first, a hash table over them for single keys, and what orders them for scans. One writer adds
// (Apply, under fill); any number of readers go through it meanwhile, since nothing is ever removed
// or moved: a node is complete before it is counted and before a pointer to it is published, and a
// reader passes over versions that are newer than its own sequence number.
type group struct {
	from   uint64 // the last sequence number before this group
	table  atomic.Pointer[table]
	ranges atomic.Pointer[[]rangeDelete]
	count  atomic.Int64 // nodes that readers may look for
	first  *slab        // set before the first one is counted
	orders atomic.Pointer[orders]

	// sorting is held to renew orders; slab and used are how far they reach.
	sorting sync.Mutex
	slab    *slab
	used    int

	// The writer's; the committer's once it has the group.
	ops, bytes int64
	batches    int64
	due        time.Time // of the commit, known with the first write
	nodes      int
	last       *slab
	versions   []version
	arena      []byte
}

const (
	slabNodes  = 64
	arenaBytes = 64 << 10
)

// slab is a part of the log of nodes. next is set before a node of it is counted.
type slab struct {
	nodes [slabNodes]node
	next  *slab
}

// node is a key with all its versions.
type node struct {
	key    []byte
	hash   uint64
	newest atomic.Pointer[version]
	space  Space
	first  version
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
	g.index(n)
	g.count.Store(int64(g.nodes))
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

// emit writes what the group comes to into out: its range deletions, then the last write of every
// key that no later range deletion covers, in order.
func (g *group) emit(out Batch) {
	ranges := g.rangeDeletes()
	for _, r := range ranges {
		out.DeleteRange(r.space, r.lo, r.hi)
	}
	for _, o := range g.inOrder().spaces {
		for _, r := range o.rows {
			for _, n := range r.nodes[:r.n] {
				n.emit(ranges, out)
			}
			runtime.Gosched() // a commit is nobody's hurry
		}
	}
}

func (n *node) emit(ranges []rangeDelete, out Batch) {
	v := n.newest.Load()
	switch {
	case covered(ranges, n.space, n.key, v.seq, ^uint64(0)):
	case v.deleted:
		out.Delete(n.space, n.key)
	default:
		out.Set(n.space, n.key, v.value)
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
	i := g.nodes % slabNodes
	if i == 0 {
		s := &slab{}
		if g.last == nil {
			g.first = s
		} else {
			g.last.next = s
		}
		g.last = s
	}
	g.nodes++
	return &g.last.nodes[i]
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
