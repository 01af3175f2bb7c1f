package indextest

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// Run puts indexes that open makes, each new and empty, through the whole suite.
func Run(t *testing.T, open func() index.Index) {
	cases := []struct {
		rule string
		run  func(*testing.T, func() index.Index)
	}{
		{"a key has generations, versions and a past", testGenerations},
		{"compaction keeps what a read can see and a tombstone at its revision", testCompactionRules},
		{"bounds, prefixes and long keys are ordered by their bytes", testEdgeKeys},
		{"a limit cuts, false stops, and backwards is the reverse", testRangeEnds},
		{"a revision that does not ascend is refused", testRevisionsAscend},
		{"keys belong to the caller again", testKeysAreCopied},
		{"random histories equal those of a dumb twin", testRandom},
		{"compaction in slices drops each revision once", testSlices},
		{"restore builds what writing built", testRestore},
		{"restore refuses records that contradict each other", testContradictions},
		{"readers beside writer and compaction see their revision", testConcurrent},
		{"a history of thousands of revisions stays exact", testHotKey},
		{"what is deleted and compacted gives its memory back", testEmptied},
		{"the memory it claims is the memory it takes", testBytes},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) { c.run(t, open) })
	}
}

// rounds is n, times ETALON_ROUNDS.
func rounds(t testing.TB, n int) int {
	s := os.Getenv("ETALON_ROUNDS")
	if s == "" {
		return n
	}
	f, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("ETALON_ROUNDS %q is no number", s)
	}
	return n * f
}

// collect is what a range visits.
func collect(x index.Reader, q index.Query) (out []found) {
	n := x.Range(q, func(k []byte, e index.Entry) bool {
		out = append(out, found{string(k), e})
		return true
	})
	if n != len(out) {
		out = append(out, found{key: fmt.Sprintf("Range returned %d after %d calls", n, len(out))})
	}
	return out
}

// checkRange compares one range with its twin: forwards, backwards, limited and counted.
func checkRange(t testing.TB, x index.Reader, w *twin, lo, hi []byte, at int64, limit int) {
	t.Helper()
	want := w.scan(lo, hi, at)
	name := fmt.Sprintf("[%.60q, %.60q) nil %v at %d", lo, hi, hi == nil, at)
	if got := collect(x, index.Query{Lo: lo, Hi: hi, At: at}); !slices.Equal(got, want) {
		t.Fatalf("range %s: %s", name, firstDifference(got, want))
	}
	if got := x.Count(lo, hi, at); got != len(want) {
		t.Fatalf("count of %s is %d, want %d", name, got, len(want))
	}
	cut := min(limit, len(want))
	if got := collect(x, index.Query{Lo: lo, Hi: hi, At: at, Limit: limit}); !slices.Equal(got, want[:cut]) {
		t.Fatalf("range %s, limit %d: %s", name, limit, firstDifference(got, want[:cut]))
	}
	slices.Reverse(want)
	if got := collect(x, index.Query{Lo: lo, Hi: hi, At: at, Back: true}); !slices.Equal(got, want) {
		t.Fatalf("range back %s: %s", name, firstDifference(got, want))
	}
	if got := collect(x, index.Query{Lo: lo, Hi: hi, At: at, Back: true, Limit: limit}); !slices.Equal(got, want[:cut]) {
		t.Fatalf("range back %s, limit %d: %s", name, limit, firstDifference(got, want[:cut]))
	}
}

func firstDifference(got, want []found) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("at place %d got %.80q %+v, want %.80q %+v", i, got[i].key, got[i].entry, want[i].key, want[i].entry)
		}
	}
	return fmt.Sprintf("got %d keys, want %d", len(got), len(want))
}

// checkGet compares a key's entry with its twin.
func checkGet(t testing.TB, x index.Reader, w *twin, key string, at int64) {
	t.Helper()
	want, wantOK := w.get(key, at)
	if got, ok := x.Get([]byte(key), at); ok != wantOK || got != want {
		t.Fatalf("get %.80q at %d: %+v, %v, want %+v, %v", key, at, got, ok, want, wantOK)
	}
}

// checkAll compares everything at one revision, and the figures.
func checkAll(t testing.TB, x index.Reader, w *twin, at int64) {
	t.Helper()
	for _, k := range w.keys {
		checkGet(t, x, w, k, at)
	}
	checkRange(t, x, w, nil, nil, at, 1+len(w.keys)/2)
	got := x.Stats()
	got.Bytes = 0
	if want := w.stats(); got != want {
		t.Fatalf("stats %+v, want %+v", got, want)
	}
}

// put and del write to both.
func put(x index.Index, w *twin, key string, main, sub int64) {
	rev := index.Revision{Main: main, Sub: sub}
	x.Put([]byte(key), rev)
	w.write(key, rev, false)
}

func del(t testing.TB, x index.Index, w *twin, key string, main, sub int64) {
	t.Helper()
	rev := index.Revision{Main: main, Sub: sub}
	err := x.Tombstone([]byte(key), rev)
	if live := w.live(key); live != (err == nil) || !live && err != index.ErrNotFound {
		t.Fatalf("tombstone on %.80q (live: %v): %v", key, live, err)
	}
	if err == nil {
		w.write(key, rev, true)
	}
}

// compactSlice does one slice and compares what it drops with the twin.
func compactSlice(t testing.TB, x index.Index, w *twin, at int64, from []byte, limit int) []byte {
	t.Helper()
	var dropped index.Set
	next := x.Compact(at, from, limit, &dropped)
	if next != nil && bytes.Compare(next, from) <= 0 {
		t.Fatalf("slice from %.60q goes on at %.60q", from, next)
	}
	want := w.compact(at, from, next)
	if got := slices.Collect(dropped.All()); !slices.Equal(got, want) || dropped.Len() != len(want) {
		t.Fatalf("compaction at %d of [%.60q, %.60q) dropped %v, want %v", at, from, next, got, want)
	}
	return next
}

// compact does a whole compaction in slices.
func compact(t testing.TB, x index.Index, w *twin, at int64, limit int) {
	t.Helper()
	for next := compactSlice(t, x, w, at, nil, limit); next != nil; {
		next = compactSlice(t, x, w, at, next, limit)
	}
}
