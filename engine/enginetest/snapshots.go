package enginetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/engine"
)

func testSnapshots(t *testing.T, h Harness) {
	t.Run("each of many snapshots keeps its own content under writes", func(t *testing.T) {
		b := h.fresh(t)
		m := model{}
		var views []engine.Snapshot
		var saw []model
		for i := range 20 {
			w := b.NewBatch()
			tw := twin{w, m}
			tw.set(s1, "always", fmt.Sprint(i))
			tw.set(s1, fmt.Sprint("only", i), "x")
			tw.del(s1, fmt.Sprint("only", i-3))
			if i%7 == 6 {
				tw.deleteRange(s1, []byte("only"), nil)
			}
			tw.set(engine.Space(i), "k", fmt.Sprint(i))
			must(t, b.Apply(w, i%5 == 0))
			views, saw = append(views, snap(t, b)), append(saw, m.clone())
		}
		must(t, b.Sync())
		for i, view := range views {
			saw[i].compare(t, view)
		}
		for _, i := range []int{10, 0, 19} { // closing some does not disturb the others
			must(t, views[i].Close())
		}
		for i, view := range views {
			if i != 10 && i != 0 && i != 19 {
				saw[i].compare(t, view)
			}
		}
	})
	t.Run("an open iterator sees nothing of later writes", func(t *testing.T) {
		b := h.fresh(t)
		for i := range 300 {
			put(t, b, s1, fmt.Sprintf("%03d", i), "old")
		}
		view := snap(t, b)
		up, down := view.Scan(s1, nil, nil), view.ScanBack(s1, nil, nil)
		for range 10 {
			up.Next()
			down.Next()
		}
		apply(t, b, false, func(w engine.Batch) {
			w.DeleteRange(s1, nil, []byte("100"))
			for i := 100; i < 200; i++ {
				w.Set(s1, fmt.Appendf(nil, "%03d", i), []byte("new"))
				w.Set(s1, fmt.Appendf(nil, "%03dx", i), []byte("new"))
			}
		})
		late := view.Scan(s1, nil, nil)
		for name, it := range map[string]engine.Iterator{"Scan": up, "ScanBack": down, "late Scan": late} {
			rest := collect(t, it)
			if want := 300 - map[bool]int{true: 0, false: 10}[name == "late Scan"]; len(rest) != want {
				t.Errorf("%s: %d keys are left, want %d", name, len(rest), want)
			}
			for _, p := range rest {
				if p.value != "old" || len(p.key) != 3 {
					t.Errorf("%s visits %v", name, p)
				}
			}
		}
	})
	t.Run("the writer goes on beside an open snapshot, also when files must grow", func(t *testing.T) {
		b := h.fresh(t)
		put(t, b, s1, "k", "old")
		view := snap(t, b)
		it := view.Scan(s1, nil, nil)
		it.Next()
		value := []byte(strings.Repeat("v", 64<<10))
		w := b.NewBatch()
		for i := range 48 { // 24 MiB: hangs here if the writer waits for readers
			w.Reset()
			for j := range 8 {
				w.Set(s7, fmt.Append(nil, i, "/", j), value)
			}
			must(t, b.Apply(w, i%16 == 0))
		}
		model{s1: {"k": "old"}}.compare(t, view)
		if string(it.Key()) != "k" || string(it.Value()) != "old" || it.Next() {
			t.Error("the open iterator has moved")
		}
		must(t, it.Close())
	})
	t.Run("a snapshot taken after Apply returned sees the batch, one from before does not", func(t *testing.T) {
		b := h.fresh(t)
		for i := range 50 {
			before := snap(t, b)
			key := fmt.Append(nil, i)
			put(t, b, s1, string(key), "v")
			notFound(t, before, s1, key)
			if _, err := snap(t, b).Get(nil, s1, key); err != nil {
				t.Errorf("Get after Apply: %v", err)
			}
		}
	})
}
