package apply

import "github.com/tidwall/btree" // a sorted map, for the ranges that a large transaction deletes

// writes are the keys that some operations put and the ranges that they delete. Ranges are
// disjoint, from a key to an end, "" being the end of all keys.
type writes struct {
	puts map[string]struct{}
	dels btree.Map[string, string]
}

// few is the number of operations up to which comparing each with each is cheapest.
const few = 8

// checkOverlaps tells whether no key is put twice, or put and deleted, by ops: that is what etcd
// refuses. As there, the branches of a nested transaction may put the same key, deletions may
// overlap, and what a nested transaction deletes is not held against those before it.
func checkOverlaps(ops []Op) bool {
	writing, nested := 0, false
	for i := range ops {
		nested = nested || ops[i].Txn != nil
		if ops[i].Put != nil || ops[i].Delete != nil {
			writing++
		}
	}
	switch {
	case nested || writing > few:
		_, ok := collectWrites(ops)
		return ok
	case writing > 1:
		return checkFew(ops)
	}
	return true
}

func checkFew(ops []Op) bool {
	for i := range ops {
		p := ops[i].Put
		if p == nil {
			continue
		}
		for j := range ops {
			switch o := &ops[j]; {
			case o.Put != nil && j < i && string(o.Put.Key) == string(p.Key):
				return false
			case o.Delete != nil && deletes(o.Delete, p.Key):
				return false
			}
		}
	}
	return true
}

// deletes tells whether key lies in d. An end of one zero byte, which stands for all keys that
// follow, is taken by its letters here, as etcd does.
func deletes(d *DeleteRange, key []byte) bool {
	if len(d.End) == 0 {
		return string(d.Key) == string(key)
	}
	return string(d.Key) <= string(key) && string(key) < string(d.End)
}

func collectWrites(ops []Op) (w *writes, ok bool) {
	w = &writes{puts: make(map[string]struct{})}
	for i := range ops {
		if d := ops[i].Delete; d != nil && len(d.End) == 0 {
			w.delete(string(d.Key), string(d.Key)+"\x00")
		} else if d != nil {
			w.delete(string(d.Key), string(d.End))
		}
	}
	for i := range ops {
		if t := ops[i].Txn; t != nil && !w.addTxn(t) {
			return w, false
		}
	}
	for i := range ops {
		if p := ops[i].Put; p != nil && !w.put(string(p.Key), nil) {
			return w, false
		}
	}
	return w, true
}

func (w *writes) addTxn(t *Txn) bool {
	then, ok := collectWrites(t.Success)
	if !ok {
		return false
	}
	otherwise, ok := collectWrites(t.Failure)
	if !ok {
		return false
	}
	for key := range then.puts {
		if !w.put(key, nil) {
			return false
		}
	}
	for key := range otherwise.puts {
		if !w.put(key, then.puts) {
			return false
		}
	}
	for _, branch := range [...]*writes{then, otherwise} {
		branch.dels.Scan(func(lo, hi string) bool {
			w.delete(lo, hi)
			return true
		})
	}
	return true
}

// put adds a key; false if it was written before, other than by a put of the same key in except.
func (w *writes) put(key string, except map[string]struct{}) bool {
	if _, twice := w.puts[key]; twice {
		if _, safe := except[key]; !safe {
			return false
		}
	}
	deleted := false
	w.dels.Descend(key, func(_, hi string) bool {
		deleted = key < hi
		return false
	})
	w.puts[key] = struct{}{}
	return !deleted
}

// delete adds the keys of [lo, hi), joined with the ranges that it touches.
func (w *writes) delete(lo, hi string) {
	if lo >= hi {
		return
	}
	w.dels.Descend(lo, func(l, h string) bool {
		if h >= lo {
			lo, hi = l, max(h, hi)
		}
		return false
	})
	var inside []string
	w.dels.Ascend(lo, func(l, h string) bool {
		if l > hi {
			return false
		}
		inside, hi = append(inside, l), max(h, hi)
		return true
	})
	for _, l := range inside {
		w.dels.Delete(l)
	}
	w.dels.Set(lo, hi)
}
