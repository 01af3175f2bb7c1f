package bolt_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/bolt"
)

// bufPending is how many writes are pending beside reads: the mean of a buffer of 10,000.
const bufPending = 5_000

// benchStore opens a store of that many keys.
func benchStore(b *testing.B, keys int) engine.Backend {
	b.Helper()
	s, err := bolt.Open(b.TempDir(), bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	w, value := s.NewBatch(), make([]byte, 256)
	for k := range keys {
		w.Set(1, bufKey(k), value)
		if k+1 == keys || w.Len() == 100_000 {
			if err := s.Apply(w, true); err != nil {
				b.Fatal(err)
			}
			w.Reset()
		}
	}
	return s
}

// benchBuffered opens a Buffered store of that many keys, and returns what is inside it too.
func benchBuffered(b *testing.B, keys int, interval time.Duration) (inner, buffered engine.Backend) {
	b.Helper()
	inner = benchStore(b, keys)
	buffered, err := engine.Buffered(inner, engine.Policy{Interval: interval})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { buffered.Close() })
	return inner, buffered
}

// bufKey has 40 bytes.
func bufKey(i int) []byte { return fmt.Appendf(nil, "key%037d", i) }

// BenchmarkBufferedWrite puts one key an operation: synced over bolt, grouped over Buffered.
func BenchmarkBufferedWrite(b *testing.B) {
	const keys = 100_000
	bare := benchStore(b, keys)
	b.Cleanup(func() { bare.Close() })
	_, grouped := benchBuffered(b, keys, 100*time.Millisecond)
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
				w.Set(1, bufKey(r.IntN(keys)), value)
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

// BenchmarkBufferedRead reads beside 5,000 pending overwrites of random keys, which stay pending:
// Snapshot, Get or a scan of 100 whose pairs are copied, Close. A scan meets 5 of them in a store of
// 100,000 keys, and one in two scans meets one in a store of 1,000,000. Both sides read the same pages:
// the bare one what is inside the Buffered. slower is the ratio of the two by turns that alternate.
func BenchmarkBufferedRead(b *testing.B) {
	for _, keys := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) { benchReads(b, keys) })
	}
}

func benchReads(b *testing.B, keys int) {
	bare, buffered := benchBuffered(b, keys, time.Hour)
	r := rand.New(rand.NewPCG(1, 1))
	w, value := buffered.NewBatch(), make([]byte, 256)
	for range bufPending {
		w.Reset()
		w.Set(1, bufKey(r.IntN(keys)), value)
		if err := buffered.Apply(w, false); err != nil {
			b.Fatal(err)
		}
	}
	if n := visitAll(b, buffered); n != keys { // the first touch of a page is the kernel's work
		b.Fatalf("the store has %d keys, want %d", n, keys)
	}
	for _, c := range []struct {
		op   string
		read func(engine.Snapshot, []byte) error
	}{{"get", readOne}, {"scan", readMany}} {
		b.Run("op="+c.op, func(b *testing.B) {
			var spent [2]time.Duration
			from := make([][]byte, 200)
			for turn := 0; b.Loop(); turn++ {
				for i := range 2 {
					for n := range from {
						from[n] = bufKey(r.IntN(keys - 100))
					}
					side := (i + turn) % 2
					start := time.Now()
					readTurn(b, []engine.Backend{bare, buffered}[side], from, c.read)
					spent[side] += time.Since(start)
				}
			}
			b.ReportMetric(float64(spent[1])/float64(max(1, spent[0])), "slower")
			b.ReportMetric(float64(spent[0].Nanoseconds())/float64(len(from)*b.N), "bare-ns")
			b.ReportMetric(float64(spent[1].Nanoseconds())/float64(len(from)*b.N), "buffered-ns")
		})
	}
}

func visitAll(b *testing.B, db engine.Backend) (n int) {
	sn, err := db.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	it, sum := sn.Scan(1, nil, nil), 0
	for w := engine.Walk(it, 0); w.Next(); {
		for _, p := range w.Run() {
			sum += int(p.Value[0])
			n++
		}
	}
	if err := errors.Join(it.Close(), sn.Close()); err != nil || sum != 0 {
		b.Fatal(err, sum)
	}
	return n
}

func readTurn(b *testing.B, db engine.Backend, from [][]byte, read func(engine.Snapshot, []byte) error) {
	for _, key := range from {
		sn, err := db.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		if err := read(sn, key); err != nil {
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
