package apply

import (
	"bytes"
	"fmt"

	"github.com/etalon-kv/etalon/mvcc"
)

// slabs are where results come from: many in one piece of memory.
type slabs struct {
	puts    slab[PutResult]
	deletes slab[DeleteRangeResult]
	txns    slab[TxnResult]
}

// slab hands out items of pieces that it makes.
type slab[T any] struct{ free []T }

// slabItems is how many results keep one another in memory.
const slabItems = 32

func (s *slab[T]) next() *T {
	if len(s.free) == 0 {
		s.free = make([]T, slabItems)
	}
	p := &s.free[0]
	s.free = s.free[1:]
	return p
}

// extent is what Key and End stand for. one: the key alone, lo. none: nothing. A nil hi has no end.
func extent(key, end []byte) (lo, hi []byte, one, none bool) {
	switch {
	case len(end) == 0:
		return key, nil, true, false
	case len(end) == 1 && end[0] == 0:
		return key, nil, false, false
	}
	return key, end, false, bytes.Compare(key, end) >= 0
}

// checkPut refuses what has passed p.Check and cannot be done now; final is an error that stops the
// machine.
func (b *batch) checkPut(p *Put) (refused, final error) {
	switch {
	case p.Lease != 0 && !b.s.leases.has(p.Lease):
		return ErrLeaseNotFound, nil
	case len(p.Key)+len(p.Value) > b.s.members.limit:
		return ErrTooLarge, nil
	case len(p.Key)+len(p.Value) > b.s.store.MaxWriteBytes():
		return nil, fmt.Errorf("%w: %d bytes, this member can store %d", ErrTooLarge, len(p.Key)+len(p.Value), b.s.store.MaxWriteBytes())
	case p.IgnoreValue || p.IgnoreLease:
		if _, ok := b.t.Entry(p.Key); !ok {
			return ErrKeyNotFound, nil
		}
	}
	return nil, nil
}

// put does one that is an entry by itself.
func (b *batch) put(p *Put) (any, error) {
	refused := b.refused(p)
	if refused == nil {
		refused = p.Check()
	}
	if refused == nil {
		var final error
		if refused, final = b.checkPut(p); final != nil {
			return nil, final
		}
	}
	if refused != nil {
		return &PutResult{Rev: b.t.Rev(), Err: refused}, nil
	}
	prev, err := b.doPut(p)
	if err != nil || !b.wanted {
		return nil, err
	}
	res := b.m.slabs.puts.next()
	res.Rev, res.PrevKV = b.t.Rev(), prev
	return res, nil
}

// doPut does what was checked, and returns what the key was if somebody wants to know.
func (b *batch) doPut(p *Put) (prev *KeyValue, err error) {
	value, lease := p.Value, p.Lease
	if p.IgnoreLease {
		lease = b.s.leases.of(p.Key)
	}
	if p.IgnoreValue || p.PrevKV && b.wanted {
		kv, ok, err := b.t.Get(p.Key, 0)
		if err != nil {
			return nil, err
		}
		if p.IgnoreValue {
			value = kv.Value
		}
		if ok && p.PrevKV {
			prev = &kv
		}
	}
	if _, err := b.t.Put(p.Key, value, int64(lease)); err != nil {
		return nil, err
	}
	b.s.leases.attach(p.Key, lease)
	return prev, nil
}

func (b *batch) deleteRange(r *DeleteRange) (any, error) {
	refused := b.refused(r)
	if refused == nil {
		refused = r.Check()
	}
	if refused != nil {
		return &DeleteRangeResult{Rev: b.t.Rev(), Err: refused}, nil
	}
	res := b.m.slabs.deletes.next()
	err := b.doDelete(r, res)
	res.Rev = b.t.Rev()
	return res, err
}

// doDelete fills res except for its Rev.
func (b *batch) doDelete(r *DeleteRange, res *DeleteRangeResult) error {
	lo, hi, one, none := extent(r.Key, r.End)
	if none {
		return nil
	}
	if r.PrevKV && b.wanted {
		if one {
			kv, ok, err := b.t.Get(lo, 0)
			if err != nil {
				return err
			}
			if ok {
				res.PrevKVs = []KeyValue{kv}
			}
		} else {
			found, err := b.t.Range(lo, hi, mvcc.RangeOptions{})
			if err != nil {
				return err
			}
			res.PrevKVs = found.KVs
		}
	}
	if one {
		ok, err := b.t.Delete(lo)
		if err != nil {
			return err
		}
		if ok {
			res.Deleted = 1
			b.s.leases.attach(lo, 0)
		}
		return nil
	}
	n, err := b.t.DeleteRange(lo, hi)
	if err != nil {
		return err
	}
	res.Deleted = n
	if len(b.s.leases.attached) > 0 {
		all := b.t.Changes()
		for _, c := range all[len(all)-int(n):] {
			b.s.leases.attach(c.Key, 0)
		}
	}
	return nil
}
