package indextest

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/internal/seedtest"
	"github.com/etalon-kv/etalon/mvcc/index"
)

// testRestore rebuilds indexes at moments of a random history, in random chunks, from what an
// engine would hold then, and lets the history go on with the rebuilt one.
func testRestore(t *testing.T, open func() index.Index) {
	r := seedtest.Rand(t)
	for range rounds(t, 4) {
		h := history{x: open(), w: newTwin(), r: r, keys: pool(r, 50<<(2*r.IntN(3)))}
		for range 4 {
			for range 150 {
				h.txn(t, 8)
			}
			if r.IntN(3) > 0 {
				h.compacted = h.at()
				compact(t, h.x, h.w, h.compacted, 1+r.IntN(100))
			}
			h.x = open()
			for rest := h.w.records(); len(rest) > 0; {
				n := 1 + r.IntN(len(rest))
				chunk := rest[:n]
				rest = rest[n:]
				index.SortRecords(chunk)
				if err := h.x.Restore(chunk); err != nil {
					t.Fatal(err)
				}
			}
			checkAll(t, h.x, h.w, index.Latest)
			for range 3 {
				checkAll(t, h.x, h.w, max(h.at(), h.compacted))
			}
			for range 20 {
				checkRange(t, h.x, h.w, h.bound(), h.bound(), max(h.at(), h.compacted), 1+r.IntN(30))
			}
		}
	}
}

func testContradictions(t *testing.T, open func() index.Index) {
	put := func(key string, main, create, version int64) index.Record {
		return index.Record{Key: []byte(key), Rev: index.Revision{Main: main}, CreateRev: create, Version: version}
	}
	dead := func(key string, main int64) index.Record {
		return index.Record{Key: []byte(key), Rev: index.Revision{Main: main}, Tombstone: true}
	}
	cases := []struct {
		rule   string
		chunks [][]index.Record
	}{
		{"a revision twice", [][]index.Record{{put("key", 5, 5, 1), put("key", 5, 5, 2)}}},
		{"an older one in a later chunk", [][]index.Record{{put("key", 5, 5, 1)}, {put("key", 4, 4, 1)}}},
		{"keys out of order", [][]index.Record{{put("b", 5, 5, 1), put("a", 6, 6, 1)}}},
		{"a version left out", [][]index.Record{{put("key", 5, 5, 1), put("key", 7, 5, 3)}}},
		{"a version left out between chunks", [][]index.Record{{put("a", 1, 1, 1), put("key", 5, 5, 1)}, {put("key", 7, 5, 3)}}},
		{"another create revision", [][]index.Record{{put("key", 5, 5, 1), put("key", 7, 6, 2)}}},
		{"version 1 of an older creation", [][]index.Record{{put("key", 5, 4, 1)}}},
		{"created in its future", [][]index.Record{{put("key", 5, 6, 2)}}},
		{"version 0", [][]index.Record{{put("key", 5, 5, 0)}}},
		{"two tombstones", [][]index.Record{{dead("key", 5), dead("key", 6)}}},
		{"a generation that goes on after its tombstone", [][]index.Record{{put("key", 5, 5, 1), dead("key", 6), put("key", 7, 5, 2)}}},
		{"revision 0", [][]index.Record{{put("key", 0, 0, 1)}}},
		{"a tombstone at revision 0", [][]index.Record{{dead("key", 0)}}},
		{"a main revision too large", [][]index.Record{{put("key", index.MaxMain+1, index.MaxMain+1, 1)}}},
		{"a sub-revision too large", [][]index.Record{{{Key: []byte("key"), Rev: index.Revision{Main: 5, Sub: index.MaxSub + 1}, Tombstone: true}}}},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			x := open()
			var err error
			for _, chunk := range c.chunks {
				if err = x.Restore(chunk); err != nil {
					break
				}
			}
			if !errors.Is(err, index.ErrContradiction) || !strings.Contains(err.Error(), `key "`) {
				t.Fatalf("restored with error %v", err)
			}
		})
	}
	t.Run("what compaction leaves is none", func(t *testing.T) {
		x := open()
		err := x.Restore([]index.Record{put("a", 9, 3, 4), put("a", 10, 3, 5), dead("a", 11), put("a", 12, 12, 1), dead("b", 5), put("b", 6, 6, 1), dead("c", 7)})
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := x.Get([]byte("a"), 10); !ok || e.Version != 5 || e.CreateRev != 3 {
			t.Errorf("a at 10: %+v", e)
		}
		if got, want := x.Stats(), (index.Stats{Keys: 3, Live: 2, Revisions: 7}); got.Keys != want.Keys || got.Live != want.Live || got.Revisions != want.Revisions {
			t.Errorf("stats %+v, want %+v", got, want)
		}
		if err := x.Tombstone([]byte("c"), index.Revision{Main: 13}); err != index.ErrNotFound {
			t.Errorf("tombstone on a tombstone: %v", err)
		}
	})
}

// testBytes compares Stats.Bytes with the growth of the heap, for keys of several forms, written
// and restored, with short and with long histories.
func testBytes(t *testing.T, open func() index.Index) {
	const n = 12_000
	build := map[string]func(x index.Index){
		"random keys": func(x index.Index) { RandomKeys(n).putAll(x) },
		"path keys":   func(x index.Index) { PathKeys(n).putAll(x) },
		"restored": func(x index.Index) {
			if err := x.Restore(PathKeys(n).records()); err != nil {
				t.Error(err)
			}
		},
		"20 revisions a key": func(x index.Index) {
			keys := PathKeys(n / 10)
			for i := range 20 * keys.Len() {
				x.Put(keys.Key(i%keys.Len()), index.Revision{Main: int64(i + 1)})
			}
		},
		"half compacted away": func(x index.Index) {
			keys := PathKeys(n)
			keys.putAll(x)
			for i := range n / 2 {
				if err := x.Tombstone(keys.Key(i), index.Revision{Main: n + 1, Sub: int64(i)}); err != nil {
					t.Error(err)
				}
			}
			for next := x.Compact(n+2, nil, 1000, nil); next != nil; {
				next = x.Compact(n+2, next, 1000, nil)
			}
		},
	}
	for name, fill := range build {
		t.Run(name, func(t *testing.T) {
			fill(open()) // what is only paid once
			before := heapBytes()
			x := open()
			fill(x)
			grown := float64(heapBytes() - before)
			told := float64(x.Stats().Bytes)
			if told < grown*7/8 || told > grown*9/8 {
				t.Errorf("says %.0f bytes, the heap has grown by %.0f", told, grown)
			}
			runtime.KeepAlive(x)
		})
	}
}

func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
