package mvcctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/mvcc/index"
)

// wish is a watch that a play keeps on all its houses.
type wish struct {
	id     int64
	stream int
	c      mvcc.WatchConfig
	next   int64 // the first revision that nobody needs to have been told of
}

func (w *wish) wants(c *mvcc.Change) bool {
	if c.Tombstone && w.c.NoDelete || !c.Tombstone && w.c.NoPut {
		return false
	}
	if !w.c.Range {
		return bytes.Equal(c.Key, w.c.Key)
	}
	return bytes.Compare(c.Key, w.c.Key) >= 0 && (w.c.End == nil || bytes.Compare(c.Key, w.c.End) < 0)
}

// ears are the hub of a house, its streams, and what came out of them.
type ears struct {
	hub     *mvcc.Hub
	streams []*mvcc.Stream
	heard   map[int64]*heard // by id of the watch
	gone    map[int64]bool   // canceled by the play, and that was not answered yet
	asked   map[int][]int64  // by stream: the revisions when progress was asked for; not all are answered
}

// heard is one watch in one house.
type heard struct {
	*wish
	start   int64 // as it was asked for; 0 = from then on
	next    int64 // it was told of everything below, or there was nothing
	known   int64 // it was told so far itself: its stream may not have looked further
	created bool
	doomed  bool // it began below the compacted revision: that must be said
	dead    bool // that was said
}

// listen keeps every wish in x, from where it was.
func (p *play) listen(t *testing.T, x *house) {
	t.Helper()
	was := map[int64]*heard{}
	if x.ears != nil {
		was = x.ears.heard
	}
	hub, err := mvcc.NewHub(x.store, mvcc.HubConfig{QueueEvents: 6, QueueBytes: 3000, ChunkRevisions: 5, ChunkEvents: 7, ChunkBytes: 2000})
	must(t, err)
	e := &ears{hub: hub, heard: map[int64]*heard{}, gone: map[int64]bool{}, asked: map[int][]int64{}}
	for range 2 {
		st, err := hub.Stream()
		must(t, err)
		e.streams = append(e.streams, st)
	}
	x.ears = e
	for _, w := range p.wishes {
		from := w.next
		if o := was[w.id]; o != nil {
			from = o.next
		}
		p.resume(t, x, w, from)
	}
}

// resume begins a wish of x at the revision from, as a client does that has lost its watch.
func (p *play) resume(t *testing.T, x *house, w *wish, from int64) {
	t.Helper()
	c := w.c
	c.StartRev = from
	if _, err := x.ears.streams[w.stream].Watch(c); err != nil {
		t.Fatalf("%s, step %d: a watch that goes on at %d: %v", x.h.Name, p.n, from, err)
	}
	x.ears.heard[w.id] = &heard{wish: w, start: from, next: from, known: from, doomed: from < p.w.compacted}
}

// deafen ends the hub of x, with all its watches.
func (p *play) deafen(t *testing.T, x *house) {
	t.Helper()
	for _, st := range x.ears.streams {
		must(t, st.Close())
	}
	must(t, x.ears.hub.Close())
}

// watching is a step about watches, of kinds 0 to 11.
func (p *play) watching(t *testing.T, kind int) {
	t.Helper()
	switch {
	case kind < 4:
		p.watch(t)
	case kind < 5:
		if n := len(p.wishes); n > 0 {
			p.unwatch(t, p.wishes[p.r.IntN(n)])
		}
	case kind < 7:
		stream := p.r.IntN(2)
		for x := range p.here {
			must(t, x.ears.streams[stream].RequestProgress(mvcc.AllWatches))
			x.ears.asked[stream] = append(x.ears.asked[stream], p.w.rev)
		}
	case kind < 9:
		sips := 1 + p.r.IntN(3)
		for x := range p.here {
			for i := range x.ears.streams {
				p.hear(t, x, i, sips)
			}
		}
	default:
		p.hearAll(t)
	}
}

