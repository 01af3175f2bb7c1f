package packed

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/mvcc/index/internal/history"
)

// Index is an index.Index. See the package comment.
type Index struct {
	lim  limits
	root atomic.Pointer[inner]
	// newest is the newest main revision of which at least one write is done.
	newest atomic.Int64

	mu    sync.Mutex // serialises the writers; what follows is theirs
	last  index.Revision
	stats index.Stats
	// What follows is scratch memory: it saves allocations and means nothing between calls.
	path path
	revs [maxShort + 1]history.Rev
	item []byte
	pack []byte
	data []byte // of the block being made
	list []entry
	text []byte // the keys of list
}

// limits are the most that nodes hold; tests make them small, for trees that are high.
type limits struct {
	// A leaf is split when it has more keys or more bytes than these (a single key may have
	// more). Every put copies a leaf: with twice as many keys, each takes 2 bytes less and a put
	// half as long again.
	leafKeys, leafBytes int
	// fan is the most children of an inner node. It bounds what a split copies; ten million keys
	// are three inner levels high.
	fan int
}

// New returns an empty index.
func New() index.Index { return newIndex(limits{leafKeys: 32, leafBytes: 4096, fan: 128}) }

func newIndex(lim limits) *Index {
	x := &Index{lim: lim}
	x.replaceRoot(nil, nil)
	return x
}

// Put implements index.Index.
func (x *Index) Put(key []byte, rev index.Revision) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.check(key, rev)
	l := x.path.descend(x.root.Load(), key)
	i, found := l.search(key)
	x.write(key, rev, l, i, found, false)
}

// Tombstone implements index.Index.
func (x *Index) Tombstone(key []byte, rev index.Revision) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	l := x.path.descend(x.root.Load(), key)
	i, found := l.search(key)
	if !found {
		return index.ErrNotFound
	}
	if _, live := l.at(i, index.Latest); !live {
		return index.ErrNotFound
	}
	x.check(key, rev)
	x.write(key, rev, l, i, found, true)
	return nil
}

// check panics unless rev may be written next.
func (x *Index) check(key []byte, rev index.Revision) {
	if !rev.Valid() || rev.Compare(x.last) <= 0 {
		panic(fmt.Sprintf("index: key %q written at revision %v after revision %v", key, rev, x.last))
	}
}

// write writes key at its place in the leaf at the end of x.path.
func (x *Index) write(key []byte, rev index.Revision, l *leaf, i int, found, tombstone bool) {
	var h history.History
	if found {
		h = l.history(i, x.revs[:0])
	} else {
		h = history.First(x.revs[:0], rev, rev.Main, 1)
	}
	wasLive, wasLoose := found && h.Live(), found && isLoose(&h)
	if tombstone {
		h = h.Tombstone(rev)
	} else if found {
		h = h.Put(rev)
	}
	x.stats.Keys += 1 - btoi(found)
	x.stats.Revisions++
	// Keys that grow at the end of a leaf are likely to go on there: then it keeps them when it
	// is split, and only the new one goes into the next.
	atEnd := i == int(l.n)
	if next := l.rewrite(x, key, &h, i, found); next != nil {
		next.live = uint16(int(l.live) + btoi(h.Live()) - btoi(wasLive))
		next.loose = uint16(int(l.loose) + btoi(isLoose(&h)) - btoi(wasLoose))
		next.newest = rev.Main
		if !next.full(x.lim) {
			x.placeOne(l, next)
		} else {
			x.gather(next)
			x.place(l, x.divideLeaf(nil, x.list, atEnd))
		}
	} else { // the key breaks the form of the leaf
		x.gather(l)
		if !found {
			x.list = slices.Insert(x.list, i, entry{})
		}
		x.list[i] = entry{key: key}
		x.list[i].set(&h, 0)
		x.place(l, x.divideLeaf(nil, x.list, atEnd))
	}
	x.last = rev
	x.newest.Store(rev.Main)
}

