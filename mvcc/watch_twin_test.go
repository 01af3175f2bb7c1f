package mvcc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engine/enginetest"
	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/internal/seedtest"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
)

func openWatched(tb testing.TB, c HubConfig) (*Store, *Hub) {
	tb.Helper()
	b, err := mem.Open(mem.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	var kept engine.Backend = b
	if _, test := tb.(*testing.T); test {
		kept = enginetest.Poison(b) // takes memory back as early as the contract allows
	}
	s, err := Open(context.Background(), Config{Backend: kept, Index: packed.New()})
	if err != nil {
		tb.Fatal(err)
	}
	h, err := NewHub(s, c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, ErrClosed) {
			tb.Error(err)
		}
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s, h
}

// twinWatch is a watch and what it should be told.
type twinWatch struct {
	id      int64
	c       WatchConfig
	start   int64 // effective
	told    int   // changes of the history that were looked at for it
	safe    int64 // all up to here was told, so no compaction at or below may cancel it
	resume  int64 // the revision to go on with elsewhere
	created bool
}

func (w *twinWatch) wants(c *Change) bool {
	if c.Rev.Main < w.start || c.Tombstone && w.c.NoDelete || !c.Tombstone && w.c.NoPut {
		return false
	}
	k := string(c.Key)
	if !w.c.Range {
		return k == string(w.c.Key)
	}
	return k >= string(w.c.Key) && (w.c.End == nil || k < string(w.c.End))
}

// watchTwin drives one store and its streams with random steps, and holds what comes out of each
// watch against a filter over the whole history.
type watchTwin struct {
	t       *testing.T
	r       *rand.Rand
	s       *Store
	h       *Hub
	history []Change
	streams []*twinStream
	seen    map[string]int
}

type twinStream struct {
	st      *Stream
	watches map[int64]*twinWatch
	ended   map[int64]int   // canceled by Cancel, the response is still to come
	asked   map[int64]int64 // by id: the revision at the first progress request not answered yet
}

func TestWatchesAreToldWhatAFilterOverTheHistoryFinds(t *testing.T) {
	first := seedtest.Of(t)
	rounds := 150
	if testing.Short() {
		rounds = 30
	}
	seen := map[string]int{}
	for i := range rounds {
		r := rand.New(rand.NewPCG(first, uint64(i)))
		t.Run(fmt.Sprintf("round=%d", i), func(t *testing.T) {
			s, h := openWatched(t, HubConfig{
				QueueEvents: 1 + r.IntN(12), QueueBytes: 400 + r.IntN(6000), ChunkRevisions: 1 + r.IntN(6),
				ChunkEvents: 1 + r.IntN(8), ChunkBytes: 300 + r.IntN(3000),
			})
			w := &watchTwin{t: t, r: r, s: s, h: h, seen: seen}
			w.run(400)
		})
	}
	if t.Failed() || testing.Short() {
		return
	}
	for _, what := range []string{
		"behind", "lagging", "compacted", "compacted behind", "progress", "prev", "prev compacted", "delete", "restart", "future",
	} {
		if seen[what] == 0 {
			t.Errorf("no round has seen %q", what)
		}
	}
}

// during makes the reader of a stream come at the worst moments of a commit: when the store shows
// it and the hub was not told, and when the hub has queued a part of it.
func (w *watchTwin) during() {
	if _, err := w.s.observe(func([]Change) {
		for n := w.r.IntN(8); n > 0; n-- {
			w.step(w.streams[w.r.IntN(len(w.streams))])
		}
	}); err != nil {
		w.t.Fatal(err)
	}
	// The hub's part comes after that.
	w.s.observers[0], w.s.observers[1] = w.s.observers[1], w.s.observers[0]
	offer := w.h.offer
	w.h.offer = func(in interest) {
		offer(in)
		for _, ts := range w.streams {
			// Only the queue is read; for more the stream would ask the hub, which is locked.
			q := &ts.st.queue
			if ts.st.lagging == nil && (!q.behind.Load() || len(ts.st.taken) > 0 || len(q.list) > q.head && q.list[q.head].Rev.Main > w.h.rev.Load()) {
				w.step(ts)
			}
		}
	}
}

func (w *watchTwin) run(steps int) {
	w.during()
	for range 1 + w.r.IntN(3) {
		st, err := w.h.Stream()
		if err != nil {
			w.t.Fatal(err)
		}
		w.streams = append(w.streams, &twinStream{st: st, watches: map[int64]*twinWatch{}, ended: map[int64]int{}, asked: map[int64]int64{}})
	}
	for range steps {
		ts := w.streams[w.r.IntN(len(w.streams))]
		switch n := w.r.IntN(100); {
		case n < 40:
			w.commit()
		case n < 50:
			w.watch(ts, 0, nil)
		case n < 54:
			w.cancel(ts, false)
		case n < 58:
			w.cancel(ts, true)
		case n < 62:
			w.compact()
		case n < 66:
			w.ask(ts)
		case n < 68:
			w.drain(ts)
		default:
			for range w.r.IntN(6) {
				w.step(ts)
			}
		}
		for _, ts := range w.streams {
			q := &ts.st.queue
			if n := len(q.list) - q.head; n > w.h.c.QueueEvents || q.bytes > w.h.c.QueueBytes {
				w.t.Fatalf("queue has %d events in %d bytes, bounds are %d and %d", n, q.bytes, w.h.c.QueueEvents, w.h.c.QueueBytes)
			}
			if q.behind.Load() {
				w.seen["behind"]++
			}
			if len(ts.st.lagging) > 0 {
				w.seen["lagging"]++
			}
		}
	}
	for _, ts := range w.streams {
		w.drain(ts)
		if err := ts.st.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	if len(w.h.interests.keys) != 0 || w.h.interests.ranges.root != nil {
		w.t.Fatal("closed streams have left something in the hub")
	}
}

// commit writes one to three revisions at once, in buffers that are overwritten afterwards.
func (w *watchTwin) commit() {
	t, err := w.s.Begin()
	if err != nil {
		w.t.Fatal(err)
	}
	var used [][]byte
	bytesOf := func(text string) []byte {
		b := []byte(text)
		used = append(used, b)
		return b
	}
	for range 1 + w.r.IntN(3)*w.r.IntN(2) {
		perm := w.r.Perm(10)
		whole := false
		for _, k := range perm[:1+w.r.IntN(4)] {
			if whole {
				break // of a key written twice in a revision that is compacted only the last is left
			}
			switch {
			case w.r.IntN(12) == 0 && t.sub == 0:
				whole = true
				_, err = t.DeleteRange(bytesOf(testKey(k)), bytesOf(testKey(k+4)))
			case w.r.IntN(3) == 0:
				_, err = t.Delete(bytesOf(testKey(k)))
			default:
				value := bytes.Repeat([]byte{'v'}, w.r.IntN(60))
				_, err = t.Put(bytesOf(testKey(k)), bytesOf(fmt.Sprintf("%d.%d%s", t.main, t.sub, value)), 0)
			}
			if err != nil {
				w.t.Fatal(err)
			}
		}
		t.Next()
	}
	for i := range w.s.changes {
		w.history = append(w.history, *cloneChange(&w.s.changes[i]))
	}
	if _, err := t.Commit(false); err != nil {
		w.t.Fatal(err)
	}
	for _, b := range used {
		for i := range b {
			b[i] = '#'
		}
	}
}

func (w *watchTwin) compact() {
	rev := w.s.Rev() - int64(w.r.IntN(8))
	if rev <= w.s.Compacted() || rev < 1 {
		return
	}
	if err := w.s.Compact(rev); err != nil {
		w.t.Fatal(err)
	}
	if w.r.IntN(2) == 0 {
		if err := w.s.WaitCompacted(context.Background(), rev); err != nil {
			w.t.Fatal(err)
		}
	}
}

// watch begins a watch; with old as one that goes on where old has ended.
func (w *watchTwin) watch(ts *twinStream, start int64, old *twinWatch) {
	x := randomExtent(w.r, 10)
	c := WatchConfig{Key: []byte(x.lo), PrevKV: w.r.IntN(2) == 0, NoPut: w.r.IntN(6) == 0, NoDelete: w.r.IntN(6) == 0}
	if x.kind != oneKey {
		c.Range = true
	}
	if x.kind == bounded {
		c.End = []byte(x.hi)
	}
	switch w.r.IntN(4) {
	case 0:
		c.StartRev = w.s.Rev() - int64(w.r.IntN(12))
	case 1:
		c.StartRev = w.s.Rev() + int64(w.r.IntN(6))
		w.seen["future"]++
	}
	c.StartRev = max(0, c.StartRev)
	if old != nil {
		id := old.c.ID
		c = old.c
		c.ID, c.StartRev = id, start
	}
	n := &twinWatch{c: c, start: c.StartRev}
	if n.start == 0 {
		n.start = w.s.Rev() + 1
	}
	n.safe, n.resume = n.start-1, n.start
	if n.start < w.s.Rev() {
		n.safe = 0
	}
	var err error
	if n.id, err = ts.st.Watch(c); err != nil {
		w.t.Fatal(err)
	}
	if ts.watches[n.id] != nil {
		w.t.Fatalf("id %d was given twice", n.id)
	}
	ts.watches[n.id] = n
}

// cancel ends a random watch; with restart another one takes its place at once.
func (w *watchTwin) cancel(ts *twinStream, restart bool) {
	for id, old := range ts.watches {
		if !old.created {
			return
		}
		if err := ts.st.Cancel(id); errors.Is(err, ErrUnknownWatch) {
			w.mustBeCompacted(ts, id)
			return
		} else if err != nil {
			w.t.Fatal(err)
		}
		delete(ts.watches, id)
		ts.ended[id]++
		if restart {
			for i := old.told; i < len(w.history) && w.history[i].Rev.Main < old.resume; i++ {
				if old.wants(&w.history[i]) {
					w.t.Fatalf("watch %+v would go on at %d and was not told of %v", old.c, old.resume, w.history[i].Rev)
				}
			}
			w.seen["restart"]++
			w.watch(ts, old.resume, old)
		}
		return
	}
}

func (w *watchTwin) ask(ts *twinStream) {
	id := AllWatches
	if w.r.IntN(3) == 0 {
		for id = range ts.watches {
			break
		}
	}
	if err := ts.st.RequestProgress(id); errors.Is(err, ErrUnknownWatch) {
		w.mustBeCompacted(ts, id)
	} else if err != nil {
		w.t.Fatal(err)
	}
	ts.asked[id] = 0
	for _, a := range ts.st.asked {
		if a.id == id {
			ts.asked[id] = a.rev
		}
	}
	for _, r := range ts.st.ready {
		if r.ID == id && r.Kind == ProgressResponse {
			ts.asked[id] = 0 // the answer to an earlier one comes first
		}
	}
}

// mustBeCompacted checks that a watch the stream has forgotten will be told so.
func (w *watchTwin) mustBeCompacted(ts *twinStream, id int64) {
	for _, r := range ts.st.ready {
		if r.ID == id && r.Kind == CanceledResponse && r.CompactRev > 0 {
			return
		}
	}
	w.t.Fatalf("watch %d is not known and no response tells why", id)
}

// drain reads all there is; then every watch must have been told of everything.
func (w *watchTwin) drain(ts *twinStream) {
	for n := 0; w.step(ts) != stepIdle; n++ {
		if n > 100_000 {
			w.t.Fatal("a stream has always something to do")
		}
	}
	settled := true
	for _, tw := range ts.watches {
		for i := tw.told; i < len(w.history); i++ {
			if tw.wants(&w.history[i]) {
				w.t.Fatalf("watch %+v was never told of %v", tw.c, w.history[i].Rev)
			}
		}
		tw.told = len(w.history)
		tw.safe = max(tw.safe, w.s.Rev())
		settled = settled && tw.c.StartRev <= w.s.Rev()
	}
	if len(ts.ended) > 0 {
		w.t.Fatalf("watches %v were canceled and did not end", ts.ended)
	}
	if err := ts.st.RequestProgress(AllWatches); err != nil {
		w.t.Fatal(err)
	}
	before := w.seen["progress"]
	for w.step(ts) != stepIdle {
	}
	if got := w.seen["progress"] > before; got != settled {
		w.t.Fatalf("progress of an idle stream was told: %v, want %v", got, settled)
	}
}

func (w *watchTwin) step(ts *twinStream) stepState {
	wasBehind := ts.st.queue.behind.Load()
	r, state, err := ts.st.step()
	if err != nil {
		w.t.Fatal(err)
	}
	if state != stepAnswer {
		return state
	}
	tw := ts.watches[r.ID]
	switch r.Kind {
	case EventsResponse:
		if tw == nil || !tw.created {
			w.t.Fatalf("events of the watch %d, which is not there: %+v", r.ID, r)
		}
		w.checkEvents(tw, r)
	case CreatedResponse:
		if tw == nil {
			break // canceled before that was delivered
		}
		tw.created = true
	case CanceledResponse:
		if ts.ended[r.ID] > 0 && r.CompactRev == 0 {
			if ts.ended[r.ID]--; ts.ended[r.ID] == 0 {
				delete(ts.ended, r.ID)
			}
			break
		}
		if tw == nil || r.CompactRev > w.s.Compacted() || r.CompactRev == 0 || tw.safe+1 >= r.CompactRev {
			w.t.Fatalf("watch %+v was canceled without need: %+v, compacted %d", tw, r, w.s.Compacted())
		}
		w.seen["compacted"]++
		if wasBehind {
			w.seen["compacted behind"]++
		}
		delete(ts.watches, r.ID)
	case ProgressResponse:
		w.checkProgress(ts, r)
	}
	return state
}

func (w *watchTwin) checkProgress(ts *twinStream, r Response) {
	w.seen["progress"]++
	if r.Revision < ts.asked[r.ID] {
		w.t.Fatalf("progress %d answers a request made at %d", r.Revision, ts.asked[r.ID])
	}
	for id, tw := range ts.watches {
		if r.ID != AllWatches && r.ID != id {
			continue
		}
		if r.Revision > w.s.Rev() || tw.created && r.Revision < tw.c.StartRev {
			w.t.Fatalf("progress %d, current %d, watch %+v", r.Revision, w.s.Rev(), tw.c)
		}
		if !tw.created { // the client does not know it yet, and will be told where it begins
			continue
		}
		for ; tw.told < len(w.history) && w.history[tw.told].Rev.Main <= r.Revision; tw.told++ {
			if tw.wants(&w.history[tw.told]) {
				w.t.Fatalf("progress %d is ahead of %v, of which watch %+v was not told", r.Revision, w.history[tw.told].Rev, tw.c)
			}
		}
		tw.resume, tw.safe = max(tw.resume, r.Revision+1), max(tw.safe, r.Revision)
	}
}

func (w *watchTwin) checkEvents(tw *twinWatch, r Response) {
	for i := range r.Events {
		for tw.told < len(w.history) && !tw.wants(&w.history[tw.told]) {
			tw.told++
		}
		if tw.told == len(w.history) {
			w.t.Fatalf("watch %+v: event too many: %+v", tw.c, r.Events[i])
		}
		w.checkEvent(tw, &r.Events[i], &w.history[tw.told])
		tw.told++
	}
	last := r.Events[len(r.Events)-1].Rev.Main
	for i := tw.told; i < len(w.history) && w.history[i].Rev.Main == last; i++ {
		if tw.wants(&w.history[i]) {
			w.t.Fatalf("watch %+v: revision %d was divided", tw.c, last)
		}
	}
	if r.Revision != last {
		w.t.Fatalf("revision %d, last event %d", r.Revision, last)
	}
	tw.resume, tw.safe = last+1, max(tw.safe, last)
}

func (w *watchTwin) checkEvent(tw *twinWatch, e *Event, want *Change) {
	if e.Rev != want.Rev || e.Tombstone != want.Tombstone || !sameKV(&e.KeyValue, &want.KeyValue) {
		w.t.Fatalf("watch %+v was told %+v, want %+v", tw.c, e.Change, *want)
	}
	if e.Tombstone {
		w.seen["delete"]++
		if e.Value != nil || e.Version != 0 || e.CreateRevision != 0 || e.Lease != 0 || e.ModRevision != e.Rev.Main {
			w.t.Fatalf("deletion carries more than key and revision: %+v", *e)
		}
	}
	var prev *KeyValue
	for i := range w.history {
		if c := &w.history[i]; c.Rev.Main < e.Rev.Main && bytes.Equal(c.Key, e.Key) {
			if prev = &c.KeyValue; c.Tombstone {
				prev = nil
			}
		}
	}
	if !tw.c.PrevKV || !e.Tombstone && e.CreateRevision == e.ModRevision {
		prev = nil
	}
	switch {
	case e.Prev == nil && prev != nil && e.Rev.Main-1 < w.s.Compacted():
		w.seen["prev compacted"]++
	case (e.Prev == nil) != (prev == nil) || prev != nil && !sameKV(e.Prev, prev):
		w.t.Fatalf("watch %+v: event %+v has before %+v, want %+v", tw.c, e.Change, e.Prev, prev)
	case prev != nil:
		w.seen["prev"]++
	}
}

func sameKV(a, b *KeyValue) bool {
	return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) && a.CreateRevision == b.CreateRevision &&
		a.ModRevision == b.ModRevision && a.Version == b.Version && a.Lease == b.Lease
}
