package mvcc

import (
	"bytes"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/etalon-kv/etalon/engine"
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
	keys   []byte
	ends   []int
	found  []found
	order  []placed
	packed []uint64      // see sort
	room   []byte        // the memory of revs
	revs   [][]byte      // the revision keys of order
	spans  []engine.Span // where their records stand in the buffer of all
	all    []byte        // that buffer, before it is copied for the caller
}

// ranger takes one from the pool; recycle gives it back.
func (s *Store) ranger() *ranger {
	if r, ok := s.rangers.Get().(*ranger); ok {
		return r
	}
	return new(ranger)
}

// placed is the revision of a key that is to be fetched, and its place in the answer.
type placed struct {
	rev index.Revision
	i   int
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
	r.order = r.order[:0]
	newest := int64(0)
	for i := range r.found {
		if w := r.found[i].own; w != nil {
			kvs[i] = w.kv
			kvs[i].Key, kvs[i].Value = bytes.Clone(w.kv.Key), bytes.Clone(w.kv.Value)
			continue
		}
		newest = max(newest, r.found[i].entry.ModRev.Main)
		r.order = append(r.order, placed{r.found[i].entry.ModRev, i})
	}
	if len(r.order) == 0 {
		return kvs, nil
	}
	r.sort(newest)
	buf, err := r.read(s, newest, at)
	if err != nil {
		return nil, err
	}
	for n, o := range r.order {
		f, at := &r.found[o.i], r.spans[n]
		if kvs[o.i], err = check(f.key, f.entry, r.revs[n], buf[at.From:at.To:at.To]); err != nil {
			return nil, err
		}
	}
	return kvs, nil
}

// sort puts r.order, whose newest revision is given, in the order of revisions. Where a transaction
// wrote one key, as most do, main revision and place make one number, which is sorted in a third of
// the time.
func (r *ranger) sort(newest int64) {
	placeBits := bits.Len(uint(len(r.found)))
	if bits.Len64(uint64(newest))+placeBits > 64 {
		placeBits = 64
	}
	r.packed = slices.Grow(r.packed[:0], len(r.order))
	for _, o := range r.order {
		if o.rev.Sub != 0 || placeBits == 64 {
			slices.SortFunc(r.order, func(a, b placed) int { return a.rev.Compare(b.rev) })
			return
		}
		r.packed = append(r.packed, uint64(o.rev.Main)<<placeBits|uint64(o.i))
	}
	slices.Sort(r.packed)
	for n, p := range r.packed {
		r.order[n] = placed{index.Revision{Main: int64(p >> placeBits)}, int(p & (1<<placeBits - 1))}
	}
}

// read puts the records of r.order one behind the other: in memory that is used again, and then in
// one go in new memory, which would be cleared, and copied, as often as it grows.
func (r *ranger) read(s *Store, newest, at int64) ([]byte, error) {
	v, err := s.acquire(newest)
	if err != nil {
		return nil, err
	}
	defer s.views.release(v)
	n := len(r.order)
	r.room, r.revs = slices.Grow(r.room[:0], n*revKeyBytes), slices.Grow(r.revs[:0], n)
	for _, o := range r.order {
		from := len(r.room)
		r.room = appendRevKey(r.room, o.rev)
		r.revs = append(r.revs, r.room[from:len(r.room):len(r.room)])
	}
	r.spans = slices.Grow(r.spans[:0], n)[:n]
	buf, err := engine.GetMany(v.snap, r.all[:0], spaceRecords, r.revs, r.spans)
	for k, o := range r.order {
		// After an error, which record it was is asked one by one.
		cause := err
		if err != nil {
			_, cause = v.snap.Get(nil, spaceRecords, r.revs[k])
		} else if !r.spans[k].Found() {
			cause = engine.ErrNotFound
		}
		if cause != nil {
			return nil, s.missing(r.found[o.i].key, o.rev, at, cause)
		}
	}
	if cap(buf) > maxKept {
		return buf, nil
	}
	r.all = buf
	return bytes.Clone(buf), nil
}

// maxKept is the largest buffer of keys, and of records, that is kept for later.
const maxKept = 1 << 20

func (r *ranger) recycle(s *Store) {
	if cap(r.keys) > maxKept {
		return
	}
	clear(r.found)
	r.keys, r.ends, r.found = r.keys[:0], r.ends[:0], r.found[:0]
	s.rangers.Put(r)
}
