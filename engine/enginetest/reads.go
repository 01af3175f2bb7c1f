package enginetest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/engine"
)

func testReads(t *testing.T, h Harness) {
	b := h.fresh(t)
	get := func(t *testing.T, s engine.Space, key, want string) {
		t.Helper()
		got, err := snap(t, b).Get([]byte("dst:"), s, []byte(key))
		if err != nil || string(got) != "dst:"+want {
			t.Errorf("Get(%d, %.40q) = %.40q, %v, want dst:%.40q", s, key, got, err, want)
		}
	}
	t.Run("a backend that was never written is empty in every space", func(t *testing.T) {
		view := snap(t, b)
		for s := range 256 {
			notFound(t, view, engine.Space(s), []byte("k"))
			comparePairs(t, engine.Space(s), "Scan", collect(t, view.Scan(engine.Space(s), nil, nil)), nil)
		}
	})
	t.Run("a key that was set is found and its value is appended to dst", func(t *testing.T) {
		put(t, b, s1, "k", "v")
		get(t, s1, "k", "v")
	})
	t.Run("a missing key answers ErrNotFound and dst as it was", func(t *testing.T) {
		view := snap(t, b)
		for _, key := range []string{"", "\x00", "j", "k\x00", "kk", "l", "\xff", strings.Repeat("k", engine.MaxKeyBytes+1)} {
			notFound(t, view, s1, []byte(key))
		}
		notFound(t, view, s1, nil)
	})
	t.Run("an empty value is found, non-nil in a scan, and appends nothing", func(t *testing.T) {
		apply(t, b, false, func(w engine.Batch) {
			w.Set(s7, []byte("empty"), []byte{})
			w.Set(s7, []byte("nil"), nil)
		})
		get(t, s7, "empty", "")
		get(t, s7, "nil", "")
		it := snap(t, b).Scan(s7, nil, nil)
		for it.Next() {
			if v := it.Value(); v == nil || len(v) != 0 {
				t.Errorf("Value() of %q = %v, want empty and not nil", it.Key(), v)
			}
		}
		must(t, it.Close())
	})
	t.Run("an overwritten key has its last value, a deleted one none", func(t *testing.T) {
		put(t, b, s1, "k", "longer than before")
		get(t, s1, "k", "longer than before")
		put(t, b, s1, "k", "")
		get(t, s1, "k", "")
		apply(t, b, false, func(w engine.Batch) { w.Delete(s1, []byte("k")) })
		notFound(t, snap(t, b), s1, []byte("k"))
		put(t, b, s1, "k", "again")
		get(t, s1, "k", "again")
	})
	t.Run("deleting what is not there is no error", func(t *testing.T) {
		apply(t, b, false, func(w engine.Batch) {
			w.Delete(s1, []byte("never"))
			w.Delete(200, []byte("never"))
			w.DeleteRange(201, nil, nil)
		})
	})
	t.Run("the same key in each of 256 spaces has its own value", func(t *testing.T) {
		apply(t, b, false, func(w engine.Batch) {
			for s := range 256 {
				w.Set(engine.Space(s), []byte("own"), fmt.Append(nil, s))
			}
		})
		for s := range 256 {
			get(t, engine.Space(s), "own", fmt.Sprint(s))
		}
	})
	t.Run("the value returned belongs to the caller", func(t *testing.T) {
		put(t, b, s1, "mine", "value")
		got, err := snap(t, b).Get(nil, s1, []byte("mine"))
		must(t, err)
		clear(got)
		get(t, s1, "mine", "value")
	})
	t.Run("keys of MaxKeyBytes and values of megabytes come back whole", func(t *testing.T) { testLarge(t, h.fresh(t)) })
}

func testLarge(t *testing.T, b engine.Backend) {
	m := model{}
	longest := strings.Repeat("\xff", engine.MaxKeyBytes)
	sizes := []int{1 << 10, 64 << 10, 1 << 20, 1<<20 + 1, 3 << 20}
	for i, size := range sizes {
		if limit := b.Caps().MaxBatchBytes; limit > 0 && int64(size+engine.MaxKeyBytes) > limit {
			continue
		}
		key := longest[:engine.MaxKeyBytes-i]
		value := string(bytes.Repeat([]byte{byte(i), 0xff, 0}, size/3+1)[:size])
		w := b.NewBatch()
		twin{w, m}.set(99, key, value)
		must(t, b.Apply(w, false))
	}
	m.now(t, b)
}
