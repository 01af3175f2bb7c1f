package bolt_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/bolt"
)

const (
	bufKeys    = 100_000
	bufPending = 5_000
)

// benchStores opens a bare store and a Buffered one with the same content; the second also holds
// pending writes, which stay pending: its interval is an hour.
func benchStores(b *testing.B, interval time.Duration) (bare, buffered engine.Backend) {
	b.Helper()
	var stores [2]engine.Backend
	for i := range stores {
		s, err := bolt.Open(b.TempDir(), bolt.Options{})
		if err != nil {
			b.Fatal(err)
		}
		w := s.NewBatch()
		for k := range bufKeys {
			w.Set(1, bufKey(k), make([]byte, 256))
		}
		if err := s.Apply(w, true); err != nil {
			b.Fatal(err)
		}
		stores[i] = s
	}
	u, err := engine.Buffered(stores[1], engine.Policy{Interval: interval})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { stores[0].Close(); u.Close() })
	return stores[0], u
}

func bufKey(i int) []byte { return fmt.Appendf(nil, "key%013d", i) }

// BenchmarkBufferedWrite puts one key an operation: synced over bolt, grouped over Buffered.
func BenchmarkBufferedWrite(b *testing.B) {
	bare, grouped := benchStores(b, 100*time.Millisecond)
	for _, c := range []struct {
		via  string
		db   engine.Backend
		sync bool
	}{{"bare", bare, true}, {"buffered", grouped, false}} {
		b.Run("op=put/via="+c.via, func(b *testing.B) {
			b.ReportAllocs()
			r := rand.New(rand.NewPCG(1, 1))
			w, value := c.db.NewBatch(), make([]byte, 256)
			for b.Loop() {
				w.Reset()
				w.Set(1, bufKey(r.IntN(bufKeys)), value)
				if err := c.db.Apply(w, c.sync); err != nil {
					b.Fatal(err)
				}
			}
			if err := c.db.Sync(); err != nil { // what is pending belongs to the work
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkBufferedRead reads beside 5,000 pending writes: Snapshot, Get or a scan of 100 whose
// pairs are copied, Close. slower is the ratio of the two by turns that alternate.
func BenchmarkBufferedRead(b *testing.B) {
	bare, buffered := benchStores(b, time.Hour)
	r := rand.New(rand.NewPCG(1, 1))
	for range bufPending {
		w := buffered.NewBatch()
		w.Set(1, bufKey(r.IntN(bufKeys)), make([]byte, 256))
		if err := buffered.Apply(w, false); err != nil {
			b.Fatal(err)
		}
	}
	for name, read := range map[string]func(engine.Snapshot, []byte) error{"get": readOne, "scan": readMany} {
		b.Run("op="+name, func(b *testing.B) {
			var spent [2]time.Duration
			for turn := 0; b.Loop(); turn++ {
				for i := range 2 {
					side := (i + turn) % 2
					start := time.Now()
					readTurn(b, []engine.Backend{bare, buffered}[side], r, read)
					spent[side] += time.Since(start)
				}
			}
			b.ReportMetric(float64(spent[1])/float64(max(1, spent[0])), "slower")
		})
	}
}

func readTurn(b *testing.B, db engine.Backend, r *rand.Rand, read func(engine.Snapshot, []byte) error) {
	for range 200 {
		sn, err := db.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		if err := read(sn, bufKey(r.IntN(bufKeys-100))); err != nil {
			b.Fatal(err)
		}
		if err := sn.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func readOne(sn engine.Snapshot, key []byte) error {
	var room [512]byte
	_, err := sn.Get(room[:0], 1, key)
	return err
}

func readMany(sn engine.Snapshot, key []byte) error {
	var room [512]byte
	it, n := sn.Scan(1, key, nil), 0
	for w := engine.Walk(it, 100); w.Next(); {
		for _, p := range w.Run() {
			_ = append(append(room[:0], p.Key...), p.Value...)
			n++
		}
	}
	if n != 100 {
		return fmt.Errorf("scan saw %d keys", n)
	}
	return it.Close()
}
