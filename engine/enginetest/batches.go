package enginetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/engine"
)

func testBatches(t *testing.T, h Harness) {
	t.Run("an invalid key anywhere in a batch is ErrKeySize, and nothing is applied", func(t *testing.T) { testKeySize(t, h) })
	t.Run("a batch knows its length and size, and Reset empties it", func(t *testing.T) {
		b := h.fresh(t)
		w := b.NewBatch()
		w.Set(s1, []byte("abc"), []byte("12345"))
		w.Delete(s1, []byte("de"))
		w.DeleteRange(s1, []byte("f"), []byte("ghij"))
		w.DeleteRange(s1, nil, nil)
		if w.Len() != 4 || w.SizeBytes() != 3+5+2+1+4 {
			t.Errorf("Len, SizeBytes = %d, %d, want 4, 15", w.Len(), w.SizeBytes())
		}
		w.Reset()
		if w.Len() != 0 || w.SizeBytes() != 0 {
			t.Errorf("after Reset: Len, SizeBytes = %d, %d, want 0, 0", w.Len(), w.SizeBytes())
		}
		w.Set(s1, nil, nil) // an invalid key is forgotten too
		w.Reset()
		w.Set(s1, []byte("k"), []byte("v"))
		must(t, b.Apply(w, false))
		model{s1: {"k": "v"}}.now(t, b)
	})
	t.Run("an empty batch is allowed, synced too", func(t *testing.T) {
		b := h.fresh(t)
		must(t, b.Apply(b.NewBatch(), false))
		must(t, b.Apply(b.NewBatch(), true))
		must(t, b.Sync())
		model{}.now(t, b)
	})
	t.Run("Apply leaves a batch as it is, to be applied again", func(t *testing.T) {
		b := h.fresh(t)
		w := b.NewBatch()
		w.Set(s1, []byte("k"), []byte("v"))
		w.DeleteRange(s1, []byte("l"), nil)
		for range 3 {
			must(t, b.Apply(w, false))
			if w.Len() != 2 || w.SizeBytes() != 3 {
				t.Fatalf("Len, SizeBytes = %d, %d, want 2, 3", w.Len(), w.SizeBytes())
			}
			model{s1: {"k": "v"}}.now(t, b)
			put(t, b, s1, "l", "gone next time")
			put(t, b, s1, "k", "overwritten")
		}
		w.Set(s1, []byte("m"), []byte("more"))
		must(t, b.Apply(w, false))
		model{s1: {"k": "v", "m": "more"}}.now(t, b)
	})
	t.Run("a batch of another backend is ErrForeignBatch, and nothing is applied", func(t *testing.T) {
		b, other := h.fresh(t), h.fresh(t)
		w := other.NewBatch()
		w.Set(s1, []byte("k"), []byte("v"))
		wantErr(t, "Apply of another instance's batch", b.Apply(w, true), engine.ErrForeignBatch)
		wantErr(t, "Apply of a batch of unknown type", b.Apply(strangeBatch{w}, true), engine.ErrForeignBatch)
		wantErr(t, "Apply of nil", b.Apply(nil, true), engine.ErrForeignBatch)
		model{}.now(t, b)
		put(t, b, s1, "goes", "on")
		model{s1: {"goes": "on"}}.now(t, b)
	})
	t.Run("a batch that empties a space may come back and write into it", func(t *testing.T) {
		b := h.fresh(t)
		m := model{}
		w := b.NewBatch()
		for i := range 500 { // many pages
			twin{w, m}.set(s1, fmt.Sprintf("key%03d", i), strings.Repeat("v", 100))
		}
		must(t, b.Apply(w, false))
		w.Reset()
		twin{w, m}.deleteRange(s1, []byte("k"), nil)
		twin{w, m}.deleteRange(s7, []byte("k"), []byte("l"))
		twin{w, m}.set(s1, "key250", "again")
		twin{w, m}.set(s7, "key250", "first")
		must(t, b.Apply(w, false))
		m.now(t, b)
	})
	t.Run("of writes in one batch the later ones win, in every order", func(t *testing.T) { testWriteOrder(t, h) })
}

type strangeBatch struct{ engine.Batch }

func testKeySize(t *testing.T, h Harness) {
	b := h.fresh(t)
	put(t, b, s1, "before", "1")
	long := []byte(strings.Repeat("x", engine.MaxKeyBytes+1))
	bad := map[string]func(w engine.Batch){
		"Set of an empty key":    func(w engine.Batch) { w.Set(s1, []byte{}, []byte("v")) },
		"Set of a nil key":       func(w engine.Batch) { w.Set(s1, nil, nil) },
		"Set of a long key":      func(w engine.Batch) { w.Set(s1, long, nil) },
		"Delete of an empty key": func(w engine.Batch) { w.Delete(s1, nil) },
		"Delete of a long key":   func(w engine.Batch) { w.Delete(s1, long) },
	}
	for name, op := range bad {
		for place := range 3 {
			w := b.NewBatch()
			for i := range 3 {
				if i == place {
					op(w)
				}
				w.Set(s1, fmt.Append(nil, "new", i), []byte("v"))
				w.Delete(s1, []byte("before"))
			}
			wantErr(t, fmt.Sprintf("%s at place %d", name, place), b.Apply(w, place == 1), engine.ErrKeySize)
			model{s1: {"before": "1"}}.now(t, b)
		}
	}
	// Bounds of ranges are no keys.
	apply(t, b, false, func(w engine.Batch) {
		w.Set(s1, long[:engine.MaxKeyBytes], []byte("longest"))
		w.DeleteRange(s1, long, append(long, 'x'))
		w.DeleteRange(s1, []byte{}, []byte{})
	})
	model{s1: {"before": "1", string(long[:engine.MaxKeyBytes]): "longest"}}.now(t, b)
}

// testWriteOrder applies all sequences of four of eight operations that touch the same keys.
func testWriteOrder(t *testing.T, h Harness) {
	b := h.fresh(t)
	ops := []func(w twin){
		func(w twin) { w.set(s1, "b", "1") },
		func(w twin) { w.set(s1, "b", "2") },
		func(w twin) { w.set(s1, "c", "3") },
		func(w twin) { w.del(s1, "b") },
		func(w twin) { w.deleteRange(s1, []byte("b"), []byte("c")) },
		func(w twin) { w.deleteRange(s1, []byte("a"), nil) },
		func(w twin) { w.deleteRange(s1, nil, []byte("b\x00")) },
		func(w twin) { w.set(s7, "b", "neighbour") },
	}
	stride := 7 // batches are a sync each on bolt, and 7 is coprime with 8
	if testing.Short() {
		stride = 61
	}
	m := model{}
	for code := 0; code < 8*8*8*8; code += stride {
		before := m.clone()
		w := b.NewBatch()
		for c, i := code, 0; i < 4; c, i = c/8, i+1 {
			ops[c%8](twin{w, m})
		}
		must(t, b.Apply(w, false))
		m.now(t, b)
		if t.Failed() {
			t.Fatalf("operations %04o on %v", code, before)
		}
	}
}
