package mvcctest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/mvcc"
)

// testWatches is what watches must do on every engine and index.
func testWatches(t *testing.T, h Harness) {
	t.Run("a watch begins in the past, now, or in the future", func(t *testing.T) { testWatchStarts(t, h) })
	t.Run("a watch that begins below the compacted revision is told so, and one at it is served", func(t *testing.T) { testWatchCompacted(t, h) })
	t.Run("events carry what the key was before, as far as it is kept", func(t *testing.T) { testWatchPrev(t, h) })
	t.Run("filters leave events out", func(t *testing.T) { testWatchFilters(t, h) })
	t.Run("progress comes when all was told, and not while a watch has not begun", func(t *testing.T) { testWatchProgress(t, h) })
	t.Run("a revision is told as a whole, however large", func(t *testing.T) { testWatchWhole(t, h) })
	t.Run("a slow watch holds up nobody, and misses nothing", func(t *testing.T) { testWatchSlow(t, h) })
	t.Run("a watch goes on where it was when the store is opened again", func(t *testing.T) { testWatchReopened(t, h) })
}

// listener is a stream of a house, and what it answers in words.
type listener struct {
	t  *testing.T
	st *mvcc.Stream
}

// tune opens a stream of a hub of its own.
func (x *house) tune(t *testing.T, c mvcc.HubConfig) listener {
	t.Helper()
	hub, err := mvcc.NewHub(x.store, c)
	must(t, err)
	st, err := hub.Stream()
	must(t, err)
	return listener{t, st}
}

// watch begins a watch of everything and takes the answer to it.
func (l listener) watch(c mvcc.WatchConfig) {
	l.t.Helper()
	if c.Key == nil {
		c.Range = true
	}
	id, err := l.st.Watch(c)
	must(l.t, err)
	if r := l.next(); r.Kind != mvcc.CreatedResponse || r.ID != id {
		l.t.Fatalf("the first response is %+v", r)
	}
}

func (l listener) next() mvcc.Response {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	r, err := l.st.Next(ctx)
	must(l.t, err)
	return r
}

// want takes responses until they make a text as long as want, and compares.
func (l listener) want(want string) {
	l.t.Helper()
	got := ""
	for len(got) < len(want) {
		r := l.next()
		switch r.Kind {
		case mvcc.EventsResponse:
			for i := range r.Events {
				got += eventText(&r.Events[i]) + " "
			}
		case mvcc.CanceledResponse:
			got += fmt.Sprintf("canceled@%d ", r.CompactRev)
		case mvcc.ProgressResponse:
			got += fmt.Sprintf("progress@%d ", r.Revision)
		default:
			l.t.Fatalf("unexpected %+v", r)
		}
	}
	if got != want {
		l.t.Fatalf("got  %s\nwant %s", got, want)
	}
}

func eventText(e *mvcc.Event) string {
	text := fmt.Sprintf("%s=%s@%d", e.Key, e.Value, e.ModRevision)
	if e.Tombstone {
		text = fmt.Sprintf("-%s@%d", e.Key, e.ModRevision)
	}
	if e.Prev != nil {
		text += fmt.Sprintf("(%s@%d)", e.Prev.Value, e.Prev.ModRevision)
	}
	return text
}

// write commits revisions in one commit: "a=1" puts, "-a" deletes, ";" begins the next.
func write(t *testing.T, s *mvcc.Store, text string) {
	t.Helper()
	commit(t, s, func(w *mvcc.Txn) {
		for _, word := range strings.Fields(text) {
			switch key, value, put := strings.Cut(word, "="); {
			case word == ";":
				w.Next()
			case put:
				_, err := w.Put([]byte(key), []byte(value), 0)
				must(t, err)
			default:
				_, err := w.Delete([]byte(word[1:]))
				must(t, err)
			}
		}
	})
}

