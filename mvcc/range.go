package mvcc

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// found is a key of a range, before its record was fetched.
type found struct {
	key   []byte // in ranger.keys
	entry index.Entry
	own   *ownWrite // of the transaction, nil if the index has it
}

// ranger is the memory of one Range, used again by later ones. Lists are kept in the order of the
// answer; fetching goes through order, which is that of revisions.
type ranger struct {
	keys  []byte
	ends  []int
	found []found
	order []int32
	spans []span
}

// span is where a record is in the buffer of all.
type span struct{ lo, hi int }

// ranger takes one from the pool; recycle gives it back.
func (s *Store) ranger() *ranger {
	if r, ok := s.rangers.Get().(*ranger); ok {
		return r
	}
	return new(ranger)
}

func checkRange(lo, hi []byte) error {
	if hi != nil && bytes.Compare(lo, hi) >= 0 {
		return fmt.Errorf("%w: from %q to %q", ErrInvertedRange, lo, hi)
	}
	return nil
}

// rangeAt reads at o.Rev. own are the writes of a transaction that are visible to it, nil for
// none; they count at revision 0 only.
func (s *Store) rangeAt(lo, hi []byte, o RangeOptions, now int64, own *ownWrites) (RangeResult, error) {
	if err := checkRange(lo, hi); err != nil {
		return RangeResult{}, err
	}
	if o.Limit < 0 {
		return RangeResult{}, fmt.Errorf("%w: limit %d", ErrNegative, o.Limit)
	}
	if o.Rev != 0 {
		own = nil
	}
	at, err := s.resolve(o.Rev, now)
	if err != nil {
		return RangeResult{}, err
	}
	res := RangeResult{Rev: at}
	mine := own.between(lo, hi)
	if o.CountOnly {
		res.Count = int64(s.index.Count(lo, hi, at) + grown(mine))
		return res, s.readable(at)
	}
	r := s.ranger()
	defer r.recycle(s)
	limit := int(min(o.Limit, math.MaxInt32))
	more := r.collect(s.index, index.Query{Lo: lo, Hi: hi, At: at, Limit: limit, Back: o.Back}, mine)
	res.Count = int64(len(r.found))
	if more {
		res.Count = int64(s.index.Count(lo, hi, at) + grown(mine))
	}
	if err := s.readable(at); err != nil {
		return RangeResult{}, err
	}
	if len(r.found) == 0 {
		return res, nil
	}
	if o.KeysOnly {
		res.KVs = r.keysOnly()
		return res, nil
	}
	res.KVs, err = r.fetch(s, at)
	if err != nil {
		return RangeResult{}, err
	}
	return res, nil
}

// collect fills r.found with the keys of q and of mine. It tells whether there may be more than
// the limit.
func (r *ranger) collect(x index.Index, q index.Query, mine []*ownWrite) (more bool) {
	limit := q.Limit
	if limit > 0 && len(mine) > 0 {
		q.Limit = min(limit+len(mine), math.MaxInt32) // as many may be deleted
	}
	x.Range(q, func(key []byte, e index.Entry) bool {
		r.keys = append(r.keys, key...)
		r.ends = append(r.ends, len(r.keys))
		r.found = append(r.found, found{entry: e})
		return true
	})
	at := 0
	for i, end := range r.ends { // now that the buffer grows no more
		r.found[i].key = r.keys[at:end:end]
		at = end
	}
	more = q.Limit > 0 && len(r.found) >= q.Limit
	if len(mine) > 0 {
		r.merge(mine, q.Back)
	}
	if limit > 0 && len(r.found) > limit {
		clear(r.found[limit:])
		r.found, more = r.found[:limit], true
	}
	return more
}

