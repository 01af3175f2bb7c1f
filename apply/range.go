package apply

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"sort"

	"github.com/etalon-kv/etalon/mvcc"
)

// checkRange refuses what readRange cannot answer at the revision now. Inside of transactions a
// negative revision is one that is compacted, unless it is -1 and nothing was ever compacted: so does
// etcd, where other ranges read the newest then.
func checkRange(r *Range, now, compacted int64) error {
	switch err := r.Check(); {
	case err != nil:
		return err
	case r.Rev > now:
		return ErrFutureRevision
	case r.Rev != 0 && r.Rev < compacted:
		return ErrCompacted
	}
	return nil
}

// readRange answers r as v sees it. res is overwritten; the memory of its KVs is used again.
func readRange(v view, r *Range, res *RangeResult) error {
	*res = RangeResult{Rev: v.Rev(), KVs: res.KVs[:0]}
	lo, hi, one, none := extent(r.Key, r.End)
	switch {
	case none:
		return nil
	case one && !r.CountOnly && !r.KeysOnly && !r.filters():
		kv, ok, err := v.Get(lo, max(r.Rev, 0))
		if ok {
			res.KVs, res.Count = append(res.KVs, kv), 1
		}
		return err
	case one:
		hi = append(append(make([]byte, 0, len(lo)+1), lo...), 0)
	}
	p := plan(r)
	found, err := v.Range(lo, hi, p.o)
	if err != nil {
		return err
	}
	res.Count, res.KVs = found.Count, found.KVs
	if r.filters() {
		res.KVs = slices.DeleteFunc(res.KVs, r.filtered)
	}
	if p.sort {
		r.sort(res.KVs)
	}
	if r.Limit > 0 && int64(len(res.KVs)) > r.Limit {
		res.KVs, res.More = res.KVs[:r.Limit], true
	}
	for i := range res.KVs {
		kv := &res.KVs[i]
		if r.KeysOnly {
			kv.Value = nil
		} else if p.late {
			if *kv, _, err = v.Get(kv.Key, p.o.Rev); err != nil {
				return err
			}
		}
	}
	return nil
}

// rangePlan is how a Range is read.
type rangePlan struct {
	o mvcc.RangeOptions
	// late: only the keys are read at first, and the records of those that are left in the end.
	late bool
	sort bool
}

// plan keeps to etcd's order of things, which clients can see: a limit applies before sorting where
// no order is asked for, so that a target without an order sorts the first keys only.
func plan(r *Range) rangePlan {
	p := rangePlan{o: mvcc.RangeOptions{
		Rev: max(r.Rev, 0), CountOnly: r.CountOnly, KeysOnly: r.KeysOnly && r.Target != SortByValue,
	}}
	back := r.Target == SortByKey && r.Order == SortDescend
	p.sort = r.Target != SortByKey
	p.o.Back = back
	if r.Order == SortNone || r.Target == SortByKey {
		if r.Limit > 0 && r.Limit < math.MaxInt64 && !r.filters() {
			p.o.Limit = r.Limit + 1
			return p
		}
	}
	p.late = (r.Limit > 0 || r.filters()) && r.Target != SortByValue && !p.o.KeysOnly && !p.o.CountOnly
	p.o.KeysOnly = p.o.KeysOnly || p.late
	return p
}

// filtered tells whether kv is to be left out.
func (r *Range) filtered(kv KeyValue) bool {
	return r.MaxMod != 0 && kv.ModRevision > r.MaxMod || r.MinMod != 0 && kv.ModRevision < r.MinMod ||
		r.MaxCreate != 0 && kv.CreateRevision > r.MaxCreate || r.MinCreate != 0 && kv.CreateRevision < r.MinCreate
}

