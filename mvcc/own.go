package mvcc

import (
	"bytes"
	"slices"
	"sort"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// ownWrite is what a transaction has made of a key so far.
type ownWrite struct {
	kv        KeyValue // its slices are the transaction's
	rev       index.Revision
	tombstone bool
	before    bool // the key existed at the revision the transaction stands on
}

func (w *ownWrite) entry() index.Entry {
	return index.Entry{ModRev: w.rev, CreateRev: w.kv.CreateRevision, Version: w.kv.Version}
}

// ownWrites are the keys that a transaction has written, in order. A sorted slice: transactions
// are short, and the long ones are deletions of a range, which come in order. nil holds nothing.
type ownWrites struct{ list []*ownWrite }

func (o *ownWrites) place(key []byte) int {
	return sort.Search(len(o.list), func(i int) bool { return bytes.Compare(o.list[i].kv.Key, key) >= 0 })
}

func (o *ownWrites) get(key []byte) *ownWrite {
	if o == nil || len(o.list) == 0 {
		return nil
	}
	if i := o.place(key); i < len(o.list) && bytes.Equal(o.list[i].kv.Key, key) {
		return o.list[i]
	}
	return nil
}

func (o *ownWrites) insert(w *ownWrite) {
	if n := len(o.list); n == 0 || bytes.Compare(o.list[n-1].kv.Key, w.kv.Key) < 0 {
		o.list = append(o.list, w)
		return
	}
	o.list = slices.Insert(o.list, o.place(w.kv.Key), w)
}

// insertAll adds ws, which are in order and whose keys are not there.
func (o *ownWrites) insertAll(ws []*ownWrite) {
	if len(ws) == 0 {
		return
	}
	if n := len(o.list); n == 0 || bytes.Compare(o.list[n-1].kv.Key, ws[0].kv.Key) < 0 {
		o.list = append(o.list, ws...)
		return
	}
	merged := make([]*ownWrite, 0, len(o.list)+len(ws))
	for _, w := range o.list {
		for len(ws) > 0 && bytes.Compare(ws[0].kv.Key, w.kv.Key) < 0 {
			merged, ws = append(merged, ws[0]), ws[1:]
		}
		merged = append(merged, w)
	}
	o.list = append(merged, ws...)
}

// between are those in [lo, hi).
func (o *ownWrites) between(lo, hi []byte) []*ownWrite {
	if o == nil || len(o.list) == 0 {
		return nil
	}
	to := len(o.list)
	if hi != nil {
		to = o.place(hi)
	}
	return o.list[min(o.place(lo), to):to]
}

// grown is how many more keys exist with ws than before.
func grown(ws []*ownWrite) (n int) {
	for _, w := range ws {
		if !w.tombstone {
			n++
		}
		if w.before {
			n--
		}
	}
	return n
}

const (
	ownSlab = 32
	// maxOwnSlabs is how many slabs are kept for the next transaction, and maxOwnList how long a list.
	maxOwnSlabs = 64
	maxOwnList  = ownSlab * maxOwnSlabs
)

// ownRoom is the memory of a transaction's writes. The next one uses it again.
type ownRoom struct {
	slabs []*[ownSlab]ownWrite
	used  int
	list  []*ownWrite // empty
}

// next returns an empty write, which is good until recycle.
func (r *ownRoom) next() *ownWrite {
	slab, i := r.used/ownSlab, r.used%ownSlab
	if slab == len(r.slabs) {
		r.slabs = append(r.slabs, new([ownSlab]ownWrite))
	}
	r.used++
	return &r.slabs[slab][i]
}

// recycle takes all writes back, and the list they were in.
func (r *ownRoom) recycle(list []*ownWrite) {
	for _, s := range r.slabs[:(r.used+ownSlab-1)/ownSlab] {
		clear(s[:])
	}
	if len(r.slabs) > maxOwnSlabs {
		clear(r.slabs[maxOwnSlabs:])
		r.slabs = r.slabs[:maxOwnSlabs]
	}
	r.used = 0
	clear(list)
	r.list = nil
	if cap(list) <= maxOwnList {
		r.list = list[:0]
	}
}
