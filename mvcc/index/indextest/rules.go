package indextest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/internal/seedtest"
	"github.com/etalon-kv/etalon/mvcc/index"
)

func testGenerations(t *testing.T, open func() index.Index) {
	x := open()
	key := []byte("foo")
	if err := x.Tombstone(key, index.Revision{Main: 2}); err != index.ErrNotFound {
		t.Fatalf("tombstone on a key that never was: %v", err)
	}
	x.Put(key, index.Revision{Main: 2})
	x.Put(key, index.Revision{Main: 4, Sub: 1})
	x.Put(key, index.Revision{Main: 4, Sub: 3})
	if err := x.Tombstone(key, index.Revision{Main: 5}); err != nil {
		t.Fatal(err)
	}
	if err := x.Tombstone(key, index.Revision{Main: 6}); err != index.ErrNotFound {
		t.Fatalf("second tombstone: %v", err)
	}
	x.Put(key, index.Revision{Main: 8, Sub: 7})
	none := index.Entry{}
	first := index.Entry{ModRev: index.Revision{Main: 2}, CreateRev: 2, Version: 1}
	third := index.Entry{ModRev: index.Revision{Main: 4, Sub: 3}, CreateRev: 2, Version: 3}
	again := index.Entry{ModRev: index.Revision{Main: 8, Sub: 7}, CreateRev: 8, Version: 1}
	for at, want := range []index.Entry{none, none, first, first, third, none, none, none, again, again} {
		if got, ok := x.Get(key, int64(at)); got != want || ok != (want != none) {
			t.Errorf("get at %d: %+v, %v, want %+v", at, got, ok, want)
		}
		n := 0
		if want != none {
			n = 1
		}
		if got := x.Count(nil, nil, int64(at)); got != n {
			t.Errorf("count at %d: %d, want %d", at, got, n)
		}
	}
	if got, ok := x.Get(key, index.Latest); got != again || !ok {
		t.Errorf("latest: %+v, %v", got, ok)
	}
	if _, ok := x.Get([]byte("fo"), index.Latest); ok {
		t.Error("a prefix of the key is found")
	}
	if _, ok := x.Get(key, -1); ok {
		t.Error("a negative revision sees something")
	}
}

// testCompactionRules compacts one history, that of the package comment of etcd's key_index.go
// and the corners beside it, at every revision.
func testCompactionRules(t *testing.T, open func() index.Index) {
	histories := []string{ // "+": put, "-": tombstone, digit before it: main revision
		"2+", "2+ 3+", "2+ 3-", "1+ 2+ 3- 4+ 5-", "1+ 2+ 3- 4+ 5- 7+ 8+", "2+ 2-", "2+ 2- 2+",
		"1+ 3- 3+ 5+", "1+ 2- 4+ 4+ 4- 6+", "9+", "1+ 1+ 1+ 9-",
	}
	for _, h := range histories {
		for at := range int64(11) {
			for again := at; again < 11; again++ {
				name := fmt.Sprintf("%s compacted at %d and %d", h, at, again)
				x, w := open(), newTwin()
				for sub, f := range strings.Fields(h) {
					main := int64(f[0] - '0')
					if f[1] == '+' {
						put(x, w, "k", main, int64(sub))
					} else {
						del(t, x, w, "k", main, int64(sub))
					}
				}
				for _, c := range []int64{at, again} {
					compact(t, x, w, c, 1)
					for read := c; read < 12; read++ {
						want, wantOK := w.get("k", read)
						if got, ok := x.Get([]byte("k"), read); ok != wantOK || got != want {
							t.Fatalf("%s: get at %d: %+v, %v, want %+v", name, read, got, ok, want)
						}
					}
				}
				checkAll(t, x, w, max(again, 1))
				put(x, w, "k", 20, 0)
				checkAll(t, x, w, 20)
			}
		}
	}
}

// edgeKeys are keys that trip over comparisons, bounds and lengths.
func edgeKeys() (keys []string) {
	keys = []string{
		"\x00", "\x00\x00", "\x00\x01", "\x01", "a", "a\x00", "a\x00\x00", "a\x00\x00\x00", "a\x00\x00\x00\x00", "a\x00\x00\x00\x01",
		"a\x01", "aa", "aaa", "aaaa", "aaaab", "aaaa\x00", "aaaaa", "aaaaaaaaa", "ab", "b", "b\xff", "b\xff\xff", "c", "\x7f", "\x80",
		"\xfe\xff", "\xff", "\xff\x00", "\xff\xff", "\xff\xff\xff\xff", "\xff\xff\xff\xff\xff",
	}
	for _, n := range []int{255, 256, 4095, 4096, 32<<10 - 1, 32 << 10} {
		keys = append(keys, strings.Repeat("l", n), strings.Repeat("l", n-1)+"m", strings.Repeat("\xff", n))
	}
	for i := range 40 { // more than a leaf of keys that are equal in all but the end
		keys = append(keys, fmt.Sprintf("%s%d", strings.Repeat("p", 2000), i))
	}
	return keys
}

