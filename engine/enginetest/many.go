package enginetest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/seedtest"
)

// many checks that GetMany of view answers for keys what Get does. It goes through the method that
// Caps promises, or else through the loop that stands for it.
func many(tb testing.TB, view engine.Snapshot, s engine.Space, keys [][]byte) {
	tb.Helper()
	spans := make([]engine.Span, len(keys))
	for i := range spans {
		spans[i] = engine.Span{From: -7, To: -7}
	}
	lent := make([][]byte, len(keys))
	for i, k := range keys {
		lent[i] = lendCopy(k)
	}
	out, err := engine.GetMany(view, []byte("dst:"), s, lent, spans)
	if err != nil || !bytes.HasPrefix(out, []byte("dst:")) {
		tb.Errorf("GetMany of %d keys of space %d = %.40q, %v, want what begins with dst", len(keys), s, out, err)
		return
	}
	for _, k := range lent {
		spoil(k)
	}
	sum := len("dst:")
	for i, k := range keys {
		want, err := view.Get(nil, s, k)
		switch at := spans[i]; {
		case err != nil && !at.Found():
		case err != nil || !at.Found():
			tb.Errorf("GetMany(%d, %.40q) finds it: %v; Get: %v", s, k, at.Found(), err)
		case at.From < len("dst:") || at.To < at.From || at.To > len(out) || !bytes.Equal(out[at.From:at.To], want):
			tb.Errorf("GetMany(%d, %.40q) is at %v of %d bytes, want there %.40q", s, k, at, len(out), want)
		default:
			sum += at.To - at.From
		}
	}
	if sum != len(out) && !tb.Failed() {
		tb.Errorf("GetMany of %d keys of space %d appends %d bytes, their values have %d", len(keys), s, len(out), sum)
	}
}

func testMany(t *testing.T, h Harness) {
	t.Run("a backend whose Caps promise it has Snapshots that do it", func(t *testing.T) {
		b := h.fresh(t)
		if _, ok := snap(t, b).(engine.ManyGetter); b.Caps().GetMany && !ok {
			t.Error("Caps().GetMany, but the Snapshot is no ManyGetter")
		}
	})
	t.Run("no keys, and keys of spaces that were never written", func(t *testing.T) {
		view := snap(t, h.fresh(t))
		many(t, view, s1, nil)
		many(t, view, s1, [][]byte{[]byte("a"), nil, []byte("b")})
	})
	t.Run("few and many keys, in order, out of order and more than once", func(t *testing.T) { testManyOrders(t, h.fresh(t)) })
	t.Run("values of any length", func(t *testing.T) {
		b := h.fresh(t)
		var keys [][]byte
		for i, size := range []int{0, 1, 500, 0, 70 << 10, 3, 300 << 10, 0} {
			keys = append(keys, fmt.Appendf(nil, "key%d", i), fmt.Appendf(nil, "key%d-", i))
			put(t, b, s7, string(keys[2*i]), strings.Repeat(fmt.Sprint(i), size))
		}
		many(t, snap(t, b), s7, append(keys, bytes.Repeat([]byte{'k'}, engine.MaxKeyBytes+1)))
	})
	t.Run("what is deleted, overwritten and new", func(t *testing.T) {
		b := h.fresh(t)
		var keys [][]byte
		for i := range 400 {
			keys = append(keys, fmt.Appendf(nil, "key%03d", i))
			put(t, b, s7, string(keys[i]), "first")
		}
		must(t, b.Sync())
		old := snap(t, b)
		apply(t, b, false, func(w engine.Batch) {
			w.DeleteRange(s7, keys[100], keys[150])
			w.Set(s7, keys[120], []byte("again"))
			w.Delete(s7, keys[7])
			w.Set(s7, keys[8], nil)
			w.Set(s7, []byte("key399-"), []byte("new"))
		})
		keys = append(keys, []byte("key399-"))
		many(t, snap(t, b), s7, keys)
		many(t, old, s7, keys)
	})
	t.Run("it answers ErrClosed after Close", func(t *testing.T) {
		b := h.fresh(t)
		put(t, b, s1, "k", "v")
		view := snap(t, b)
		must(t, view.Close())
		_, err := engine.GetMany(view, nil, s1, [][]byte{[]byte("k")}, make([]engine.Span, 1))
		wantErr(t, "GetMany after Close", err, engine.ErrClosed)
	})
}

func testManyOrders(t *testing.T, b engine.Backend) {
	const n = 1000
	w := b.NewBatch()
	all := make([][]byte, 0, 2*n)
	for i := range n {
		key := fmt.Appendf(nil, "key%05d", 3*i)
		w.Set(s1, key, []byte(strings.Repeat("v", i%90)))
		all = append(all, key, fmt.Appendf(nil, "key%05d", 3*i+1))
	}
	must(t, b.Apply(w, true))
	r := seedtest.Rand(t)
	view := snap(t, b)
	for _, size := range []int{1, 2, 63, 64, 65, 128, 500, len(all)} {
		from := r.IntN(len(all) - size + 1)
		some := all[from : from+size]
		many(t, view, s1, some)
		mixed := make([][]byte, size)
		for i := range mixed {
			mixed[i] = all[r.IntN(len(all))]
		}
		many(t, view, s1, mixed)
	}
}