// watch makes a wish, at times one that is refused.
func (p *play) watch(t *testing.T) {
	t.Helper()
	r := p.r
	p.lastID++
	w := &wish{id: p.lastID, stream: r.IntN(2), c: mvcc.WatchConfig{
		ID: p.lastID, PrevKV: r.IntN(2) == 0, NoPut: r.IntN(6) == 0, NoDelete: r.IntN(6) == 0,
	}}
	if r.IntN(3) == 0 {
		w.c.Key = r.key()
		if r.IntN(8) == 0 {
			w.c.Key = nil
		}
	} else {
		w.c.Range = true
		w.c.Key, w.c.End = r.span()
	}
	if r.IntN(3) > 0 {
		w.c.StartRev = r.rev(p.w.compacted, p.w.rev)
	}
	want := ""
	switch c := &w.c; {
	case c.StartRev < 0:
		want = errName(mvcc.ErrNegative)
	case !c.Range && len(c.Key) == 0:
		want = errName(mvcc.ErrEmptyKey)
	case c.Range && c.End != nil && bytes.Compare(c.Key, c.End) >= 0:
		want = errName(mvcc.ErrInvertedRange)
	}
	if w.next = w.c.StartRev; w.next == 0 {
		w.next = p.w.rev + 1
	}
	for x := range p.here {
		got := ""
		if _, err := x.ears.streams[w.stream].Watch(w.c); err != nil {
			got = errName(err)
		}
		if got != want {
			t.Fatalf("%s, step %d: watch %+v: %q, want %q", x.h.Name, p.n, w.c, got, want)
		}
		if want == "" {
			x.ears.heard[w.id] = &heard{wish: w, start: w.c.StartRev, next: w.next, known: w.next, doomed: w.next < p.w.compacted}
		}
	}
	if want == "" {
		p.wishes = append(p.wishes, w)
	}
}

// unwatch gives a wish up.
func (p *play) unwatch(t *testing.T, w *wish) {
	t.Helper()
	p.wishes = slices.DeleteFunc(p.wishes, func(o *wish) bool { return o == w })
	for x := range p.here {
		h := x.ears.heard[w.id]
		delete(x.ears.heard, w.id)
		switch err := x.ears.streams[w.stream].Cancel(w.id); {
		case err == nil && h.dead, err != nil && !errors.Is(err, mvcc.ErrUnknownWatch), err != nil && h.known >= p.w.compacted:
			t.Fatalf("%s, step %d: cancel of %+v, which is to go on at %d: %v", x.h.Name, p.n, w.c, h.known, err)
		}
		x.ears.gone[w.id] = true
	}
}

// hearAll has every watch told of everything. What a compaction may have taken, and from some
// houses and not from others, is given up. Where a compaction ended a watch that had missed nothing
// its client would go on.
func (p *play) hearAll(t *testing.T) {
	t.Helper()
	for x := range p.here {
		for i := range x.ears.streams {
			p.hear(t, x, i, -1)
		}
	}
	for _, w := range slices.Clone(p.wishes) {
		if w.next < p.w.compacted {
			p.unwatch(t, w)
		} else {
			w.next = max(w.next, p.w.rev+1)
		}
	}
	for x := range p.here {
		for _, w := range p.wishes {
			if h := x.ears.heard[w.id]; h.dead {
				p.resume(t, x, w, w.next)
			} else {
				h.next = max(h.next, p.w.rev+1)
			}
		}
	}
}

