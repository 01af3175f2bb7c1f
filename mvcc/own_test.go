package mvcc

import (
	"slices"
	"testing"
)

// TestOwnRoom fills one transaction's room after the other.
func TestOwnRoom(t *testing.T) {
	var r ownRoom
	for _, n := range []int{1, ownSlab, ownSlab + 1, maxOwnList, maxOwnList + 1, 3 * maxOwnList, 0, 5} {
		list := r.list
		if len(list) > 0 {
			t.Fatalf("%d writes: the list has %d before the first", n, len(list))
		}
		for i := range n {
			w := r.next()
			if w.kv.Key != nil || w.before || w.tombstone {
				t.Fatalf("write %d of %d is not empty: %+v", i, n, w)
			}
			w.kv.Key, w.before, w.tombstone = []byte{byte(i), byte(i >> 8)}, true, true
			list = append(list, w)
		}
		for i, w := range list { // where they were put, though more came
			if !slices.Equal(w.kv.Key, []byte{byte(i), byte(i >> 8)}) {
				t.Fatalf("write %d of %d has key %x", i, n, w.kv.Key)
			}
		}
		r.recycle(list)
		if len(r.slabs) > maxOwnSlabs || cap(r.list) > maxOwnList {
			t.Fatalf("after %d writes %d slabs and a list of %d are kept", n, len(r.slabs), cap(r.list))
		}
	}
}
