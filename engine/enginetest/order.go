package enginetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/etalon-kv/etalon/engine"
)

// orderKeys are the keys at which engines disagree if they can: prefixes of one another, zero and
// 0xff bytes, and what an LSM's space prefix or its successor might be mistaken for.
var orderKeys = []string{
	"\x00", "\x00\x00", "\x00\x01", "\x01", "\x01\x00", "\x02", "a", "a\x00", "a\x00\x00", "a\xff", "a\xff\xff",
	"aa", "ab", "b", "\x7f", "\x80", "\xfe", "\xfe\xff", "\xff", "\xff\x00", "\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff\xff",
}

func testOrder(t *testing.T, h Harness) {
	b := h.fresh(t)
	m := model{}
	w := b.NewBatch()
	for _, s := range []engine.Space{0, 1, 2, 254, 255} {
		for i := range orderKeys { // not in order
			key := orderKeys[i*5%len(orderKeys)]
			twin{w, m}.set(s, key, fmt.Sprintf("%d/%x", s, key))
		}
	}
	must(t, b.Apply(w, false))
	if len(m[0]) != len(orderKeys) {
		t.Fatalf("the test has %d keys, want %d", len(m[0]), len(orderKeys))
	}
	t.Run("all keys come in the order of their bytes, each space alone", func(t *testing.T) { m.now(t, b) })

	bounds := [][]byte{nil, {}}
	for _, key := range orderKeys {
		bounds = append(bounds, []byte(key), []byte(key+"\x00"))
	}
	view := snap(t, b)
	for _, s := range []engine.Space{0, 1, 255} {
		t.Run(fmt.Sprintf("in space %d every pair of bounds gives [lo, hi), both ways", s), func(t *testing.T) {
			for _, lo := range bounds {
				for _, hi := range bounds {
					want := m.scan(s, lo, hi)
					what := fmt.Sprintf("Scan[%x, %x nil=%v)", lo, hi, hi == nil)
					comparePairs(t, s, what, collect(t, view.Scan(s, lo, hi)), want)
					most := (len(lo)+3*len(hi))%len(orderKeys) + 1
					comparePairs(t, s, "the start of "+what, collectWalk(t, view.Scan(s, lo, hi), most, false), want[:min(most, len(want))])
					comparePairs(t, s, "one step and a walk of "+what, collectWalk(t, view.Scan(s, lo, hi), 0, true), want)
					slices.Reverse(want)
					comparePairs(t, s, "back "+what, collect(t, view.ScanBack(s, lo, hi)), want)
				}
			}
		})
	}
	t.Run("every pair of bounds deletes [lo, hi)", func(t *testing.T) { testDeleteBounds(t, b, m, bounds) })
}

// testDeleteBounds deletes each range and puts everything back, in two batches.
func testDeleteBounds(t *testing.T, b engine.Backend, full model, bounds [][]byte) {
	stride := 5 // each is two syncs on bolt: every fifth will do
	if testing.Short() {
		stride = 17
	}
	for i, lo := range bounds {
		for j, hi := range bounds {
			if (i+j)%stride != 0 {
				continue
			}
			for _, s := range []engine.Space{1, 255} {
				m := full.clone()
				w := b.NewBatch()
				twin{w, m}.deleteRange(s, lo, hi)
				must(t, b.Apply(w, false))
				view := snap(t, b)
				for _, near := range []engine.Space{s - 1, s, s + 1} {
					what := fmt.Sprintf("after DeleteRange(%d, [%x, %x nil=%v)) Scan", s, lo, hi, hi == nil)
					comparePairs(t, near, what, collect(t, view.Scan(near, nil, nil)), m.scan(near, nil, nil))
				}
				must(t, view.Close())
				w.Reset()
				for key, value := range full[s] {
					w.Set(s, []byte(key), []byte(value))
				}
				must(t, b.Apply(w, false))
			}
		}
	}
	full.now(t, b)
}