// hear takes responses from a stream of x while something is to come, at most so many; -1 = all.
func (p *play) hear(t *testing.T, x *house, stream, most int) {
	t.Helper()
	pending := map[int64][]int{} // by watch: changes
	owed := func() bool {
		for _, h := range x.ears.heard {
			if h.stream == stream && !h.dead && (!h.created || h.doomed || len(p.sure(pending[h.id])) > 0) {
				return true
			}
		}
		return false
	}
	for _, h := range x.ears.heard {
		for i := range p.w.changes {
			if c := &p.w.changes[i]; h.stream == stream && !h.dead && !h.doomed && c.Rev.Main >= h.next && h.wants(c) {
				pending[h.id] = append(pending[h.id], i)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ; most != 0 && owed(); most-- {
		r, err := x.ears.streams[stream].Next(ctx)
		if err != nil {
			t.Fatalf("%s, step %d: nothing came of %v, and events of %v are owed", x.h.Name, p.n, err, pending)
		}
		if wrong := p.take(x, stream, &r, pending); wrong != "" {
			t.Fatalf("%s, step %d, at revision %d, compacted %d: %s\nin %+v", x.h.Name, p.n, p.w.rev, p.w.compacted, wrong, r)
		}
	}
}

// sure leaves out the changes at the beginning that a compaction may have taken before they were
// told: of the compacted revision itself only the last write of each key stays.
func (p *play) sure(changes []int) []int {
	for len(changes) > 0 && !p.w.left(p.w.changes[changes[0]]) {
		changes = changes[1:]
	}
	return changes
}

// take holds a response against what is owed, and says what is wrong with it.
func (p *play) take(x *house, stream int, r *mvcc.Response, pending map[int64][]int) string {
	e := x.ears
	h := e.heard[r.ID]
	switch {
	case r.Kind == mvcc.ProgressResponse:
		return p.takeProgress(x, stream, r, pending)
	case h == nil && e.gone[r.ID]:
		if r.Kind == mvcc.EventsResponse {
			return "an event of a watch that was canceled"
		}
		return ""
	case h == nil || h.stream != stream || h.dead:
		return "a response of a watch that is not there"
	case r.Kind == mvcc.CreatedResponse:
		if h.created || r.Revision > p.w.rev {
			return "created again, or in the future"
		}
		h.created = true
		return ""
	case !h.created:
		return "a response before that the watch was created"
	case r.Kind == mvcc.CanceledResponse:
		if r.CompactRev <= h.known || r.CompactRev > p.w.compacted {
			return fmt.Sprintf("canceled, and it was to go on at %d", h.known)
		}
		h.dead, pending[h.id] = true, nil
		return ""
	}
	return p.takeEvents(h, r, pending)
}

func (p *play) takeEvents(h *heard, r *mvcc.Response, pending map[int64][]int) string {
	for i := range r.Events {
		left := pending[h.id]
		if len(left) > 0 && left[0] != p.find(r.Events[i].Rev) {
			left = p.sure(left)
		}
		if len(left) == 0 {
			return "an event that is not owed"
		}
		if wrong := p.wrongEvent(h, &r.Events[i], left[0]); wrong != "" {
			return wrong
		}
		if main := p.w.changes[left[0]].Rev.Main; main > r.Revision {
			return "its revision is below that of its events"
		}
		pending[h.id] = left[1:]
	}
	if left := p.sure(pending[h.id]); len(r.Events) == 0 || len(left) > 0 && p.w.changes[left[0]].Rev.Main <= r.Revision {
		return "no events, or a revision is divided"
	}
	h.next = r.Revision + 1
	h.known = max(h.known, h.next)
	return ""
}

// find is the twin's change at rev, -1 if there is none.
func (p *play) find(rev index.Revision) int {
	return slices.IndexFunc(p.w.changes, func(c mvcc.Change) bool { return c.Rev == rev })
}

// wrongEvent compares an event with the twin's i-th change.
func (p *play) wrongEvent(h *heard, e *mvcc.Event, i int) string {
	c := &p.w.changes[i]
	if got, want := changeText(&e.Change), changeText(c); got != want {
		return fmt.Sprintf("event %s, want %s", got, want)
	}
	want := p.prev(i)
	switch {
	case !h.c.PrevKV || want == nil:
		if e.Prev != nil {
			return fmt.Sprintf("a previous value %+v, want none", e.Prev)
		}
	case e.Prev == nil:
		if c.Rev.Main-1 >= p.w.compacted {
			return "no previous value"
		}
	case kvText(*e.Prev) != kvText(*want):
		return fmt.Sprintf("previous value %s, want %s", kvText(*e.Prev), kvText(*want))
	}
	return ""
}

// prev is what the key of the twin's i-th change was at the revision before; nil for nothing, and
// if the key was created in this one.
func (p *play) prev(i int) *mvcc.KeyValue {
	if kv, known := p.prevs[i]; known {
		return kv
	}
	c := &p.w.changes[i]
	p.prevs[i] = nil
	if !c.Tombstone && c.CreateRevision == c.ModRevision {
		return nil
	}
	if before, ok := at(p.w.changes, c.Rev.Main-1)[string(c.Key)]; ok {
		p.prevs[i] = &before.KeyValue
	}
	return p.prevs[i]
}

func (p *play) takeProgress(x *house, stream int, r *mvcc.Response, pending map[int64][]int) string {
	asked := x.ears.asked[stream]
	if len(asked) == 0 || r.ID != mvcc.AllWatches || r.Revision < asked[0] || r.Revision > p.w.rev {
		return fmt.Sprintf("progress, asked for at %d", asked)
	}
	x.ears.asked[stream] = asked[1:]
	for _, h := range x.ears.heard {
		if h.stream != stream || h.dead || !h.created { // of a watch that comes after it says nothing
			continue
		}
		if left := p.sure(pending[h.id]); len(left) > 0 && p.w.changes[left[0]].Rev.Main <= r.Revision {
			return "progress ahead of an event"
		}
		if h.start > r.Revision {
			return "progress before a watch has begun"
		}
		h.known = max(h.known, r.Revision+1)
	}
	return ""
}
