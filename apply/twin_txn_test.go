package apply_test

import "github.com/etalon-kv/etalon/apply"

// The twin's transactions.

// refusesTxn looks, in their order, at the operations that would be done, before anything is.
func (w *twin) refusesTxn(t *apply.Txn) error {
	for _, o := range w.chosen(t) {
		var err error
		switch {
		case o.Put != nil:
			err = w.refusesPut(o.Put)
		case o.Range != nil:
			err = w.refusesRange(o.Range, true)
		case o.Txn != nil:
			err = w.refusesTxn(o.Txn)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// chosen is the branch that is taken as things are now.
func (w *twin) chosen(t *apply.Txn) []apply.Op {
	if w.compares(t) {
		return t.Success
	}
	return t.Failure
}

func (w *twin) compares(t *apply.Txn) bool {
	for i := range t.Compares {
		c := &t.Compares[i]
		kvs := find(w.now, c.Key, c.End)
		if len(kvs) == 0 && (c.Target == apply.CompareValue || !holds(c, apply.KeyValue{})) {
			return false
		}
		for _, kv := range kvs {
			if !holds(c, kv) {
				return false
			}
		}
	}
	return true
}

// decide replaces the compares of t and of all that are nested in it by what they say as things are now: an
// empty list holds, and an impossible one does not.
func (w *twin) decide(t *apply.Txn) {
	impossible := []apply.Compare{{Key: []byte("k"), Target: apply.CompareVersion, Result: apply.Less}}
	for _, ops := range [...][]apply.Op{t.Success, t.Failure} {
		for _, o := range ops {
			if o.Txn != nil {
				w.decide(o.Txn)
			}
		}
	}
	if w.compares(t) {
		t.Compares = nil
	} else {
		t.Compares = impossible
	}
}

// txn does what was decided. Its Rev stays 0.
func (w *twin) txn(t *apply.Txn) *apply.TxnResult {
	res := &apply.TxnResult{Succeeded: w.compares(t)}
	for _, o := range w.chosen(t) {
		var out apply.OpResult
		switch {
		case o.Put != nil:
			out.Put = w.put(o.Put)
		case o.Delete != nil:
			out.Delete = w.deleteRange(o.Delete)
		case o.Range != nil:
			out.Range = w.rangeOf(o.Range)
		case o.Txn != nil:
			out.Txn = w.txn(o.Txn)
		}
		res.Ops = append(res.Ops, out)
	}
	return res
}

// checkTxn is etcd's checkTxnRequest, and then its checkIntervals of both branches.
func checkTxn(t *apply.Txn, most int) error {
	if err := checkSize(t, most); err != nil {
		return err
	}
	for _, ops := range [...][]apply.Op{t.Success, t.Failure} {
		if _, _, err := written(ops); err != nil {
			return err
		}
	}
	return nil
}

func checkSize(t *apply.Txn, most int) error {
	n := max(len(t.Compares), len(t.Success), len(t.Failure))
	if n > most {
		return apply.ErrTooManyOps
	}
	for _, c := range t.Compares {
		if len(c.Key) == 0 {
			return apply.ErrEmptyKey
		}
	}
	for _, ops := range [...][]apply.Op{t.Success, t.Failure} {
		for _, o := range ops {
			var err error
			switch {
			case o.Put != nil:
				err = checkPut(o.Put)
			case o.Delete != nil:
				err = checkKey(o.Delete.Key)
			case o.Range != nil:
				err = checkKey(o.Range.Key)
			case o.Txn != nil:
				err = checkSize(o.Txn, most-n)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// written are the keys that ops put and the ranges that they delete. What nested transactions put is held
// against this level's deletions and puts, and against each other, but not the two branches of one.
func written(ops []apply.Op) (put map[string]bool, deleted []*apply.DeleteRange, err error) {
	put = map[string]bool{}
	for _, o := range ops {
		if o.Delete != nil {
			deleted = append(deleted, o.Delete)
		}
	}
	hit := func(key string) bool {
		for _, d := range deleted {
			end := string(d.End)
			if len(end) == 0 && key == string(d.Key) || string(d.Key) <= key && key < end { // "\x00" by its letters
				return true
			}
		}
		return false
	}
	for _, o := range ops {
		if o.Txn == nil {
			continue
		}
		then, thenDeleted, err := written(o.Txn.Success)
		if err != nil {
			return nil, nil, err
		}
		otherwise, otherwiseDeleted, err := written(o.Txn.Failure)
		if err != nil {
			return nil, nil, err
		}
		for key := range then {
			if put[key] || hit(key) {
				return nil, nil, apply.ErrDuplicateKey
			}
		}
		for key := range otherwise {
			if put[key] || hit(key) {
				return nil, nil, apply.ErrDuplicateKey
			}
		}
		for _, branch := range []map[string]bool{then, otherwise} {
			for key := range branch {
				put[key] = true
			}
		}
		deleted = append(append(deleted, thenDeleted...), otherwiseDeleted...)
	}
	for _, o := range ops {
		if o.Put == nil {
			continue
		}
		if key := string(o.Put.Key); put[key] || hit(key) {
			return nil, nil, apply.ErrDuplicateKey
		} else {
			put[key] = true
		}
	}
	return put, deleted, nil
}
