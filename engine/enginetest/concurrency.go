package enginetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/etalon-kv/etalon/engine"
)

func testConcurrency(t *testing.T, h Harness) {
	t.Run("readers beside the writer see every batch whole, and never go back", func(t *testing.T) { testTorn(t, h) })
	t.Run("one snapshot serves many goroutines", func(t *testing.T) {
		b := h.fresh(t)
		m := model{}
		w := b.NewBatch()
		for i := range 500 {
			twin{w, m}.set(s1, fmt.Sprintf("k%03d", i), fmt.Sprint(i))
		}
		must(t, b.Apply(w, false))
		view := snap(t, b)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { m.compare(t, view) })
		}
		for i := range 50 {
			put(t, b, s1, fmt.Sprintf("k%03d", i), "new")
		}
		wg.Wait()
	})
	t.Run("Close beside readers and the writer is clean", func(t *testing.T) {
		for range 5 {
			testCloseBeside(t, h)
		}
	})
}

// stampSpaces hold the stamps of testTorn, several keys each.
var stampSpaces = []engine.Space{s0, s1, s255}

const stampKeys = 5

// testTorn writes one stamp to all keys of all spaces with each batch, in three ways, and readers
// look for two different stamps in one snapshot.
func testTorn(t *testing.T, h Harness) {
	b := h.fresh(t)
	var done atomic.Bool
	var wg sync.WaitGroup
	var seen atomic.Int64
	for range 3 {
		wg.Go(func() {
			last := uint64(0)
			for !done.Load() && !t.Failed() {
				stamp, err := readStamp(b)
				if err != nil {
					t.Error(err)
					return
				}
				if stamp < last {
					t.Errorf("stamp %d after %d", stamp, last)
				}
				last = stamp
				seen.Add(1)
				b.Stats()
			}
		})
	}
	batches := uint64(400)
	if b.Caps().AlwaysSync || testing.Short() {
		batches = 100
	}
	w := b.NewBatch()
	n, reads := uint64(1), int64(cycles(500, 3000))
	// Bounded, because every iterator of pebble sorts the range deletions of its memtable again.
	const most = 5000
	for ; (n <= batches || n <= most && seen.Load() < reads) && !t.Failed(); n++ {
		w.Reset()
		writeStamp(w, n)
		if err := b.Apply(w, n%50 == 0); err != nil {
			t.Errorf("apply: %v", err)
			break
		}
	}
	done.Store(true)
	wg.Wait()
	if stamp, err := readStamp(b); err != nil || stamp != n-1 {
		t.Errorf("the last stamp is %d, %v, want %d", stamp, err, n-1)
	}
}

func writeStamp(w engine.Batch, n uint64) {
	value := binary.BigEndian.AppendUint64(nil, n)
	for _, s := range stampSpaces {
		switch n % 3 {
		case 0:
			w.DeleteRange(s, nil, nil)
		case 1:
			for k := range stampKeys {
				w.Delete(s, []byte{byte(k + 1)})
			}
		}
		for k := range stampKeys {
			w.Set(s, []byte{byte(k + 1)}, value)
		}
	}
}

// readStamp returns the stamp of a new snapshot, 0 for none, and an error for two.
func readStamp(b engine.Backend) (uint64, error) {
	view, err := b.Snapshot()
	if err != nil {
		return 0, err
	}
	defer view.Close()
	first, err := view.Get(nil, stampSpaces[0], []byte{1})
	if errors.Is(err, engine.ErrNotFound) {
		first = nil
	} else if err != nil {
		return 0, err
	}
	want := stampKeys
	if first == nil {
		want = 0
	}
	for i, s := range stampSpaces {
		it := view.Scan(s, nil, nil)
		if i == 1 {
			it = view.ScanBack(s, nil, nil)
		}
		n := 0
		for ; it.Next(); n++ {
			if string(it.Value()) != string(first) {
				return 0, fmt.Errorf("torn batch: space %d has stamp %x beside %x", s, it.Value(), first)
			}
		}
		if err := it.Close(); err != nil {
			return 0, err
		}
		if n != want {
			return 0, fmt.Errorf("torn batch: space %d has %d keys, want %d", s, n, want)
		}
	}
	if first == nil {
		return 0, nil
	}
	return binary.BigEndian.Uint64(first), nil
}

func testCloseBeside(t *testing.T, h Harness) {
	b := h.fresh(t)
	put(t, b, s1, "k", "v")
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 1000 { // bounded, or Close may never find all three between two views
				runtime.Gosched()
				view, err := b.Snapshot()
				if errors.Is(err, engine.ErrClosed) {
					return
				}
				if err != nil {
					t.Errorf("snapshot: %v", err)
					return
				}
				if _, err := view.Get(nil, s1, []byte("k")); err != nil {
					t.Errorf("get: %v", err)
				}
				it := view.Scan(s1, nil, nil)
				it.Next()
				if err := it.Close(); err != nil {
					t.Errorf("iterator: %v", err)
				}
				b.Stats()
				b.Caps()
				if err := view.Close(); err != nil {
					t.Errorf("close of a snapshot: %v", err)
				}
			}
		})
	}
	wg.Go(func() {
		w := b.NewBatch()
		w.Set(s7, []byte("k"), []byte("v"))
		for range 1000 {
			if err := b.Apply(w, false); errors.Is(err, engine.ErrClosed) {
				return
			} else if err != nil {
				t.Errorf("apply: %v", err)
				return
			}
		}
	})
	for {
		err := b.Close()
		if err == nil {
			break
		}
		if !errors.Is(err, engine.ErrBusy) {
			t.Errorf("close: %v", err)
			break
		}
		runtime.Gosched()
	}
	wg.Wait()
}
