package enginetest

import (
	"context"
	"testing"

	"github.com/etalon-kv/etalon/engine"
)

// scans are the two ways to walk a space.
func scans(view engine.Snapshot, s engine.Space, lo, hi []byte) map[string]engine.Iterator {
	return map[string]engine.Iterator{"Scan": view.Scan(s, lo, hi), "ScanBack": view.ScanBack(s, lo, hi)}
}

// at checks where an iterator says it is.
func at(t *testing.T, name string, it engine.Iterator, key string, want error) {
	t.Helper()
	if key == "" && (it.Key() != nil || it.Value() != nil) {
		t.Errorf("%s: Key, Value = %q, %q, want nil, nil", name, it.Key(), it.Value())
	}
	if key != "" && string(it.Key()) != key {
		t.Errorf("%s: Key = %q, want %q", name, it.Key(), key)
	}
	if want == nil && it.Err() != nil {
		t.Errorf("%s: Err = %v, want nil", name, it.Err())
	} else if want != nil {
		wantErr(t, name+": Err", it.Err(), want)
	}
}

func walksNowhere(t *testing.T, name string, it engine.Iterator) {
	t.Helper()
	if w := engine.Walk(it, 0); w.Next() {
		t.Errorf("%s: a walk finds %q", name, w.Run())
	}
}

func testMisuse(t *testing.T, h Harness) {
	b := h.fresh(t)
	apply(t, b, false, func(w engine.Batch) {
		for _, key := range []string{"a", "b", "c"} {
			w.Set(s1, []byte(key), []byte("v"))
		}
		w.Set(s0, []byte("z"), []byte("other space"))
		w.Set(2, []byte("a"), []byte("other space"))
	})
	t.Run("an iterator has no key before the first Next and after the last", func(t *testing.T) {
		for _, bounds := range [][2][]byte{{nil, nil}, {[]byte("b"), []byte("c")}, {[]byte("x"), nil}, {[]byte("b"), []byte("a")}, {nil, {}}} {
			for name, it := range scans(snap(t, b), s1, bounds[0], bounds[1]) {
				at(t, name+" before Next", it, "", nil)
				for it.Next() {
				}
				for range 3 {
					at(t, name+" at the end", it, "", nil)
					if it.Next() {
						t.Errorf("%s: Next after the end = true", name)
					}
				}
				must(t, it.Close())
			}
		}
	})
	t.Run("a closed iterator ends with ErrClosed", func(t *testing.T) {
		for name, it := range scans(snap(t, b), s1, nil, nil) {
			if !it.Next() {
				t.Fatal(name, "is empty")
			}
			must(t, it.Close())
			if it.Next() {
				t.Errorf("%s: Next after Close = true", name)
			}
			at(t, name+" after Close", it, "", engine.ErrClosed)
			walksNowhere(t, name+" after Close", it)
			wantErr(t, name+": second Close", it.Close(), engine.ErrClosed)
		}
		it := snap(t, b).Scan(s1, nil, nil)
		must(t, it.Close())
		if it.Next() {
			t.Error("Next after Close without a Next before = true")
		}
	})
	t.Run("a closed snapshot ends its iterators and answers ErrClosed", func(t *testing.T) {
		view := snap(t, b)
		moved, fresh := scans(view, s1, nil, nil), scans(view, s1, nil, nil)
		for _, it := range moved {
			it.Next()
		}
		must(t, view.Close())
		for _, its := range []map[string]engine.Iterator{moved, fresh, scans(view, s1, nil, nil)} {
			for name, it := range its {
				if it.Next() {
					t.Errorf("%s: Next after the snapshot's Close = true", name)
				}
				at(t, name+" after the snapshot's Close", it, "", engine.ErrClosed)
				walksNowhere(t, name+" after the snapshot's Close", it)
				wantErr(t, name+": Close after the snapshot's", it.Close(), engine.ErrClosed)
				wantErr(t, name+": second Close after the snapshot's", it.Close(), engine.ErrClosed)
			}
		}
		dst, err := view.Get([]byte("dst"), s1, []byte("a"))
		wantErr(t, "Get", err, engine.ErrClosed)
		if string(dst) != "dst" {
			t.Errorf("Get answers %q, want dst as it was", dst)
		}
		wantErr(t, "second Close", view.Close(), engine.ErrClosed)
	})
	t.Run("snapshots and iterators are independent of each other's Close", func(t *testing.T) {
		one, two := snap(t, b), snap(t, b)
		first, second := two.Scan(s1, nil, nil), two.Scan(s1, nil, nil)
		must(t, one.Close())
		must(t, first.Close())
		if n := len(collect(t, second)); n != 3 {
			t.Errorf("%d keys, want 3", n)
		}
	})
}

