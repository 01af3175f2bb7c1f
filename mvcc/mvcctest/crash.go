package mvcctest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/internal/seedtest"
	"github.com/etalon-kv/etalon/mvcc"
)

var applied = []byte("applied")

// writeOn has a store of h in dir write until the process is killed, and reports what was synced. Beside
// the writer are readers, a watcher and, every now and then, a compaction.
func writeOn(t *testing.T, h Harness, dir string, seed uint64, report io.Writer) {
	x := &house{h: h, dir: dir}
	x.open(t)
	var n uint64
	if v, ok, err := x.store.Meta(applied); err != nil {
		t.Fatal(err)
	} else if ok {
		n = binary.BigEndian.Uint64(v)
	}
	go func() { panic(readOn(x.store, seed)) }()
	go func() { panic(watchOn(x.store)) }()
	for {
		n++
		if step(seed, n, x.store) {
			if _, err := fmt.Fprintln(report, n); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// readOn reads at random revisions until something is wrong.
func readOn(s *mvcc.Store, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 1<<63))
	for {
		rev := max(s.Compacted(), 1)
		rev += r.Int64N(s.Rev() - rev + 1)
		res, err := s.Range(nil, nil, mvcc.RangeOptions{Rev: rev})
		switch {
		case errors.Is(err, mvcc.ErrCompacted):
		case err != nil:
			return err
		case res.Rev != rev || res.Count != int64(len(res.KVs)):
			return fmt.Errorf("%d of %d keys at %d, asked for %d", len(res.KVs), res.Count, res.Rev, rev)
		}
	}
}

// watchOn watches everything until an event is missing or out of order.
func watchOn(s *mvcc.Store) error {
	hub, err := mvcc.NewHub(s, mvcc.HubConfig{QueueEvents: 20})
	if err != nil {
		return err
	}
	st, err := hub.Stream()
	if err != nil {
		return err
	}
	if _, err := st.Watch(mvcc.WatchConfig{Range: true, PrevKV: true}); err != nil {
		return err
	}
	last := int64(0)
	for {
		r, err := st.Next(context.Background())
		switch {
		case err != nil:
			return err
		case r.Kind == mvcc.CanceledResponse: // it was too slow: a compaction has taken what it had not read
			last = 0
			if _, err := st.Watch(mvcc.WatchConfig{Range: true, StartRev: r.CompactRev}); err != nil {
				return err
			}
		case r.Kind == mvcc.EventsResponse:
			for i := range r.Events {
				rev := r.Events[i].ModRevision
				if last > 0 && rev != last && rev != last+1 {
					return fmt.Errorf("an event of revision %d after one of %d", rev, last)
				}
				last = rev
			}
		}
	}
}

// step is the n-th of the history that seed stands for: a transaction, and at times a compaction
// before it. What it does depends on seed, n and the store alone. It tells whether it was synced.
func step(seed, n uint64, s *mvcc.Store) bool {
	r := author{rand.New(rand.NewPCG(seed, n)), 40}
	if r.IntN(20) == 0 {
		// May have been done by the process that was killed.
		_ = s.Compact(max(s.Rev()-20, 1))
	}
	w, err := s.Begin()
	if err != nil {
		panic(err)
	}
	for _, a := range r.script() {
		switch a.kind {
		case "put":
			_, err = w.Put(a.lo, a.value, a.lease)
		case "delete":
			_, err = w.Delete(a.lo)
		case "next":
			w.Next()
		}
		if err != nil {
			panic(err)
		}
	}
	if err := w.SetMeta(applied, binary.BigEndian.AppendUint64(nil, n)); err != nil {
		panic(err)
	}
	sync := r.IntN(10) == 0
	if _, err := w.Commit(sync); err != nil {
		panic(err)
	}
	return sync
}

// Crash starts the test that calls it again, in a process that writes to a store and is killed,
// and looks at what is left. It must be the only thing in its test.
func Crash(t *testing.T, h Harness) {
	if isChild(t, func(dir string, seed uint64, report io.Writer) { writeOn(t, h, dir, seed, report) }) {
		return
	}
	x := &house{h: h, dir: t.TempDir()}
	x.open(t)
	persistent := x.backend.Caps().Persistent
	x.close(t, true)
	if !persistent {
		t.Skip("the engine keeps nothing: Caps.Persistent is false")
	}
	t.Run("a store killed at random moments keeps every acknowledged revision and its chain", func(t *testing.T) {
		r := seedtest.Rand(t)
		seed := r.Uint64()
		twin, n := h.build(t).store, uint64(0) // never killed
		var acked uint64
		for range rounds(2, 3) * seeds(t) {
			acked = max(acked, killOne(t, r, x.dir, seed))
			x.open(t)
			v, ok, err := x.store.Meta(applied)
			must(t, err)
			var found uint64
			if ok {
				found = binary.BigEndian.Uint64(v)
			}
			if found < acked || found < n {
				t.Fatalf("%d transactions are left, %d were acknowledged, %d were there before", found, acked, n)
			}
			for ; n < found; n++ {
				step(seed, n+1, twin)
			}
			if got, want := x.store.Rev(), twin.Rev(); got != want {
				t.Fatalf("after %d transactions: revision %d, want %d", n, got, want)
			}
			for rev := max(x.store.Compacted(), 1); rev <= twin.Rev(); rev++ {
				got, err := x.store.Chain(rev)
				must(t, err)
				want, err := twin.Chain(rev)
				must(t, err)
				if got != want {
					t.Fatalf("chain at %d is %x, want %x", rev, got, want)
				}
			}
			got, want := driven{x.store}.read(act{kind: "range"}), driven{twin}.read(act{kind: "range"})
			if got != want {
				t.Fatalf("content after %d transactions:\ngot  %s\nwant %s", n, got, want)
			}
			from := max(x.store.Compacted(), twin.Compacted(), 0)
			if got, want := (driven{x.store}).history(from, 0), (driven{twin}).history(from, 0); got != want && x.store.Compacted() == twin.Compacted() {
				t.Fatalf("history from %d after %d transactions:\ngot  %s\nwant %s", from, n, got, want)
			}
			must(t, x.store.WaitCompacted(context.Background(), x.store.Compacted()))
			x.close(t, true)
		}
		t.Logf("%d transactions, %d acknowledged", n, acked)
	})
}

// killOne starts a child, kills it at a random moment and returns the last transaction that it
// acknowledged.
func killOne(t *testing.T, r *rand.Rand, dir string, seed uint64) (acked uint64) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/a_store")
	c := startChild(t, name, dir, seed)
	for range 3 + r.IntN(20) {
		n, ok := c.number()
		if !ok {
			err := c.wait()
			t.Fatalf("the writer has ended: %v\n%s", err, &c.output)
		}
		acked = n
	}
	last, ended := c.kill(t, time.Duration(r.IntN(5000))*time.Microsecond)
	if ended {
		t.Fatalf("the writer ended by itself: %s", &c.output)
	}
	return max(acked, last)
}