func testWatchStarts(t *testing.T, h Harness) {
	x := h.build(t)
	write(t, x.store, "a=1 ; b=1 ; a=2") // 2, 3, 4
	past, now, future := x.tune(t, mvcc.HubConfig{}), x.tune(t, mvcc.HubConfig{}), x.tune(t, mvcc.HubConfig{})
	past.watch(mvcc.WatchConfig{StartRev: 3})
	now.watch(mvcc.WatchConfig{Key: []byte("a")})
	future.watch(mvcc.WatchConfig{StartRev: 6})
	past.want("b=1@3 a=2@4 ")
	write(t, x.store, "a=3 b=3 ; a=4 ; -b") // 5, 6, 7
	past.want("a=3@5 b=3@5 a=4@6 -b@7 ")
	now.want("a=3@5 a=4@6 ")
	future.want("a=4@6 -b@7 ")
}

func testWatchCompacted(t *testing.T, h Harness) {
	x := h.build(t)
	write(t, x.store, "a=1 ; a=2 ; b=1 ; a=3") // 2 to 5
	l := x.tune(t, mvcc.HubConfig{})
	compact(t, x.store, 4)
	l.watch(mvcc.WatchConfig{StartRev: 3})
	l.want("canceled@4 ")
	l.watch(mvcc.WatchConfig{StartRev: 4})
	l.want("b=1@4 a=3@5 ")
	write(t, x.store, "a=4") // 6
	l.want("a=4@6 ")
}

func testWatchPrev(t *testing.T, h Harness) {
	x := h.build(t)
	write(t, x.store, "a=1 ; a=2") // 2, 3
	l := x.tune(t, mvcc.HubConfig{})
	l.watch(mvcc.WatchConfig{PrevKV: true, StartRev: 2})
	l.want("a=1@2 a=2@3(1@2) ")
	write(t, x.store, "a=3 a=4 b=1 ; -a ; a=5 ; -b a=6 -a a=7") // 4 to 7
	// Before a revision is before all of it; a key that was created in it was nothing before.
	l.want("a=3@4(2@3) a=4@4(2@3) b=1@4 -a@5(4@4) a=5@6 -b@7(1@4) a=6@7(5@6) -a@7(5@6) a=7@7 ")
	compact(t, x.store, 7)
	l.watch(mvcc.WatchConfig{PrevKV: true, StartRev: 7, ID: 5})
	l.want("-b@7 a=7@7 ") // of the compacted revision what is left
}

func testWatchFilters(t *testing.T, h Harness) {
	x := h.build(t)
	puts, deletes, some := x.tune(t, mvcc.HubConfig{}), x.tune(t, mvcc.HubConfig{}), x.tune(t, mvcc.HubConfig{})
	puts.watch(mvcc.WatchConfig{NoDelete: true})
	deletes.watch(mvcc.WatchConfig{NoPut: true})
	some.watch(mvcc.WatchConfig{Key: []byte("b"), Range: true, End: []byte("d")})
	write(t, x.store, "a=1 b=1 ; -a ; c=1 ; -b d=1 ; a=2") // 2 to 6
	puts.want("a=1@2 b=1@2 c=1@4 d=1@5 a=2@6 ")
	deletes.want("-a@3 -b@5 ")
	some.want("b=1@2 c=1@4 -b@5 ")
}

func testWatchProgress(t *testing.T, h Harness) {
	x := h.build(t)
	l := x.tune(t, mvcc.HubConfig{})
	l.watch(mvcc.WatchConfig{Key: []byte("a")})
	write(t, x.store, "b=1 ; b=2") // 2, 3
	must(t, l.st.RequestProgress(mvcc.AllWatches))
	l.want("progress@3 ")
	write(t, x.store, "a=1 ; b=3") // 4, 5
	must(t, l.st.RequestProgress(0))
	l.want("a=1@4 progress@5 ")
	l.watch(mvcc.WatchConfig{Key: []byte("a"), StartRev: 8})
	must(t, l.st.RequestProgress(mvcc.AllWatches)) // is not answered: one has not begun
	write(t, x.store, "a=2 ; b=4 ; a=3")           // 6, 7, 8
	l.want("a=2@6 a=3@8 a=3@8 ")
	must(t, l.st.RequestProgress(mvcc.AllWatches))
	l.want("progress@8 ")
}