// placeOne is place for a single leaf: all that most writes need.
func (x *Index) placeOne(old, next *leaf) {
	p := &x.path
	for d := range p.depth { // before any of the change can be seen
		if n := p.places[d].node; n.newest.Load() != next.newest {
			n.newest.Store(next.newest)
		}
	}
	at := p.places[p.depth-1]
	at.node.leaves[at.i].Store(next)
	if live := int64(next.live) - int64(old.live); live != 0 {
		for d := range p.depth {
			p.places[d].node.live.Add(live)
		}
		x.stats.Live += int(live)
	}
	x.stats.Bytes += next.sizeBytes() - old.sizeBytes()
}

// gather makes x.list the entries of l.
func (x *Index) gather(l *leaf) {
	x.list, x.text = x.list[:0], x.text[:0]
	for i := range int(l.n) {
		var e entry
		e, x.text = l.entry(i, x.text)
		x.list = append(x.list, e)
	}
}

// place puts leaves in the place of old, which is the leaf at the end of x.path, and accounts for
// what changes: the live keys here and in the nodes above, and the bytes.
func (x *Index) place(old *leaf, leaves []*leaf) {
	p := &x.path
	kids := make([]kid, len(leaves))
	var seps [][]byte
	bytes, live, newest := -old.sizeBytes(), -int64(old.live), int64(0)
	for i, l := range leaves {
		kids[i].leaf = l
		bytes += l.sizeBytes()
		live += int64(l.live)
		newest = max(newest, l.newest)
		if i > 0 {
			before := leaves[i-1]
			seps = append(seps, separator(before.key(nil, int(before.n)-1), l.key(nil, 0)))
		}
	}
	for d := range p.depth { // before any of the change can be seen
		if n := p.places[d].node; n.newest.Load() < newest {
			n.newest.Store(newest)
		}
	}
	x.stats.Bytes += bytes
	x.stats.Live += int(live)
	at := p.places[p.depth-1]
	x.replace(p, p.depth-1, kids, seps, at.i, at.i+1, live)
	x.forget()
}

// forget lets go of the replaced leaves and nodes that the scratch memory points to.
func (x *Index) forget() {
	clear(x.list[:cap(x.list)])
	x.path = path{}
}

// divideLeaf appends leaves of entries to dst, none of them full.
func (x *Index) divideLeaf(dst []*leaf, entries []entry, atEnd bool) []*leaf {
	n := len(entries)
	if n <= x.lim.leafKeys {
		if l := newLeaf(entries); !l.full(x.lim) {
			return append(dst, l)
		}
	}
	cut := n - 1
	if !atEnd {
		total, sum := 0, 0
		for i := range entries {
			total += entries[i].size(0)
		}
		for cut = 0; cut < n-1 && sum < total/2; cut++ {
			sum += entries[cut].size(0)
		}
	}
	return x.divideLeaf(x.divideLeaf(dst, entries[:cut], false), entries[cut:], false)
}

// rewrite is l with the history h at place i, or with a new key put in before it. nil if that
// cannot be done without packing the leaf anew.
func (l *leaf) rewrite(x *Index, key []byte, h *history.History, i int, found bool) *leaf {
	if l.n == 0 || !bytes.HasPrefix(key, l.data[:l.prefix]) {
		return nil
	}
	next := &leaf{block: l.block, long: l.long, base: l.base}
	if found && l.item(i)[0]&formMask == formLong { // the leaf's block stays as it is
		longer := *h // on its own, so that h stays off the heap
		next.long = append([]*history.History(nil), l.long...)
		next.long[l.longNumber(l.item(i))] = &longer
		return next
	}
	e := entry{key: key, pack: x.pack[:0]}
	e.set(h, l.base)
	long := len(l.long)
	switch e.form {
	case formShort:
		x.pack = e.pack
	case formLong:
		next.long = append(append([]*history.History(nil), l.long...), e.long)
	}
	rest := key[l.prefix:]
	head, headLen := headOf(rest)
	x.item = append(e.appendPayload(x.item[:0], byte(headLen), l.base, long), rest[headLen:]...)
	var ok bool
	if next.block, ok = l.splice(&x.data, i, found, head, x.item); !ok {
		return nil
	}
	return next
}