// merge puts mine in the place of what the index has of the same keys, and leaves out what they
// delete.
func (r *ranger) merge(mine []*ownWrite, back bool) {
	old := slices.Clone(r.found)
	r.found = r.found[:0]
	next := func() *ownWrite {
		if back {
			return mine[len(mine)-1]
		}
		return mine[0]
	}
	drop := func() {
		if w := next(); !w.tombstone {
			r.found = append(r.found, found{key: w.kv.Key, entry: w.entry(), own: w})
		}
		if back {
			mine = mine[:len(mine)-1]
		} else {
			mine = mine[1:]
		}
	}
	for _, f := range old {
		for len(mine) > 0 {
			c := bytes.Compare(next().kv.Key, f.key)
			if back {
				c = -c
			}
			if c > 0 {
				break
			}
			drop()
			if c == 0 {
				f.key = nil
				break
			}
		}
		if f.key != nil {
			r.found = append(r.found, f)
		}
	}
	for len(mine) > 0 {
		drop()
	}
}

// keysOnly is the answer without values.
func (r *ranger) keysOnly() []KeyValue {
	size := 0
	for i := range r.found {
		size += len(r.found[i].key)
	}
	room := make([]byte, 0, size)
	kvs := make([]KeyValue, len(r.found))
	for i := range r.found {
		f := &r.found[i]
		at := len(room)
		room = append(room, f.key...)
		kvs[i] = KeyValue{
			Key: room[at:len(room):len(room)], CreateRevision: f.entry.CreateRev,
			ModRevision: f.entry.ModRev.Main, Version: f.entry.Version,
		}
	}
	return kvs
}

// fetch is the answer with the records, which it reads in the order of their revisions: that is
// the order in which they stand in the engine.
func (r *ranger) fetch(s *Store, at int64) ([]KeyValue, error) {
	kvs := make([]KeyValue, len(r.found))
	r.order, r.spans = r.order[:0], slices.Grow(r.spans[:0], len(kvs))[:len(kvs)]
	newest := int64(0)
	for i := range r.found {
		if w := r.found[i].own; w != nil {
			kvs[i] = w.kv
			kvs[i].Key, kvs[i].Value = bytes.Clone(w.kv.Key), bytes.Clone(w.kv.Value)
			continue
		}
		newest = max(newest, r.found[i].entry.ModRev.Main)
		r.order = append(r.order, int32(i))
	}
	if len(r.order) == 0 {
		return kvs, nil
	}
	slices.SortFunc(r.order, func(a, b int32) int {
		x, y := r.found[a].entry.ModRev, r.found[b].entry.ModRev
		if c := cmp.Compare(x.Main, y.Main); c != 0 {
			return c
		}
		return cmp.Compare(x.Sub, y.Sub)
	})
	buf, err := r.read(s, newest, at)
	if err != nil {
		return nil, err
	}
	for _, i := range r.order {
		f, sp := &r.found[i], r.spans[i]
		if kvs[i], err = check(f.key, f.entry, buf[sp.lo:sp.hi:sp.hi]); err != nil {
			return nil, err
		}
	}
	return kvs, nil
}

// read puts the records of r.order one behind the other.
func (r *ranger) read(s *Store, newest, at int64) ([]byte, error) {
	v, err := s.acquire(newest)
	if err != nil {
		return nil, err
	}
	defer s.views.release(v)
	var room [revKeyBytes]byte
	var buf []byte
	for n, i := range r.order {
		rev := r.found[i].entry.ModRev
		lo := len(buf)
		if buf, err = v.snap.Get(buf, spaceRecords, appendRevKey(room[:0], rev)); err != nil {
			return nil, s.missing(r.found[i].key, rev, at, err)
		}
		r.spans[i] = span{lo, len(buf)}
		if n == 0 { // the others may be as long as the first
			buf = slices.Grow(buf, (len(r.order)-1)*len(buf)*17/16)
		}
	}
	return buf, nil
}

// maxKept is the largest buffer of keys that is kept for later.
const maxKept = 1 << 20

func (r *ranger) recycle(s *Store) {
	if cap(r.keys) > maxKept {
		return
	}
	clear(r.found)
	r.keys, r.ends, r.found, r.order, r.spans = r.keys[:0], r.ends[:0], r.found[:0], r.order[:0], r.spans[:0]
	s.rangers.Put(r)
}
