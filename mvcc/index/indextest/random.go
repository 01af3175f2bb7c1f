package indextest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/etalon-kv/etalon/internal/seedtest"
	"github.com/etalon-kv/etalon/mvcc/index"
)

// pool makes n different keys of mixed forms.
func pool(r *rand.Rand, n int) []string {
	seen := map[string]bool{}
	var keys []string
	for len(keys) < n {
		var k string
		switch r.IntN(4) {
		case 0: // a tree of paths
			k = fmt.Sprintf("/registry/%c/%c/obj-%03d", 'a'+rune(r.IntN(3)), 'a'+rune(r.IntN(3)), r.IntN(1000))
		case 1: // short, of few bytes, many prefixes of each other
			b := make([]byte, 1+r.IntN(7))
			for i := range b {
				b[i] = "\x00a\xff"[r.IntN(3)]
			}
			k = string(b)
		case 2: // random, of one length
			b := make([]byte, 40)
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			k = string(b)
		default: // numbers
			k = fmt.Sprintf("n%08d", r.IntN(4*n))
		}
		if !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	return keys
}

// history writes random transactions to an index and its twin.
type history struct {
	x         index.Index
	w         *twin
	r         *rand.Rand
	keys      []string
	compacted int64
}

// txn writes one transaction of up to max writes, a third of them tombstones.
func (h *history) txn(t testing.TB, max int) {
	main := h.w.newest.Main + 1 + int64(h.r.IntN(3))/2
	for sub := range 1 + h.r.IntN(max) {
		// half of the writes go to a tenth of the keys
		k := h.keys[h.r.IntN(len(h.keys))]
		if h.r.IntN(2) == 0 {
			k = h.keys[h.r.IntN(1+len(h.keys)/10)]
		}
		if h.r.IntN(3) == 0 {
			del(t, h.x, h.w, k, main, int64(sub))
		} else {
			put(h.x, h.w, k, main, int64(sub))
		}
	}
}

// at is a revision that can be read, or one from the future.
func (h *history) at() int64 {
	return h.compacted + h.r.Int64N(h.w.newest.Main-h.compacted+2)
}

// bound is a key, something beside a key, or nil.
func (h *history) bound() []byte {
	k := []byte(h.keys[h.r.IntN(len(h.keys))])
	switch h.r.IntN(6) {
	case 0:
		return nil
	case 1:
		return append(k, 0)
	case 2:
		return k[:1+h.r.IntN(len(k))]
	default:
		return k
	}
}

func testRandom(t *testing.T, open func() index.Index) {
	r := seedtest.Rand(t)
	for round := range rounds(t, 6) {
		h := history{x: open(), w: newTwin(), r: r, keys: pool(r, 10<<(round%4*2))}
		for range 600 {
			h.txn(t, 6)
			checkGet(t, h.x, h.w, h.keys[r.IntN(len(h.keys))], h.at())
			if r.IntN(10) == 0 {
				checkRange(t, h.x, h.w, h.bound(), h.bound(), h.at(), 1+r.IntN(30))
			}
			if r.IntN(100) == 0 {
				h.compacted = h.at()
				compact(t, h.x, h.w, h.compacted, 1+r.IntN(200))
			}
			if r.IntN(200) == 0 {
				checkAll(t, h.x, h.w, h.at())
			}
		}
		for range 5 {
			checkAll(t, h.x, h.w, h.at())
		}
		checkAll(t, h.x, h.w, index.Latest)
	}
}

// testSlices leaves compactions half way, writes between their slices, and goes on with a later
// revision.
func testSlices(t *testing.T, open func() index.Index) {
	r := seedtest.Rand(t)
	h := history{x: open(), w: newTwin(), r: r, keys: pool(r, 1500)}
	for range rounds(t, 12) {
		for range 100 {
			h.txn(t, 20)
		}
		h.compacted = h.at()
		slices := r.IntN(20)
		var from []byte
		if r.IntN(3) == 0 {
			from = h.bound() // anywhere, and nothing below it
		}
		for next := compactSlice(t, h.x, h.w, h.compacted, from, 10+r.IntN(500)); next != nil && slices > 0; slices-- {
			h.txn(t, 5)
			checkRange(t, h.x, h.w, h.bound(), h.bound(), max(h.at(), h.compacted), 1+r.IntN(30))
			next = compactSlice(t, h.x, h.w, h.compacted, next, 10+r.IntN(500))
		}
	}
	checkAll(t, h.x, h.w, index.Latest)
	checkAll(t, h.x, h.w, h.compacted)
}

// testHotKey writes few keys very often, so that their histories outgrow any inline form, and
// compacts them to all lengths.
func testHotKey(t *testing.T, open func() index.Index) {
	r := seedtest.Rand(t)
	h := history{x: open(), w: newTwin(), r: r, keys: []string{"hot", "hotter", "warm"}}
	for i := range 1500 {
		h.txn(t, 3)
		if i%10 == 0 {
			checkGet(t, h.x, h.w, h.keys[r.IntN(3)], h.at())
		}
		if i%250 == 249 {
			h.compacted = h.at()
			compact(t, h.x, h.w, h.compacted, 1)
		}
	}
	for at := h.compacted; at <= h.w.newest.Main+1; at += 7 {
		for _, k := range h.keys {
			checkGet(t, h.x, h.w, k, at)
		}
		checkRange(t, h.x, h.w, nil, nil, at, 2)
	}
	checkAll(t, h.x, h.w, index.Latest)
	for back := h.w.newest.Main - h.compacted; back >= 0; back = back/2 - 1 { // down to one revision
		h.compacted = h.w.newest.Main - back
		compact(t, h.x, h.w, h.compacted, 1)
		checkAll(t, h.x, h.w, h.compacted)
		checkAll(t, h.x, h.w, index.Latest)
	}
}

func testEmptied(t *testing.T, open func() index.Index) {
	r := seedtest.Rand(t)
	x, w := open(), newTwin()
	empty := x.Stats().Bytes
	keys := pool(r, 3000)
	for round := range 3 {
		main := w.newest.Main
		for i, k := range keys {
			put(x, w, k, main+1, int64(i))
		}
		full := x.Stats().Bytes
		// All but a few go first, so that the shape of a sparse index is met on the way.
		stay := map[string]bool{}
		if round < 2 {
			for range 20 {
				stay[keys[r.IntN(len(keys))]] = true
			}
		}
		for i, k := range keys {
			if !stay[k] {
				del(t, x, w, k, main+2, int64(i))
			}
		}
		compact(t, x, w, main+2, 100)
		checkRange(t, x, w, nil, nil, main+1+1, 10)
		compact(t, x, w, main+3, 100)
		checkAll(t, x, w, main+3)
		if left := x.Stats(); left.Keys != len(stay) || left.Bytes > empty+(full-empty)/8 {
			t.Fatalf("%d keys left: %+v; it took %d bytes when empty, %d when full", len(stay), left, empty, full)
		}
		for k := range stay {
			del(t, x, w, k, main+4, w.newest.Sub+1)
		}
		compact(t, x, w, main+5, 1000)
		if left := x.Stats(); left.Keys != 0 || left.Revisions != 0 {
			t.Fatalf("nothing is left, but %+v", left)
		}
		slices.Reverse(keys)
	}
}