// sort sorts by another target than the key, whose order kvs have. The sort is not stable, like that
// of etcd, and by the same function, so that keys that are equal come in the same order.
func (r *Range) sort(kvs []KeyValue) {
	less := func(i, j int) bool {
		a, b := &kvs[i], &kvs[j]
		switch r.Target {
		case SortByVersion:
			return a.Version < b.Version
		case SortByCreate:
			return a.CreateRevision < b.CreateRevision
		case SortByMod:
			return a.ModRevision < b.ModRevision
		}
		return bytes.Compare(a.Value, b.Value) < 0
	}
	by := sorter{kvs, less}
	if r.Order == SortDescend {
		sort.Sort(sort.Reverse(by))
	} else {
		sort.Sort(by)
	}
}

// sorter is a sort.Interface.
type sorter struct {
	kvs  []KeyValue
	less func(i, j int) bool
}

func (s sorter) Len() int           { return len(s.kvs) }
func (s sorter) Swap(i, j int)      { s.kvs[i], s.kvs[j] = s.kvs[j], s.kvs[i] }
func (s sorter) Less(i, j int) bool { return s.less(i, j) }

// Range answers r at the applied state, or at the older revision that r names. res is overwritten,
// and the memory of its KVs used again: a caller that keeps res for later calls must be done with
// what it answered. Alarms do not refuse reads. Errors: ErrEmptyKey, ErrSortOption,
// ErrFutureRevision, ErrCompacted; others mean that the state cannot be read.
func (m *Machine) Range(r *Range, res *RangeResult) error {
	if r.Rev < 0 {
		newest := *r
		newest.Rev = 0
		r = &newest
	}
	s, err := m.state()
	if err != nil {
		return err
	}
	defer s.release()
	if len(r.End) == 0 && !r.CountOnly && !r.KeysOnly && !r.filters() {
		return s.get(r, res)
	}
	return s.read(func(t *mvcc.ReadTxn) error {
		if err := checkRange(r, t.Rev(), s.store.Compacted()); err != nil {
			return err
		}
		return readRange(t, r, res)
	}, r.Rev == 0)
}

// read calls f with a read transaction; again if newest and a compaction has passed its revision
// meanwhile.
func (s *state) read(f func(t *mvcc.ReadTxn) error, newest bool) error {
	for {
		t, err := s.store.Read()
		if err != nil {
			return err
		}
		err = f(t)
		if err := t.Close(); err != nil {
			return err
		}
		if err == nil || !newest || !errors.Is(err, ErrCompacted) || s.store.Compacted() <= t.Rev() {
			return err
		}
	}
}

// get answers r for one key, without a transaction.
func (s *state) get(r *Range, res *RangeResult) error {
	for {
		now := s.store.Rev()
		if err := checkRange(r, now, s.store.Compacted()); err != nil {
			return err
		}
		at := r.Rev
		if at == 0 {
			at = now
		}
		kv, ok, err := s.store.Get(r.Key, at)
		if err != nil {
			if r.Rev == 0 && errors.Is(err, ErrCompacted) {
				continue
			}
			return err
		}
		*res = RangeResult{Rev: now, KVs: res.KVs[:0]}
		if ok {
			res.KVs, res.Count = append(res.KVs, kv), 1
		}
		return nil
	}
}

// Txn does a transaction that is ReadOnly, at the applied state. Errors are those of Range and
// ErrReadOnly; then there is no result.
func (m *Machine) Txn(t *Txn) (*TxnResult, error) {
	if !t.ReadOnly() {
		return nil, ErrReadOnly
	}
	s, err := m.state()
	if err != nil {
		return nil, err
	}
	defer s.release()
	var res *TxnResult
	err = s.read(func(r *mvcc.ReadTxn) error {
		path, err := choose(r, t, nil)
		if err != nil {
			return err
		}
		ops := t.branch(path[0])
		for i := range ops {
			if err := checkRange(ops[i].Range, r.Rev(), s.store.Compacted()); err != nil {
				return err
			}
		}
		res = &TxnResult{Rev: r.Rev(), Succeeded: path[0], Ops: make([]OpResult, len(ops))}
		ranges := make([]RangeResult, len(ops))
		for i := range ops {
			res.Ops[i].Range = &ranges[i]
			if err := readRange(r, ops[i].Range, &ranges[i]); err != nil {
				return err
			}
		}
		return nil
	}, true)
	if err != nil {
		return nil, err
	}
	return res, nil
}