func testWatchWhole(t *testing.T, h Harness) {
	x := h.build(t)
	c := mvcc.HubConfig{QueueEvents: 10, ChunkEvents: 5, ChunkBytes: 100, ChunkRevisions: 2}
	now, past := x.tune(t, c), x.tune(t, c)
	now.watch(mvcc.WatchConfig{})
	const many = 300
	words := make([]string, many)
	for i := range words {
		words[i] = fmt.Sprintf("k%03d=%d", i, i)
	}
	write(t, x.store, "first=1 ; "+strings.Join(words, " ")+" ; last=1") // 2, 3, 4
	past.watch(mvcc.WatchConfig{StartRev: 2})
	for _, l := range []listener{now, past} {
		l.want("first=1@2 ")
		if r := l.next(); r.Kind != mvcc.EventsResponse || len(r.Events) != many || r.Revision != 3 {
			t.Errorf("%v response with %d events, revision %d: want the %d of revision 3", r.Kind, len(r.Events), r.Revision, many)
		}
		l.want("last=1@4 ")
	}
}

func testWatchSlow(t *testing.T, h Harness) {
	x := h.build(t)
	c := mvcc.HubConfig{QueueEvents: 20, QueueBytes: 4000}
	slow, fast, lost := x.tune(t, c), x.tune(t, c), x.tune(t, c)
	slow.watch(mvcc.WatchConfig{})
	fast.watch(mvcc.WatchConfig{})
	lost.watch(mvcc.WatchConfig{})
	want, rev := "", int64(1)
	for i := range 20 { // each time as many events as a queue takes, or more
		text, told := "", ""
		for k := range 20 {
			rev++
			text += fmt.Sprintf("k%d=%d ; ", k, i)
			told += fmt.Sprintf("k%d=%d@%d ", k, i, rev)
		}
		write(t, x.store, text)
		fast.want(told)
		want += told
	}
	slow.want(want)
	compact(t, x.store, rev-5)
	for r := lost.next(); ; r = lost.next() { // what it has in its queue is told yet
		if r.Kind == mvcc.CanceledResponse {
			if r.CompactRev != rev-5 {
				t.Errorf("canceled with %d, want %d", r.CompactRev, rev-5)
			}
			break
		}
		if r.Revision >= rev-5 {
			t.Fatalf("told of %d although it missed what is before", r.Revision)
		}
	}
	lost.watch(mvcc.WatchConfig{StartRev: rev - 1, ID: 9})
	lost.want(fmt.Sprintf("k18=19@%d k19=19@%d ", rev-1, rev))
}

func testWatchReopened(t *testing.T, h Harness) {
	x := h.build(t)
	l := x.tune(t, mvcc.HubConfig{QueueEvents: 2, ChunkRevisions: 2})
	l.watch(mvcc.WatchConfig{PrevKV: true})
	write(t, x.store, "a=1 ; a=2 ; a=3 ; a=4") // 2 to 5
	r := l.next()
	told := r.Revision
	if told < 2 || told >= 5 {
		t.Fatalf("told up to %d at once, want a part", told)
	}
	x.reopen(t)
	if _, err := l.st.Next(t.Context()); err == nil {
		t.Error("a watch outlives its store")
	}
	l = x.tune(t, mvcc.HubConfig{})
	l.watch(mvcc.WatchConfig{PrevKV: true, StartRev: told + 1})
	write(t, x.store, "a=5") // 6
	want := ""
	for rev := told + 1; rev <= 6; rev++ {
		want += fmt.Sprintf("a=%d@%d(%d@%d) ", rev-1, rev, rev-2, rev-1)
	}
	l.want(want)
}