func testEdgeKeys(t *testing.T, open func() index.Index) {
	r := seedtest.Rand(t)
	keys := edgeKeys()
	for range 2 {
		x, w := open(), newTwin()
		for i, at := range r.Perm(len(keys)) {
			put(x, w, keys[at], int64(i+1), 0)
		}
		checkAll(t, x, w, index.Latest)
		bounds := append([]string{"", "\x00", "\xff\xff\xff\xff\xff\xff"}, keys...)
		for _, lo := range bounds {
			checkGet(t, x, w, lo+"\x00", index.Latest)
			l, h := clip([]byte(lo))
			checkRange(t, x, w, l, h, index.Latest, 1)
			checkRange(t, x, w, l, nil, int64(len(keys)/2), 3)
			checkRange(t, x, w, nil, l, index.Latest, 3)
			checkRange(t, x, w, l, []byte(bounds[r.IntN(len(bounds))]), int64(r.IntN(len(keys)+2)), 5)
		}
		for i, at := range r.Perm(len(keys))[:len(keys)/2] {
			del(t, x, w, keys[at], int64(1000+i), 0)
		}
		compact(t, x, w, int64(1000+len(keys)), 7)
		checkAll(t, x, w, index.Latest)
	}
}

func testRangeEnds(t *testing.T, open func() index.Index) {
	x, w := open(), newTwin()
	if got := collect(x, index.Query{At: index.Latest}); got != nil || x.Count(nil, nil, index.Latest) != 0 {
		t.Fatalf("an empty index has %v", got)
	}
	if next := x.Compact(5, nil, 0, nil); next != nil {
		t.Fatalf("compaction of an empty index goes on at %q", next)
	}
	for i := range 1000 {
		put(x, w, fmt.Sprintf("key%04d", i), int64(i+1), 0)
	}
	for _, limit := range []int{-1, 0, 1, 2, 255, 256, 257, 999, 1000, 1001} {
		for _, back := range []bool{false, true} {
			want := w.scan(nil, nil, 1000)
			if back {
				slices.Reverse(want)
			}
			if limit > 0 {
				want = want[:min(limit, len(want))]
			}
			if got := collect(x, index.Query{At: 1000, Limit: limit, Back: back}); !slices.Equal(got, want) {
				t.Errorf("limit %d, back %v: %s", limit, back, firstDifference(got, want))
			}
		}
	}
	calls := 0
	n := x.Range(index.Query{At: 1000, Limit: 100}, func([]byte, index.Entry) bool { calls++; return calls < 7 })
	if n != 7 || calls != 7 {
		t.Errorf("stopped in call 7: returned %d after %d calls", n, calls)
	}
	x.Range(index.Query{At: 1000, Limit: 300}, func(k []byte, e index.Entry) bool { // visit reads
		if got, ok := x.Get(k, 1000); !ok || got != e || x.Count(k, nil, 1000) == 0 {
			t.Errorf("get %q inside a range: %+v, %v, want %+v", k, got, ok, e)
		}
		return true
	})
	for _, b := range [][2][]byte{{[]byte("key0500"), {}}, {nil, {}}, {[]byte("key0500"), []byte("key0500")}, {[]byte("x"), []byte("a")}} {
		for _, back := range []bool{false, true} {
			if got := collect(x, index.Query{Lo: b[0], Hi: b[1], At: 1000, Back: back}); got != nil {
				t.Errorf("[%q, %q) is empty, visited %d", b[0], b[1], len(got))
			}
		}
		if got := x.Count(b[0], b[1], 1000); got != 0 {
			t.Errorf("[%q, %q) is empty, counted %d", b[0], b[1], got)
		}
	}
}

func testRevisionsAscend(t *testing.T, open func() index.Index) {
	bad := []index.Revision{{Main: 5, Sub: 2}, {Main: 5, Sub: 1}, {Main: 4, Sub: 9}, {}, {Main: -1}, {Main: index.MaxMain + 1}, {Main: 6, Sub: -1}, {Main: 6, Sub: index.MaxSub + 1}}
	for _, rev := range bad {
		for _, tombstone := range []bool{false, true} {
			x := open()
			x.Put([]byte("a"), index.Revision{Main: 5, Sub: 2})
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("revision %v after 5.2, tombstone %v: no panic", rev, tombstone)
					}
				}()
				if tombstone {
					t.Logf("tombstone: %v", x.Tombstone([]byte("a"), rev))
				} else {
					x.Put([]byte("b"), rev)
				}
			}()
			x.Put([]byte("c"), index.Revision{Main: 5, Sub: 3}) // it is still usable
			if n := x.Count(nil, nil, 5); n != 2 {
				t.Errorf("after a refused revision %v: %d keys, want 2", rev, n)
			}
		}
	}
}

func testKeysAreCopied(t *testing.T, open func() index.Index) {
	x, w := open(), newTwin()
	buf := make([]byte, 8)
	for i := range 300 {
		copy(buf, fmt.Sprintf("key%05d", i*7919%300))
		put(x, w, string(buf), int64(i+1), 0) // the twin's own copy
		x.Put(buf, index.Revision{Main: int64(i + 1), Sub: 1})
		w.write(string(buf), index.Revision{Main: int64(i + 1), Sub: 1}, false)
		clear(buf)
	}
	for _, r := range [][]byte{nil, []byte("key00100")} {
		next := x.Compact(0, r, 3, nil) // drops nothing
		clear(next)
	}
	checkAll(t, x, w, index.Latest)
	records := w.records()
	index.SortRecords(records)
	y := open()
	if err := y.Restore(records); err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		clear(r.Key)
	}
	checkAll(t, y, w, index.Latest)
}
