package mvcctest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/mvcc"
)

func testRules(t *testing.T, h Harness) {
	t.Run("the first revision is 1, the first write 2, and nothing makes no revision", func(t *testing.T) {
		s := h.build(t).store
		if s.Rev() != 1 || s.Compacted() != -1 {
			t.Fatalf("new store: revision %d, compacted %d", s.Rev(), s.Compacted())
		}
		if rev := put(t, s, "a", "1"); rev != 2 {
			t.Errorf("first write is %d", rev)
		}
		rev := commit(t, s, func(w *mvcc.Txn) {
			if n, err := w.DeleteRange([]byte("x"), nil); n != 0 || err != nil {
				t.Error(n, err)
			}
			must(t, w.SetMeta([]byte("applied"), []byte("7")))
		})
		if rev != 2 {
			t.Errorf("nothing made revision %d", rev)
		}
		if v, ok, err := s.Meta([]byte("applied")); err != nil || !ok || string(v) != "7" {
			t.Errorf("meta data: %q %v %v", v, ok, err)
		}
	})
	t.Run("a read transaction sees one revision while others write, and what it returned stays", func(t *testing.T) {
		s := h.build(t).store
		put(t, s, "a", "1")
		r, err := s.Read()
		must(t, err)
		defer r.Close()
		first, _, err := r.Get([]byte("a"), 0)
		must(t, err)
		for i := range 10 {
			put(t, s, "a", fmt.Sprint("other ", i))
			put(t, s, fmt.Sprint("b", i), "x")
		}
		again, ok, err := r.Get([]byte("a"), 0)
		if err != nil || !ok || string(again.Value) != "1" || string(first.Value) != "1" {
			t.Errorf("%q %q %v %v", first.Value, again.Value, ok, err)
		}
		if res, err := r.Range(nil, nil, mvcc.RangeOptions{}); err != nil || res.Count != 1 || res.Rev != 2 {
			t.Errorf("%+v, %v", res, err)
		}
		compact(t, s, s.Rev())
		_, _, err = r.Get([]byte("a"), 0)
		wantErr(t, "read of a revision that was compacted meanwhile", err, mvcc.ErrCompacted)
	})
	t.Run("revisions written in one commit become visible together", func(t *testing.T) {
		s := h.build(t).store
		w, err := s.Begin()
		must(t, err)
		for i := range 3 {
			_, err := w.Put([]byte("a"), []byte(fmt.Sprint(i)), 0)
			must(t, err)
			if w.Rev() != int64(2+i) {
				t.Errorf("revision %d within the transaction, want %d", w.Rev(), 2+i)
			}
			w.Next()
		}
		if s.Rev() != 1 {
			t.Errorf("visible before the commit: %d", s.Rev())
		}
		if rev, err := w.Commit(true); rev != 4 || err != nil {
			t.Fatal(rev, err)
		}
		for i := range 3 {
			kv, _, err := s.Get([]byte("a"), int64(2+i))
			if err != nil || string(kv.Value) != fmt.Sprint(i) || kv.Version != int64(i+1) || kv.CreateRevision != 2 {
				t.Errorf("at %d: %+v %v", 2+i, kv, err)
			}
		}
	})
	t.Run("compaction removes what no read sees, also from the engine, and keeps a tombstone at it", func(t *testing.T) { testCompaction(t, h) })
	t.Run("a restore tells how far it is", func(t *testing.T) { testProgress(t, h) })
	t.Run("an interrupted compaction is resumed", func(t *testing.T) {
		x := h.build(t)
		commit(t, x.store, func(w *mvcc.Txn) {
			for i := range 2000 {
				_, err := w.Put(fmt.Append(nil, "k", i%7), fmt.Append(nil, i), 0)
				must(t, err)
				w.Next()
			}
		})
		must(t, x.store.Compact(1990))
		x.reopen(t) // whatever the compaction has reached
		must(t, x.store.WaitCompacted(context.Background(), 1990))
		if n := x.store.Stats().Revisions; n != 7+11 {
			t.Errorf("%d revisions are left, want 18", n)
		}
		if n := records(t, x); n != 18 {
			t.Errorf("%d records are left, want 18", n)
		}
		x.reopen(t)
	})
}

func testCompaction(t *testing.T, h Harness) {
	x := h.build(t)
	s := x.store
	commit(t, s, func(w *mvcc.Txn) {
		for range 100 { // 2 to 101
			_, err := w.Put([]byte("a"), make([]byte, 100), 0)
			must(t, err)
			w.Next()
		}
	})
	put(t, s, "b", "1")                                                                     // 102
	at := commit(t, s, func(w *mvcc.Txn) { _, err := w.Delete([]byte("b")); must(t, err) }) // 103
	chain, err := s.Chain(at)
	must(t, err)
	compact(t, s, at)
	if n := records(t, x); n != 2 {
		t.Errorf("%d records are left, want those of a and the tombstone of b", n)
	}
	history := ""
	must(t, s.History(at, at, func(c *mvcc.Change) bool { history += changeText(c); return true }))
	if !strings.HasPrefix(history, "103.0 true \"b\"") {
		t.Errorf("at the compacted revision: %s", history)
	}
	x.reopen(t)
	s = x.store
	if got, err := s.Chain(at); got != chain || err != nil {
		t.Errorf("chain %x, want %x, %v", got, chain, err)
	}
	put(t, s, "c", "1")
	compact(t, s, s.Rev())
	if n := records(t, x); n != 2 {
		t.Errorf("%d records are left, want those of a and c", n)
	}
	x.reopen(t)
	if x.store.Rev() != at+1 || x.store.Compacted() != at+1 {
		t.Errorf("revision %d, compacted %d", x.store.Rev(), x.store.Compacted())
	}
}

// records counts what the engine holds in the space of records.
func records(t *testing.T, x *house) (n int) {
	t.Helper()
	snap, err := x.backend.Snapshot()
	must(t, err)
	defer snap.Close()
	it := snap.Scan(1, nil, nil)
	for it.Next() {
		n++
	}
	must(t, it.Close())
	return n
}

// testProgress opens a store again and listens.
func testProgress(t *testing.T, h Harness) {
	x := h.build(t)
	const revisions, each = 30, 100
	for n := range revisions {
		w, err := x.store.Begin()
		must(t, err)
		for i := range each {
			_, err := w.Put(fmt.Appendf(nil, "key %d", n*each+i), nil, 0)
			must(t, err)
		}
		_, err = w.Commit(false)
		must(t, err)
	}
	must(t, x.store.Close())
	var told []mvcc.Progress
	var err error
	x.store, err = mvcc.Open(t.Context(), mvcc.Config{
		Backend: x.backend, Index: h.Index(), Progress: func(p mvcc.Progress) { told = append(told, p) },
	})
	must(t, err)
	var before mvcc.Progress
	for _, p := range told {
		if p.Records <= before.Records || p.Revision < before.Revision || p.Last != revisions+1 {
			t.Errorf("%+v after %+v", p, before)
		}
		before = p
	}
	if want := (mvcc.Progress{Records: revisions * each, Revision: revisions + 1, Last: revisions + 1}); before != want {
		t.Errorf("told %d times, at last %+v, want %+v", len(told), before, want)
	}
}
