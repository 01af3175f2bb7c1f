package apply

import (
	"bytes"
	"cmp"

	"github.com/etalon-kv/etalon/mvcc"
)

// view is what compares and ranges read: a write transaction with its own writes, or a read
// transaction.
type view interface {
	Rev() int64
	Get(key []byte, at int64) (KeyValue, bool, error)
	Range(lo, hi []byte, o mvcc.RangeOptions) (mvcc.RangeResult, error)
}

// choose appends to path, for t and the nested ones of the branch it takes, in their order, whether
// their compares hold.
func choose(v view, t *Txn, path []bool) ([]bool, error) {
	holds := true
	for i := range t.Compares {
		ok, err := compare(v, &t.Compares[i])
		if err != nil {
			return nil, err
		}
		if !ok {
			holds = false
			break
		}
	}
	path = append(path, holds)
	for _, o := range t.branch(holds) {
		if o.Txn == nil {
			continue
		}
		var err error
		if path, err = choose(v, o.Txn, path); err != nil {
			return nil, err
		}
	}
	return path, nil
}

func (t *Txn) branch(holds bool) []Op {
	if holds {
		return t.Success
	}
	return t.Failure
}

// compare tells whether c holds for all keys of its range.
func compare(v view, c *Compare) (bool, error) {
	lo, hi, one, none := extent(c.Key, c.End)
	if one {
		kv, ok, err := look(v, c)
		if err != nil {
			return false, err
		}
		return (ok || c.Target != CompareValue) && c.holds(&kv), nil
	}
	var found mvcc.RangeResult
	var err error
	if !none {
		keysOnly := c.Target != CompareValue && c.Target != CompareLease
		if found, err = v.Range(lo, hi, mvcc.RangeOptions{KeysOnly: keysOnly}); err != nil {
			return false, err
		}
	}
	if len(found.KVs) == 0 {
		return c.Target != CompareValue && c.holds(&KeyValue{}), nil
	}
	for i := range found.KVs {
		if !c.holds(&found.KVs[i]) {
			return false, nil
		}
	}
	return true, nil
}

// look reads what c needs of its one key: revisions and version are known without the record.
func look(v view, c *Compare) (KeyValue, bool, error) {
	t, ok := v.(*mvcc.Txn)
	if !ok || c.Target == CompareValue || c.Target == CompareLease {
		return v.Get(c.Key, 0)
	}
	e, ok := t.Entry(c.Key)
	if !ok {
		return KeyValue{}, false, nil
	}
	return KeyValue{CreateRevision: e.CreateRev, ModRevision: e.ModRev.Main, Version: e.Version}, true, nil
}

func (c *Compare) holds(kv *KeyValue) bool {
	var order int
	switch c.Target {
	case CompareVersion:
		order = cmp.Compare(kv.Version, c.Number)
	case CompareCreate:
		order = cmp.Compare(kv.CreateRevision, c.Number)
	case CompareMod:
		order = cmp.Compare(kv.ModRevision, c.Number)
	case CompareLease:
		order = cmp.Compare(kv.Lease, c.Number)
	case CompareValue:
		order = bytes.Compare(kv.Value, c.Value)
	}
	switch c.Result {
	case Equal:
		return order == 0
	case Greater:
		return order > 0
	case Less:
		return order < 0
	}
	return order != 0
}

// txn does one that is an entry: all that can refuse it is checked before its first write.
func (b *batch) txn(t *Txn) (any, error) {
	refused := b.refused(t)
	if refused == nil {
		refused = t.Check(MaxTxnOps)
	}
	var final error
	if refused == nil {
		if b.m.path, final = choose(b.t, t, b.m.path[:0]); final != nil {
			return nil, final
		}
		var reads bool
		if _, reads, refused, final = b.checkTxn(t, b.m.path); final != nil {
			return nil, final
		}
		if refused == nil && reads && b.wanted {
			final = b.reopen() // a Range reads a revision that this batch has written
		}
		if final != nil {
			return nil, final
		}
	}
	if refused != nil {
		return &TxnResult{Rev: b.t.Rev(), Err: refused}, nil
	}
	res := b.m.slabs.txns.next()
	_, err := b.doTxn(t, b.m.path, res)
	res.Rev = b.t.Rev()
	return res, err
}

// checkTxn checks the branches that path takes. rest is the path behind t; reads tells whether a
// Range needs a revision that is not committed yet.
func (b *batch) checkTxn(t *Txn, path []bool) (rest []bool, reads bool, refused, final error) {
	ops := t.branch(path[0])
	rest = path[1:]
	for i := range ops {
		switch o := &ops[i]; {
		case o.Put != nil:
			refused, final = b.checkPut(o.Put)
		case o.Range != nil:
			refused = checkRange(o.Range, b.t.Rev(), b.s.store.Compacted())
			reads = reads || o.Range.Rev > b.s.store.Rev()
		case o.Txn != nil:
			var more bool
			rest, more, refused, final = b.checkTxn(o.Txn, rest)
			reads = reads || more
		}
		if refused != nil || final != nil {
			return nil, false, refused, final
		}
	}
	return rest, reads, nil, nil
}

// doTxn does the branches that path takes and fills res, except for its Rev.
func (b *batch) doTxn(t *Txn, path []bool, res *TxnResult) (rest []bool, err error) {
	ops := t.branch(path[0])
	res.Succeeded = path[0]
	rest = path[1:]
	if b.wanted {
		res.Ops = make([]OpResult, len(ops))
	}
	for i := range ops {
		var out OpResult
		switch o := &ops[i]; {
		case o.Put != nil:
			out.Put = b.m.slabs.puts.next()
			out.Put.PrevKV, err = b.doPut(o.Put)
			out.Put.Rev = b.t.Rev()
		case o.Delete != nil:
			out.Delete = b.m.slabs.deletes.next()
			err = b.doDelete(o.Delete, out.Delete)
			out.Delete.Rev = b.t.Rev()
		case o.Range != nil && b.wanted:
			out.Range = new(RangeResult)
			err = readRange(b.t, o.Range, out.Range)
		case o.Txn != nil:
			out.Txn = b.m.slabs.txns.next()
			rest, err = b.doTxn(o.Txn, rest, out.Txn)
		}
		if err != nil {
			return nil, err
		}
		if b.wanted {
			res.Ops[i] = out
		}
	}
	return rest, nil
}
