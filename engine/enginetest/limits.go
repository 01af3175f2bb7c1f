package enginetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/etalon-kv/etalon/engine"
)

// maxTried bounds the batches that the suite builds, in bytes and operations.
const (
	maxTriedBytes = 128 << 20
	maxTriedOps   = 1 << 20
	// shortOps bounds them with -short: a million operations take half a minute under -race.
	shortOps = 50_000
)

func testBatchLimits(t *testing.T, h Harness) {
	t.Run("Caps are the same at every call", func(t *testing.T) {
		b := h.fresh(t)
		first := b.Caps()
		put(t, b, s1, "k", "v")
		if second := b.Caps(); second != first {
			t.Errorf("Caps() = %+v, then %+v", first, second)
		}
	})
	t.Run("a batch at the limits of Caps is applied, however it is made up", func(t *testing.T) { testAtLimits(t, h) })
	t.Run("a batch beyond the limits is applied whole or refused whole", func(t *testing.T) { testOverLimits(t, h) })
	t.Run("a range deletion over more keys than a batch may hold works whole or not at all", func(t *testing.T) { testWideDelete(t, h) })
}

// limits returns what Caps allows, or skips the test if that is nothing that can be tried.
func limits(t *testing.T, b engine.Backend) (ops int, bytes int) {
	t.Helper()
	caps := b.Caps()
	if caps.MaxBatchOps < 0 || caps.MaxBatchBytes < 0 {
		t.Fatalf("negative limits: %+v", caps)
	}
	if caps.MaxBatchOps == 0 && caps.MaxBatchBytes == 0 {
		t.Skip("the engine has no limits of its own")
	}
	ops, bytes = int(min(caps.MaxBatchOps, maxTriedOps)), int(min(caps.MaxBatchBytes, maxTriedBytes))
	if caps.MaxBatchOps == 0 {
		ops = maxTriedOps
	}
	if caps.MaxBatchBytes == 0 {
		bytes = maxTriedBytes
	}
	return ops, bytes
}

// fill adds n Sets with keys of 8 bytes that together have sizeBytes, at least 8 each.
func fill(w engine.Batch, s engine.Space, n, sizeBytes int) {
	value := make([]byte, sizeBytes/n+1)
	for i := range n {
		size := sizeBytes / n
		if i == 0 {
			size += sizeBytes % n
		}
		for len(value) < size-8 {
			value = append(value, make([]byte, size-8-len(value))...)
		}
		w.Set(s, binary.BigEndian.AppendUint64(nil, uint64(i)), value[:size-8])
	}
}

// count returns the number of keys in s.
func count(t testing.TB, b engine.Backend, s engine.Space) int {
	t.Helper()
	view, err := b.Snapshot()
	must(t, err)
	defer view.Close()
	it := view.Scan(s, nil, nil)
	n := 0
	for it.Next() {
		n++
	}
	must(t, it.Close())
	return n
}

func testAtLimits(t *testing.T, h Harness) {
	b := h.fresh(t)
	ops, bytes := limits(t, b)
	if caps := b.Caps(); caps.MaxBatchBytes > maxTriedBytes && caps.MaxBatchOps == 0 {
		t.Skipf("a batch of %d bytes is too big to try", caps.MaxBatchBytes)
	}
	shapes := []struct {
		name     string
		n, bytes int
	}{
		{"as many of the smallest as it may hold", min(ops, bytes/8), min(ops, bytes/8) * 8},
		{"both limits at once", min(ops, bytes/8), max(bytes, 8)},
		{"one value as large as it may hold", 1, min(bytes, 64<<20)},
		{"a thousand that fill it", min(1000, ops), bytes},
	}
	if caps := b.Caps(); caps.MaxBatchBytes == 0 || caps.MaxBatchBytes > maxTriedBytes {
		shapes = shapes[:1] // the bytes have no limit that can be reached
	}
	for i, shape := range shapes {
		if testing.Short() && shape.n > shortOps {
			continue
		}
		s := engine.Space(i)
		w := b.NewBatch()
		fill(w, s, shape.n, shape.bytes)
		if err := b.Apply(w, false); err != nil {
			t.Errorf("%s: %d operations, %d bytes: %v, but Caps are %+v", shape.name, w.Len(), w.SizeBytes(), err, b.Caps())
			continue
		}
		if n := count(t, b, s); n != shape.n {
			t.Errorf("%s: %d keys arrived, want %d", shape.name, n, shape.n)
		}
	}
}

func testOverLimits(t *testing.T, h Harness) {
	b := h.fresh(t)
	ops, bytes := limits(t, b)
	put(t, b, 100, "before", "1")
	for i, shape := range []struct{ n, bytes int }{
		{ops + 1, (ops + 1) * 8}, {ops*2 + 7, (ops*2 + 7) * 8}, {1, bytes + 1}, {100, bytes + 1}, {100, bytes * 2},
	} {
		if shape.n > maxTriedOps || shape.bytes > maxTriedBytes || testing.Short() && shape.n > shortOps {
			continue
		}
		s := engine.Space(i)
		w := b.NewBatch()
		w.Delete(100, []byte("before"))
		w.Set(100, []byte("before"), []byte("1")) // touched, to see it come back unharmed
		fill(w, s, shape.n, shape.bytes)
		want := shape.n
		if err := b.Apply(w, i%2 == 0); errors.Is(err, engine.ErrBatchTooBig) {
			want = 0
		} else if err != nil {
			t.Errorf("%+v: %v, want nil or ErrBatchTooBig", shape, err)
		}
		if n := count(t, b, s); n != want {
			t.Errorf("%+v: %d keys arrived, want %d", shape, n, want)
		}
		put(t, b, 101, fmt.Sprint("after", i), "goes on")
	}
	if n := count(t, b, 101); n != 5 && !t.Failed() {
		t.Logf("%d of 5 shapes were small enough to try", n)
	}
	if n := count(t, b, 100); n != 1 {
		t.Errorf("the key from before is gone")
	}
}

func testWideDelete(t *testing.T, h Harness) {
	b := h.fresh(t)
	ops, bytes := limits(t, b)
	total := min(ops*2+1, 300_000)
	perBatch := min(ops, bytes/8, 10_000)
	if total <= ops {
		t.Skipf("a batch may hold %d operations, too many to go beyond", ops)
	}
	if testing.Short() && total > shortOps {
		t.Skipf("%d operations take long under -race", total)
	}
	w := b.NewBatch()
	for i := 0; i < total; {
		w.Reset()
		for ; w.Len() < perBatch && i < total; i++ {
			w.Set(s1, binary.BigEndian.AppendUint64(nil, uint64(i)), nil)
		}
		must(t, b.Apply(w, false))
	}
	w.Reset()
	w.Set(s1, []byte("new"), nil)
	w.DeleteRange(s1, nil, []byte("m"))
	want := 1
	if err := b.Apply(w, false); errors.Is(err, engine.ErrBatchTooBig) && !b.Caps().RangeDelete {
		want = total
	} else if err != nil {
		t.Errorf("Apply = %v", err)
	}
	if n := count(t, b, s1); n != want {
		t.Errorf("%d keys are left, want %d", n, want)
	}
}