func testAfterClose(t *testing.T, h Harness) {
	t.Run("Close answers ErrBusy while a snapshot is open, and nothing is closed", func(t *testing.T) {
		b := h.fresh(t)
		put(t, b, s1, "k", "v")
		view, second := snap(t, b), snap(t, b)
		for range 2 {
			wantErr(t, "Close", b.Close(), engine.ErrBusy)
		}
		must(t, second.Close())
		wantErr(t, "Close with one left", b.Close(), engine.ErrBusy)
		model{s1: {"k": "v"}}.compare(t, view)
		put(t, b, s1, "goes", "on")
		must(t, b.Sync())
		model{s1: {"k": "v", "goes": "on"}}.now(t, b)
		must(t, view.Close())
		must(t, b.Close())
	})
	t.Run("an iterator left open does not keep its backend open", func(t *testing.T) {
		b := h.fresh(t)
		put(t, b, s1, "k", "v")
		view := snap(t, b)
		it := view.Scan(s1, nil, nil)
		it.Next()
		must(t, view.Close())
		must(t, b.Close())
		if it.Next() || it.Key() != nil {
			t.Error("the iterator still moves")
		}
		wantErr(t, "Close of the iterator", it.Close(), engine.ErrClosed)
	})
	t.Run("after Close every method answers ErrClosed", func(t *testing.T) {
		b := h.fresh(t)
		w := b.NewBatch()
		w.Set(s1, []byte("k"), []byte("v"))
		must(t, b.Apply(w, true))
		caps, stats := b.Caps(), b.Stats()
		must(t, b.Close())
		for range 2 {
			wantErr(t, "Apply", b.Apply(w, false), engine.ErrClosed)
			wantErr(t, "Apply with sync", b.Apply(w, true), engine.ErrClosed)
			wantErr(t, "Apply of a batch from after Close", b.Apply(b.NewBatch(), true), engine.ErrClosed)
			wantErr(t, "Sync", b.Sync(), engine.ErrClosed)
			_, err := b.Snapshot()
			wantErr(t, "Snapshot", err, engine.ErrClosed)
			wantErr(t, "Close", b.Close(), engine.ErrClosed)
			if caps.Drain {
				wantErr(t, "Drain", b.(engine.Drainer).Drain(context.Background()), engine.ErrClosed)
			}
		}
		if b.Caps() != caps {
			t.Errorf("Caps = %+v after Close, %+v before", b.Caps(), caps)
		}
		if after := b.Stats(); after.Batches < stats.Batches || after.Ops < stats.Ops {
			t.Errorf("Stats = %+v after Close, %+v before", after, stats)
		}
	})
	t.Run("Caps tell the truth, and Options are told", func(t *testing.T) {
		b := h.fresh(t)
		if _, ok := b.(engine.Drainer); b.Caps().Drain && !ok {
			t.Error("Caps.Drain is true, but the backend is no Drainer")
		}
		if b.Caps().Drain {
			put(t, b, s1, "k", "v")
			must(t, b.(engine.Drainer).Drain(context.Background()))
		}
		if b.Caps().Progress {
			p, ok := b.(engine.Progressing)
			if !ok {
				t.Fatal("Caps.Progress is true, but the backend is not Progressing")
			}
			before, _ := p.Progress()
			for range 3 {
				put(t, b, s1, "k", "v")
			}
			must(t, b.Sync())
			if applied, durable := p.Progress(); applied != before+3 || durable != applied {
				t.Errorf("after 3 batches and a sync %d were applied, %d are durable; %d before", applied, durable, before)
			}
		}
		if d, ok := b.(engine.Described); !ok || len(d.Options()) == 0 {
			t.Error("the backend does not describe its options")
		}
	})
	t.Run("Stats count what Apply took", func(t *testing.T) {
		b := h.fresh(t)
		before := b.Stats()
		for range 3 {
			apply(t, b, true, func(w engine.Batch) {
				w.Set(s1, []byte("k"), []byte("v"))
				w.Delete(s1, []byte("l"))
			})
		}
		wantErr(t, "Apply of an invalid batch", b.Apply(func() engine.Batch {
			w := b.NewBatch()
			w.Delete(s1, nil)
			return w
		}(), false), engine.ErrKeySize)
		if s := b.Stats(); s.Batches-before.Batches != 3 || s.Ops-before.Ops != 6 {
			t.Errorf("%d batches, %d operations more, want 3, 6", s.Batches-before.Batches, s.Ops-before.Ops)
		}
	})
}
