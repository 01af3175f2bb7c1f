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
	defer func() { x.list, x.text = nil, nil }() // larger than any other write needs
	for i := 1; i < len(chunk); i++ {
		if bytes.Compare(chunk[i].Key, chunk[i-1].Key) < 0 {
			return fmt.Errorf("%w: key %q stands behind %q", index.ErrContradiction, chunk[i].Key, chunk[i-1].Key)
		}
	}
	for len(chunk) > 0 {
		l := x.path.descend(x.root.Load(), chunk[0].Key)
		upper := x.path.upper()
		n := 0
		for n < len(chunk) && n < maxMerge && (upper == nil || bytes.Compare(chunk[n].Key, upper) < 0) {
			n++
		}
		if err := x.merge(l, chunk[:n]); err != nil {
			return err
		}
		chunk = chunk[n:]
	}
	return nil
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

// putLeaves puts leaves of x.list in the place of old at the end of x.path. If they are several
// they are filled to three quarters, which leaves room for some puts before the first split.
func (x *Index) putLeaves(old *page) {
	var leaves []*page
	parts := 1
	if len(x.list) > x.lim.leafKeys {
		good := x.lim.leafKeys * 3 / 4
		parts = (len(x.list) + good - 1) / good
	}
	for i := range parts {
		lo, hi := i*len(x.list)/parts, (i+1)*len(x.list)/parts
		leaves = x.divideLeaf(leaves, x.list[lo:hi], false)
	}
	x.place(old, leaves)
}
