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
	item []byte // or several
	pack []byte
	data scratch // of the block that rewrite makes
	room scratch // of all others
	list []entry
	text []byte // the keys of list
	news []stitch
}

// limits are the most that nodes hold; tests make them small, for trees that are high.
type limits struct {
	// A leaf is split when it has more keys or more bytes than these (a single key may have
	// more). Every put copies a leaf: with twice as many keys, each takes a byte less and a put a
	// tenth longer.
	leafKeys, leafBytes int
	// fan is the most children of an inner node. It bounds what a split copies; ten million keys
	// are three inner levels high.
	fan int
}

// New returns an empty index.
func New() index.Index { return newIndex(limits{leafKeys: 16, leafBytes: 4096, fan: 128}) }

func newIndex(lim limits) *Index {
	lim.leafKeys = min(lim.leafKeys, maxPageKeys-1) // one more is counted before a leaf is split
	x := &Index{lim: lim}
	x.replaceRoot(nil, nil)
	return x
}

// Put implements index.Index.
func (x *Index) Put(key []byte, rev index.Revision) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.check(key, rev)
	p := x.path.descend(x.root.Load(), key)
	l := p.open()
	i, found := l.search(key)
	x.write(key, rev, spot{p, &l, i, found}, false)
}

// Tombstone implements index.Index.
func (x *Index) Tombstone(key []byte, rev index.Revision) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := x.path.descend(x.root.Load(), key)
	l := p.open()
	i, found := l.search(key)
	if !found {
		return index.ErrNotFound
	}
	if _, live := l.at(i, index.Latest); !live {
		return index.ErrNotFound
	}
	x.check(key, rev)
	x.write(key, rev, spot{p, &l, i, found}, true)
	return nil
}

// check panics unless rev may be written next.
func (x *Index) check(key []byte, rev index.Revision) {
	if !rev.Valid() || rev.Compare(x.last) <= 0 {
		panic(fmt.Sprintf("index: key %q written at revision %v after revision %v", key, rev, x.last))
	}
}

// spot is the place of a key in a leaf: that of the first key at or above it, and whether that is it.
type spot struct {
	page  *page
	leaf  *leaf
	i     int
	found bool
}

// write writes key at its place in the leaf at the end of x.path.
func (x *Index) write(key []byte, rev index.Revision, at spot, tombstone bool) {
	l, i, found := at.leaf, at.i, at.found
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
	next := leaf{
		base: l.base, newest: rev.Main, long: l.long,
		live:  uint16(int(l.live) + btoi(h.Live()) - btoi(wasLive)),
		loose: uint16(int(l.loose) + btoi(isLoose(&h)) - btoi(wasLoose)),
	}
	switch {
	case found && l.item(i)[0]&formMask == formLong:
		x.placeOne(at.page, l.lengthen(next, i, h))
	case !l.rewrite(x, &next, key, &h, i, found): // the key breaks the form of the leaf
		x.gather(l, 0, int(l.n))
		if !found {
			x.list = slices.Insert(x.list, i, entry{})
		}
		x.list[i] = entry{key: key}
		x.list[i].set(&h, 0)
		x.place(at.page, x.divideLeaf(nil, x.list, atEnd))
	case !next.full(x.lim):
		x.placeOne(at.page, next.seal(&x.data))
	default:
		x.place(at.page, x.halve(&next, atEnd))
	}
	x.last = rev
	x.newest.Store(rev.Main)
}

// placeOne is place for a single leaf: all that most writes need.
func (x *Index) placeOne(old, next *page) {
	p := &x.path
	for d := range p.depth { // before any of the change can be seen
		if n := p.places[d].node; n.newest.Load() < next.newest {
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

// gather makes x.list the entries [from, to) of l.
func (x *Index) gather(l *leaf, from, to int) {
	x.list, x.text = x.list[:0], x.text[:0]
	x.gatherMore(l, from, to)
}

// gatherMore appends the entries [from, to) of l to x.list.
func (x *Index) gatherMore(l *leaf, from, to int) {
	for i := from; i < to; i++ {
		var e entry
		e, x.text = l.entry(i, x.text)
		x.list = append(x.list, e)
	}
}

// place puts leaves in the place of old, which is the leaf at the end of x.path, and accounts for
// what changes: the live keys here and in the nodes above, and the bytes.
func (x *Index) place(old *page, leaves []*page) {
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
			left, right := leaves[i-1].open(), l.open()
			seps = append(seps, separator(left.key(nil, int(left.n)-1), right.key(nil, 0)))
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
func (x *Index) divideLeaf(dst []*page, entries []entry, atEnd bool) []*page {
	n := len(entries)
	if n <= x.lim.leafKeys {
		if l := x.newLeaf(entries); !l.full(x.lim) {
			return append(dst, l.seal(&x.room))
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

// halve makes two leaves of l, which is full and whose block is in x.data; more where two are still
// full.
func (x *Index) halve(l *leaf, atEnd bool) []*page {
	n := int(l.n)
	cut := n - 1
	if !atEnd {
		all := l.end(n - 1)
		for cut = 1; cut < n-1 && l.end(cut-1) < all/2; cut++ {
		}
	}
	if n > 1 && n <= x.lim.leafKeys+1 && len(l.data) <= x.lim.leafBytes {
		return []*page{x.part(l, 0, cut), x.part(l, cut, n)}
	}
	x.gather(l, 0, n)
	return x.divideLeaf(nil, x.list, atEnd)
}

// lengthen is next, a leaf made of l, with the block of l and the long history h at place i.
func (l *leaf) lengthen(next leaf, i int, h history.History) *page {
	next.block = l.block
	next.long = slices.Clone(l.long)
	next.long[l.longNumber(l.item(i))] = &h
	return next.sealLong()
}

// rewrite gives next, a leaf made of l, the block of l with the history h at place i, or with a new
// key put in before it, made in x.data. false if that cannot be done without packing the leaf anew.
func (l *leaf) rewrite(x *Index, next *leaf, key []byte, h *history.History, i int, found bool) (ok bool) {
	if l.n == 0 || !bytes.HasPrefix(key, l.data[:l.prefix]) {
		return false
	}
	e := entry{key: key, pack: x.pack[:0]}
	e.set(h, l.base)
	long := len(l.long)
	switch e.form {
	case formShort:
		x.pack = e.pack
	case formLong:
		next.long = append(slices.Clone(l.long), e.long)
	}
	rest := key[l.prefix:]
	head, headLen := headOf(rest)
	x.item = append(e.appendPayload(x.item[:0], byte(headLen), l.base, long), rest[headLen:]...)
	next.block, ok = l.splice(&x.data, i, found, head, x.item)
	return ok
}
