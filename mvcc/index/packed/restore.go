package packed

import (
	"bytes"
	"fmt"

	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/mvcc/index/internal/history"
)

// maxMerge bounds the records that are merged into one leaf at once, and so the memory for it.
const maxMerge = 4096

// Restore implements index.Index. The records are merged into the leaves that cover them, each
// leaf being packed once for all the records of the chunk that belong to it.
func (x *Index) Restore(chunk []index.Record) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer func() { x.list, x.text, x.news, x.item = nil, nil, nil, nil }() // larger than any other write needs
	var prev []byte
	touched := 0 // of the records that chunk has left
	for len(chunk) > 0 {
		l := x.path.descend(x.root.Load(), chunk[0].Key)
		if touched <= 0 {
			touched = x.ahead(chunk)
		}
		upper := x.path.upper()
		n := 0
		for n < len(chunk) && n < maxMerge {
			key := chunk[n].Key
			if bytes.Compare(key, prev) < 0 {
				return fmt.Errorf("%w: key %q stands behind %q", index.ErrContradiction, key, prev)
			}
			if upper != nil && bytes.Compare(key, upper) >= 0 {
				break
			}
			prev = key
			n++
		}
		done, err := false, error(nil)
		if n <= 2*x.lim.leafKeys {
			done, err = x.add(l, chunk[:n])
		}
		if !done && err == nil {
			err = x.merge(l, chunk[:n])
		}
		if err != nil {
			return err
		}
		chunk = chunk[n:]
		touched -= n
	}
	return nil
}

// ahead touches leaves that the next records belong to, which are below the node at the end of x.path,
// so that the waits for their memory overlap. It returns of how many records, at least 1.
func (x *Index) ahead(records []index.Record) (n int) {
	node := x.path.places[x.path.depth-1].node
	var room [leavesAhead]*page
	some, last := room[:0], -1
	for n < len(records) && len(some) < len(room) {
		i := node.child(records[n].Key)
		if i != last {
			some, last = append(some, node.leaves[i].Load()), i
		}
		n++
		if i == int(node.n) { // or of another node
			break
		}
	}
	touchAll(some)
	return n
}

// add is merge for a few records that fit the form of the leaf: what the leaf has moves, and is not
// taken apart. Not done: nothing was changed.
func (x *Index) add(p *page, records []index.Record) (done bool, err error) {
	l := p.open()
	if l.n == 0 || l.wide || len(l.long) > 0 {
		return false, nil
	}
	next := leaf{base: l.base, newest: l.newest, live: l.live, loose: l.loose}
	last, stats := x.last, x.stats
	x.item, x.news = x.item[:0], x.news[:0]
	for len(records) > 0 {
		key := records[0].Key
		if !bytes.HasPrefix(key, l.data[:l.prefix]) {
			return false, nil
		}
		i, found := l.search(key)
		h := history.History{}
		if found {
			h = l.history(i, x.revs[:0])
		}
		had, wasLive, wasLoose := h.Len(), found && h.Live(), found && isLoose(&h)
		for len(records) > 0 && bytes.Equal(records[0].Key, key) {
			if h, err = h.Add(&records[0]); err != nil {
				return false, err
			}
			records = records[1:]
		}
		if h.Len() > maxShort {
			return false, nil
		}
		if newest := h.Newest().Revision(); newest.Compare(last) > 0 {
			last = newest
		}
		next.newest = max(next.newest, h.Newest().Main)
		next.live += uint16(btoi(h.Live()) - btoi(wasLive))
		next.loose += uint16(btoi(isLoose(&h)) - btoi(wasLoose))
		stats.Keys += btoi(!found)
		stats.Revisions += h.Len() - had
		e := entry{key: key, pack: x.pack[:0]}
		e.set(&h, l.base)
		if e.form == formShort {
			x.pack = e.pack
		}
		rest := key[l.prefix:]
		head, headLen := headOf(rest)
		x.item = append(e.appendPayload(x.item, byte(headLen), l.base, 0), rest[headLen:]...)
		x.news = append(x.news, stitch{i: i, replace: found, head: head, end: len(x.item)})
	}
	if next.block, done = l.weave(&x.data, x.news, x.item); !done {
		return false, nil
	}
	x.last, x.stats = last, stats
	x.newest.Store(x.last.Main)
	switch n := int(next.n); {
	case !next.full(x.lim):
		x.placeOne(p, next.seal(&x.data))
	case len(next.data) > x.lim.leafBytes:
		x.gather(&next, 0, n)
		x.putLeaves(p)
	default:
		var leaves []*page
		for i, parts := 0, x.parts(n); i < parts; i++ {
			leaves = append(leaves, x.part(&next, i*n/parts, (i+1)*n/parts))
		}
		x.place(p, leaves)
	}
	return true, nil
}

// merge adds records to the leaf at the end of x.path, which covers them.
func (x *Index) merge(p *page, records []index.Record) error {
	l := p.open()
	x.list, x.text = x.list[:0], x.text[:0]
	i, revisions, added := 0, 0, 0
	keep := func(end int) { // the keys of l before end
		for ; i < end; i++ {
			var e entry
			e, x.text = l.entry(i, x.text)
			x.list = append(x.list, e)
		}
	}
	for len(records) > 0 {
		key := records[0].Key
		at, found := l.search(key)
		keep(at)
		h := history.History{}
		if found {
			h = l.history(i, x.revs[:0])
			i++
		}
		had := h.Len()
		n := 0
		for ; n < len(records) && bytes.Equal(records[n].Key, key); n++ {
			var err error
			if h, err = h.Add(&records[n]); err != nil {
				return err
			}
			if records[n].Rev.Compare(x.last) > 0 {
				x.last = records[n].Rev
			}
		}
		records = records[n:]
		revisions += h.Len() - had
		added += btoi(!found)
		e := entry{key: key}
		e.set(&h, 0)
		x.list = append(x.list, e)
	}
	keep(int(l.n))
	x.stats.Keys += added
	x.stats.Revisions += revisions
	x.newest.Store(x.last.Main)
	x.putLeaves(p)
	return nil
}

// parts is how many leaves are made of n keys. If they are several they are filled to three quarters,
// which leaves room for some puts before the first split.
func (x *Index) parts(n int) int {
	if n <= x.lim.leafKeys {
		return 1
	}
	good := x.lim.leafKeys * 3 / 4
	return (n + good - 1) / good
}

// putLeaves puts leaves of x.list in the place of old at the end of x.path.
func (x *Index) putLeaves(old *page) {
	var leaves []*page
	parts := x.parts(len(x.list))
	for i := range parts {
		lo, hi := i*len(x.list)/parts, (i+1)*len(x.list)/parts
		leaves = x.divideLeaf(leaves, x.list[lo:hi], false)
	}
	x.place(old, leaves)
}
