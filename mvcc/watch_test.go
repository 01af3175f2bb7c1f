package mvcc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/internal/seedtest"
	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
)

func put(tb testing.TB, s *Store, keys ...string) int64 {
	tb.Helper()
	t, err := s.Begin()
	if err != nil {
		tb.Fatal(err)
	}
	for _, k := range keys {
		if _, err := t.Put([]byte(k), []byte("value of "+k), 7); err != nil {
			tb.Fatal(err)
		}
	}
	rev, err := t.Commit(false)
	if err != nil {
		tb.Fatal(err)
	}
	return rev
}

func next(tb testing.TB, st interface {
	Next(context.Context) (Response, error)
}) Response {
	tb.Helper()
	r, err := st.Next(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// nothing fails if there is a response.
func nothing(tb testing.TB, st *Stream) {
	tb.Helper()
	for {
		switch r, state, err := st.step(); {
		case err != nil:
			tb.Fatal(err)
		case state == stepAnswer:
			tb.Fatalf("unexpected response %+v", r)
		case state == stepIdle:
			return
		}
	}
}

func TestBadWatches(t *testing.T) {
	s, h := openWatched(t, HubConfig{MaxWatches: 3})
	st, err := h.Stream()
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for _, c := range []struct {
		name string
		c    WatchConfig
		want error
	}{
		{"of no key are refused", WatchConfig{}, ErrEmptyKey},
		{"with an end but no range are refused", WatchConfig{Key: []byte("a"), End: []byte("b")}, ErrInvertedRange},
		{"with an empty end but no range are refused", WatchConfig{Key: []byte("a"), End: []byte{}}, ErrInvertedRange},
		{"of an inverted range are refused", WatchConfig{Key: []byte("b"), End: []byte("a"), Range: true}, ErrInvertedRange},
		{"of an empty range are refused", WatchConfig{Key: []byte("b"), End: []byte("b"), Range: true}, ErrInvertedRange},
		{"from a negative revision are refused", WatchConfig{Key: []byte("a"), StartRev: -1}, ErrNegative},
		{"with a negative id are refused", WatchConfig{Key: []byte("a"), ID: -1}, ErrNegative},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := st.Watch(c.c); !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
		})
	}
	if _, err := st.Watch(WatchConfig{Key: []byte("a"), ID: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Watch(WatchConfig{Key: []byte("a"), ID: 1}); !errors.Is(err, ErrDuplicateWatch) {
		t.Fatal(err)
	}
	next(t, st)
	for _, want := range []int64{0, 2} { // 1 is taken
		if id, err := st.Watch(WatchConfig{Key: []byte("a")}); err != nil || id != want {
			t.Fatalf("id %d, %v, want %d", id, err, want)
		}
		next(t, st)
	}
	if _, err := st.Watch(WatchConfig{Key: []byte("a")}); !errors.Is(err, ErrTooManyWatches) {
		t.Fatal(err)
	}
	if err := st.Cancel(9); !errors.Is(err, ErrUnknownWatch) {
		t.Fatal(err)
	}
	if err := st.RequestProgress(9); !errors.Is(err, ErrUnknownWatch) {
		t.Fatal(err)
	}
	nothing(t, st)
	if _, err := NewHub(s, HubConfig{QueueBytes: -1}); err == nil {
		t.Fatal("a negative bound was taken")
	}
}

func TestAWatchBeginsWithItsCreationAndEndsWithItsCancellation(t *testing.T) {
	s, h := openWatched(t, HubConfig{})
	st, err := h.Stream()
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	put(t, s, "a")
	id, err := st.Watch(WatchConfig{Key: []byte("a"), StartRev: 2})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a")
	if r := next(t, st); r.Kind != CreatedResponse || r.ID != id || r.Revision != 2 {
		t.Fatalf("%+v", r)
	}
	if r := next(t, st); r.Kind != EventsResponse || len(r.Events) != 1 || r.Events[0].Rev.Main != 2 || r.Events[0].Lease != 7 {
		t.Fatalf("%+v", r)
	}
	put(t, s, "a")
	if err := st.Cancel(id); err != nil {
		t.Fatal(err)
	}
	if r := next(t, st); r.Kind != CanceledResponse || r.ID != id || r.CompactRev != 0 {
		t.Fatalf("%+v", r)
	}
	put(t, s, "a")
	nothing(t, st)
}

func TestACompactedStartIsCanceledWithTheCompactedRevision(t *testing.T) {
	s, h := openWatched(t, HubConfig{})
	for range 5 {
		put(t, s, "a", "b")
	}
	if err := s.Compact(4); err != nil {
		t.Fatal(err)
	}
	w, err := h.Watch(WatchConfig{Key: []byte("a"), StartRev: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for range 2 {
		var gone *CompactedError
		if _, err := w.Next(t.Context()); !errors.As(err, &gone) || gone.CompactRev != 4 || !errors.Is(err, ErrCompacted) {
			t.Fatal(err)
		}
	}
	at, err := h.Watch(WatchConfig{Key: []byte("a"), StartRev: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	if r := next(t, at); len(r.Events) != 3 || r.Events[0].Rev.Main != 4 {
		t.Fatalf("%+v", r)
	}
}

func TestAKeyDeletedAndCreatedInOneRevisionWasNothingBefore(t *testing.T) {
	s, h := openWatched(t, HubConfig{})
	put(t, s, "a")
	now, err := h.Watch(WatchConfig{Key: []byte("a"), PrevKV: true})
	if err != nil {
		t.Fatal(err)
	}
	defer now.Close()
	txn, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := txn.Delete([]byte("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := txn.Put([]byte("a"), []byte("new"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := txn.Commit(false); err != nil {
		t.Fatal(err)
	}
	past, err := h.Watch(WatchConfig{Key: []byte("a"), PrevKV: true, StartRev: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer past.Close()
	for _, w := range []*Watcher{now, past} {
		r := next(t, w)
		if len(r.Events) != 2 || r.Events[0].Prev == nil || r.Events[0].Prev.ModRevision != 2 || r.Events[1].Prev != nil {
			t.Fatalf("%+v", r)
		}
	}
}

func TestProgress(t *testing.T) {
	newStream := func(t *testing.T) (*Store, *Stream) {
		s, h := openWatched(t, HubConfig{QueueEvents: 2, ChunkRevisions: 1})
		st, err := h.Stream()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		return s, st
	}
	watch := func(t *testing.T, st *Stream, c WatchConfig) int64 {
		id, err := st.Watch(c)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	ask := func(t *testing.T, st *Stream, id int64) {
		if err := st.RequestProgress(id); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("comes behind the events that were there when it was asked for", func(t *testing.T) {
		s, st := newStream(t)
		watch(t, st, WatchConfig{Key: []byte("a")})
		next(t, st)
		put(t, s, "a")
		ask(t, st, AllWatches)
		if r := next(t, st); r.Kind != EventsResponse {
			t.Fatalf("%+v", r)
		}
		if r := next(t, st); r.Kind != ProgressResponse || r.ID != AllWatches || r.Revision != 2 {
			t.Fatalf("%+v", r)
		}
		nothing(t, st)
	})
	t.Run("tells of revisions that no watch was told of", func(t *testing.T) {
		s, st := newStream(t)
		id := watch(t, st, WatchConfig{Key: []byte("a")})
		put(t, s, "b")
		put(t, s, "b")
		ask(t, st, id)
		next(t, st)
		if r := next(t, st); r.Kind != ProgressResponse || r.ID != id || r.Revision != 3 {
			t.Fatalf("%+v", r)
		}
	})
	t.Run("is silent while a watch is lagging", func(t *testing.T) {
		s, st := newStream(t)
		id := watch(t, st, WatchConfig{Key: []byte("a")})
		put(t, s, "b")
		watch(t, st, WatchConfig{Key: []byte("b"), StartRev: 2})
		ask(t, st, AllWatches)
		for range 3 {
			if r := next(t, st); r.Kind == ProgressResponse {
				t.Fatalf("%+v", r)
			}
		}
		nothing(t, st)
		ask(t, st, id)
		next(t, st)
		ask(t, st, AllWatches)
		next(t, st)
	})
	t.Run("is withdrawn when a lagging watch comes before the answer", func(t *testing.T) {
		s, st := newStream(t)
		watch(t, st, WatchConfig{Key: []byte("a")})
		for range 3 {
			put(t, s, "b")
		}
		ask(t, st, AllWatches)
		watch(t, st, WatchConfig{Key: []byte("b"), StartRev: 2})
		for range 5 {
			if r := next(t, st); r.Kind == ProgressResponse {
				t.Fatalf("%+v", r)
			}
		}
		nothing(t, st)
	})
	t.Run("is silent for a watch that starts later", func(t *testing.T) {
		s, st := newStream(t)
		id := watch(t, st, WatchConfig{Key: []byte("a"), StartRev: 3})
		next(t, st)
		put(t, s, "b")
		ask(t, st, id)
		ask(t, st, AllWatches)
		nothing(t, st)
		put(t, s, "b")
		ask(t, st, AllWatches)
		if r := next(t, st); r.Kind != ProgressResponse || r.Revision != 3 {
			t.Fatalf("%+v", r)
		}
	})
	t.Run("is silent while the stream is behind", func(t *testing.T) {
		s, st := newStream(t)
		watch(t, st, WatchConfig{Key: []byte("a")})
		next(t, st)
		for range 4 {
			put(t, s, "a")
		}
		ask(t, st, AllWatches)
		for range 3 {
			if r := next(t, st); r.Kind == ProgressResponse {
				t.Fatalf("%+v", r)
			}
		}
		nothing(t, st)
	})
}

func TestWhoWaitsIsTold(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(s *Store, h *Hub, st *Stream) error
		want error // nil: a response
	}{
		{"of a commit", func(s *Store, _ *Hub, _ *Stream) error { put(t, s, "a"); return nil }, nil},
		{"of a revision larger than the queue", func(s *Store, _ *Hub, _ *Stream) error { put(t, s, "a", "b", "c"); return nil }, nil},
		{"of a cancellation", func(_ *Store, _ *Hub, st *Stream) error { return st.Cancel(0) }, nil},
		{"of progress", func(_ *Store, _ *Hub, st *Stream) error { return st.RequestProgress(0) }, nil},
		{"of a new watch", func(_ *Store, _ *Hub, st *Stream) error {
			_, err := st.Watch(WatchConfig{Key: []byte("b")})
			return err
		}, nil},
		{"that the stream was closed", func(_ *Store, _ *Hub, st *Stream) error { return st.Close() }, ErrWatchEnded},
		{"that the hub was closed", func(_ *Store, h *Hub, _ *Stream) error { return h.Close() }, ErrWatchEnded},
		{"that the store was closed", func(s *Store, _ *Hub, _ *Stream) error { return s.Close() }, ErrClosed},
		{"that the store has stopped", func(s *Store, _ *Hub, _ *Stream) error { s.stop("test", errors.New("cause")); return nil }, ErrStopped},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, h := openWatched(t, HubConfig{QueueEvents: 2})
				st, err := h.Stream()
				if err != nil {
					t.Fatal(err)
				}
				defer st.Close()
				if _, err := st.Watch(WatchConfig{Range: true}); err != nil {
					t.Fatal(err)
				}
				next(t, st)
				var wg sync.WaitGroup
				defer wg.Wait()
				wg.Go(func() {
					if _, err := st.Next(t.Context()); !errors.Is(err, c.want) {
						t.Errorf("%v, want %v", err, c.want)
					}
				})
				synctest.Wait() // it waits
				if err := c.do(s, h, st); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestNextEndsWithItsContextAndLosesNothing(t *testing.T) {
	s, h := openWatched(t, HubConfig{})
	w, err := h.Watch(WatchConfig{Key: []byte("a")})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		if _, err := w.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	put(t, s, "a")
	if r := next(t, w); len(r.Events) != 1 {
		t.Fatalf("%+v", r)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); !errors.Is(err, ErrWatchEnded) {
		t.Fatal(err)
	}
}

// TestWatchesBesideAWriter runs a writer and many readers at once; each reader checks
// that its events are gapless, in order and whole.
func TestWatchesBesideAWriter(t *testing.T) {
	first := seedtest.Of(t)
	s, h := openWatched(t, HubConfig{QueueEvents: 20, QueueBytes: 8 << 10, ChunkRevisions: 16, ChunkEvents: 32})
	const revisions, readers = 3000, 8
	var wg sync.WaitGroup
	for n := range readers {
		wg.Go(func() { readAll(t, h, rand.New(rand.NewPCG(first, uint64(n))), revisions+1) })
	}
	wg.Go(func() { // streams that come and go, and are hardly read
		for n := range 200 {
			st, err := h.Stream()
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 4 {
				if _, err := st.Watch(WatchConfig{Key: []byte(testKey(i)), StartRev: int64(i % 2), PrevKV: true}); err != nil {
					t.Error(err)
				}
			}
			st.Next(t.Context())
			if n%2 == 0 {
				st.Cancel(1)
				st.Next(t.Context())
			}
			st.Close()
		}
	})
	r := rand.New(rand.NewPCG(first, 99))
	for rev := int64(2); rev < revisions+2; rev++ {
		// Revision rev puts rev%3+1 keys.
		keys := make([]string, rev%3+1)
		for i, k := range r.Perm(10)[:len(keys)] {
			keys[i] = testKey(k)
		}
		put(t, s, keys...)
	}
	wg.Wait()
}

// readAll watches everything from revision 2 to last, changing to a new watch now and then.
func readAll(t *testing.T, h *Hub, r *rand.Rand, last int64) {
	for from := int64(2); from <= last; {
		w, err := h.Watch(WatchConfig{Range: true, StartRev: from, PrevKV: r.IntN(2) == 0})
		if err != nil {
			t.Error(err)
			return
		}
		for n := r.IntN(200); n >= 0 && from <= last; n-- {
			res, err := w.Next(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			sub := int64(0)
			for _, e := range res.Events {
				if e.Rev.Main != from || e.Rev.Sub != sub {
					t.Errorf("event %v, want %d.%d", e.Rev, from, sub)
					return
				}
				if sub++; sub == from%3+1 {
					from, sub = from+1, 0
				}
			}
			if sub != 0 || res.Revision != from-1 {
				t.Errorf("response up to %d ends in %d.%d", res.Revision, from, sub)
				return
			}
		}
		w.Close()
	}
}

func TestADamagedRecordEndsTheStream(t *testing.T) {
	b, err := mem.Open(mem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Config{Backend: b, Index: packed.New()})
	if err != nil {
		t.Fatal(err)
	}
	h, err := NewHub(s, HubConfig{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a")
	rev := put(t, s, "a")
	put(t, s, "a")
	w, err := h.Watch(WatchConfig{Key: []byte("a"), PrevKV: true}) // reads the record for the next event
	if err != nil {
		t.Fatal(err)
	}
	batch := b.NewBatch()
	for _, main := range []int64{rev, rev + 1} {
		batch.Set(spaceRecords, appendRevKey(nil, index.Revision{Main: main}), []byte("this is no record of the store"))
	}
	if err := b.Apply(batch, false); err != nil {
		t.Fatal(err)
	}
	s.views.drop()
	past, err := h.Watch(WatchConfig{Key: []byte("a"), StartRev: 2})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a")
	for _, w := range []*Watcher{w, past} {
		for range 2 {
			var damage *CorruptError
			if _, err := w.Next(t.Context()); !errors.As(err, &damage) || !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%v, want a CorruptError", err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestACommitThatFailsIsNotTold(t *testing.T) {
	b, err := mem.Open(mem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	failing := &failingBackend{Backend: b}
	s, err := Open(t.Context(), Config{Backend: failing, Index: packed.New()})
	if err != nil {
		t.Fatal(err)
	}
	h, err := NewHub(s, HubConfig{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := h.Watch(WatchConfig{Key: []byte("a")})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	failing.fail = true
	txn, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := txn.Put([]byte("a"), nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := txn.Commit(false); !errors.Is(err, ErrStopped) {
		t.Fatal(err)
	}
	if r, err := w.Next(t.Context()); !errors.Is(err, ErrStopped) {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

type failingBackend struct {
	engine.Backend
	fail bool
}

func (b *failingBackend) Apply(batch engine.Batch, sync bool) error {
	if b.fail {
		return fmt.Errorf("%w: as the test wants", engine.ErrFailed)
	}
	return b.Backend.Apply(batch, sync)
}
