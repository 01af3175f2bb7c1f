package enginetest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/etalon-kv/etalon/engine"
)

func testLifetimes(t *testing.T, h Harness) {
	t.Run("a batch copies keys, values and bounds when they are given", func(t *testing.T) {
		b := h.fresh(t)
		w := b.NewBatch()
		buf := []byte("k0v0")
		for i := range 10 {
			buf[1], buf[3] = byte('0'+i), byte('0'+i)
			w.Set(s1, buf[:2], buf[2:])
		}
		copy(buf, "k3k5")
		w.DeleteRange(s1, buf[:2], buf[2:])
		copy(buf, "k8xx")
		w.Delete(s1, buf[:2])
		spoil(buf)
		must(t, b.Apply(w, false))
		w.Reset()
		for range 20 { // the memory of the batch is used again
			w.Set(s7, []byte("zzzz"), []byte("zzzz"))
		}
		must(t, b.Apply(w, false))
		m := model{s7: {"zzzz": "zzzz"}}
		for i := range 10 {
			if i != 3 && i != 4 && i != 8 {
				m.set(s1, fmt.Sprint("k", i), fmt.Sprint("v", i))
			}
		}
		m.now(t, b)
	})
	t.Run("an iterator copies its bounds", func(t *testing.T) {
		b := Poison(h.fresh(t))
		m := model{}
		w := b.NewBatch()
		for i := range 100 {
			twin{w, m}.set(s1, fmt.Sprintf("k%02d", i), "v")
		}
		must(t, b.Apply(w, false))
		view := snap(t, b)
		comparePairs(t, s1, "Scan", collect(t, view.Scan(s1, []byte("k10"), []byte("k90"))), m.scan(s1, []byte("k10"), []byte("k90")))
		if n := len(collect(t, view.ScanBack(s1, []byte("k10"), []byte("k90")))); n != 80 {
			t.Errorf("ScanBack visits %d keys, want 80", n)
		}
	})
	t.Run("Key and Value hold until the next Next, whatever else is read and written", func(t *testing.T) {
		b := h.fresh(t)
		value := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 100+i*10) }
		apply(t, b, false, func(w engine.Batch) {
			for i := range 200 {
				w.Set(s1, fmt.Appendf(nil, "k%03d", i), value(i))
			}
		})
		view := snap(t, b)
		it, other := view.Scan(s1, nil, nil), view.ScanBack(s1, nil, nil)
		var dst []byte
		for i := 0; it.Next(); i++ {
			key, val := it.Key(), it.Value()
			other.Next()
			dst, _ = view.Get(dst[:0], s1, []byte("k100"))
			if i%40 == 0 {
				put(t, b, s1, fmt.Sprintf("k%03d", i), "overwritten")
			}
			if string(key) != fmt.Sprintf("k%03d", i) || !bytes.Equal(val, value(i)) {
				t.Fatalf("at %d: %q = %d bytes", i, key, len(val))
			}
			if !bytes.Equal(it.Key(), key) || !bytes.Equal(it.Value(), val) {
				t.Fatalf("at %d: a second Key or Value differs", i)
			}
		}
		must(t, it.Close())
		must(t, other.Close())
	})
	t.Run("Get appends within the room that dst has, and leaves what is before", func(t *testing.T) {
		b := h.fresh(t)
		put(t, b, s1, "k", "value")
		dst := append(make([]byte, 0, 64), "before"...)
		got, err := snap(t, b).Get(dst, s1, []byte("k"))
		if err != nil || string(got) != "beforevalue" {
			t.Fatalf("Get = %q, %v", got, err)
		}
		if &got[0] != &dst[0] {
			t.Error("Get moved dst although it had room")
		}
	})
}
