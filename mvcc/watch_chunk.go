package mvcc

import (
	"errors"
	"math"
)

// advance fills st.ready with the next piece of what is to be told. The lagging watches and the
// others take turns. It is false if there was nothing to do. st.ready is empty when it is called.
func (st *Stream) advance() (busy bool, err error) {
	if len(st.control) > 0 {
		for _, r := range st.control {
			st.ready = append(st.ready, readyResponse{Response: r})
		}
		st.control = nil
		return true, nil
	}
	if st.turn = !st.turn && len(st.lagging) > 0; st.turn {
		return true, st.catchUp()
	}
	busy, err = st.follow()
	if err != nil {
		return false, err
	}
	st.answer()
	return busy || len(st.lagging) > 0, nil
}

// answer answers the progress requests that have waited long enough. Everything up to st.pos is
// delivered or stands in st.ready, before the answer.
func (st *Stream) answer() {
	kept := st.asked[:0]
	for _, a := range st.asked {
		switch {
		case a.rev > st.pos:
			kept = append(kept, a)
		case st.settled(a.id, st.pos): // a watch that lags may have come since
			st.ready = append(st.ready, readyResponse{Response: Response{Kind: ProgressResponse, ID: a.id, Revision: st.pos}})
		}
	}
	st.asked = kept
}

// follow tells the watches that have joined what is in the queue, or, where the stream is behind,
// in the store.
func (st *Stream) follow() (busy bool, err error) {
	rev := st.h.rev.Load() // before the queue: what is in it up to rev is complete
	if len(st.taken) == 0 {
		var lost int64
		st.taken, lost = st.queue.take(st.taken[:0], st.pos, rev, st.h.c.ChunkEvents)
		switch {
		case len(st.taken) > 0:
		case lost > 0:
			st.pos = max(st.pos, lost-1)
			return true, st.recover()
		default:
			st.pos = max(st.pos, rev)
			return false, nil
		}
	}
	st.chunk.begin(false)
	n := 0
	for ; n < len(st.taken); n++ {
		if !st.chunk.add(st.taken[n], true) {
			break
		}
		st.taken[n], st.pos = nil, st.chunk.last
	}
	if st.taken = st.taken[n:]; len(st.taken) == 0 {
		st.taken = nil
	}
	return true, st.chunk.end()
}

// recover reads the next piece behind st.pos from the store.
func (st *Stream) recover() error {
	s := st.h.s
	if c := s.Compacted(); st.pos+1 < c {
		for _, w := range st.watches {
			if !w.isLagging && w.next < c {
				st.cancel(w, c)
			}
		}
		st.pos = c - 1
	}
	switch to := min(st.pos+int64(st.h.c.ChunkRevisions), s.Rev()); {
	case len(st.watches) == len(st.lagging): // nobody to be told: on with what is new
		st.pos = max(st.pos, st.h.rev.Load())
	case to > st.pos:
		done, err := st.scan(st.pos+1, to, false)
		if err != nil {
			return err
		}
		st.pos = done
	}
	st.h.resume(st, st.pos)
	return nil
}

// target is the revision up to which w must be told of the history before it joins the others.
func (st *Stream) target(w *watch) int64 { return max(w.joined, st.pos) }

// catchUp tells the lagging watches the next piece of the history.
func (st *Stream) catchUp() error {
	c := st.h.s.Compacted()
	from, to := int64(math.MaxInt64), int64(0)
	var late []*watch
	kept := st.lagging[:0]
	for _, w := range st.lagging {
		if w.next < c {
			w.isLagging = false // so that drop does not look for it here
			late = append(late, w)
			continue
		}
		kept = append(kept, w)
		from, to = min(from, w.next), max(to, st.target(w))
	}
	clear(st.lagging[len(kept):])
	st.lagging = kept
	for _, w := range late {
		st.cancel(w, c)
	}
	if from > to {
		return nil
	}
	done, err := st.scan(from, min(to, from+int64(st.h.c.ChunkRevisions)-1), true)
	if err != nil {
		return err
	}
	kept = st.lagging[:0]
	for _, w := range st.lagging {
		if w.next = max(w.next, done+1); w.next > st.target(w) {
			w.isLagging = false
			continue
		}
		kept = append(kept, w)
	}
	clear(st.lagging[len(kept):])
	st.lagging = kept
	return nil
}

// cancel ends a watch whose next revision is gone.
func (st *Stream) cancel(w *watch, compacted int64) {
	st.drop(w)
	st.ready = append(st.ready, readyResponse{Response: Response{
		Kind: CanceledResponse, ID: w.id, Revision: st.h.s.Rev(), CompactRev: compacted,
	}})
}

// scan tells the revisions from to to, to those that are lagging or to the others. It ends early
// when the chunk is full, and returns the last revision that was told. If a compaction has passed
// from meanwhile nothing was told, and the next round finds that out.
func (st *Stream) scan(from, to int64, lagging bool) (done int64, err error) {
	st.chunk.begin(lagging)
	done = to
	err = st.h.s.history(from, to, func(c *Change) bool {
		if st.chunk.add(c, false) {
			return true
		}
		done = st.chunk.last
		return false
	})
	if errors.Is(err, ErrCompacted) {
		st.chunk.discard()
		return from - 1, nil
	}
	if err != nil {
		st.chunk.discard()
		return 0, err
	}
	return done, st.chunk.end()
}

// watchChunk collects the events of a row of revisions for the watches of a stream.
type watchChunk struct {
	st      *Stream
	match   func(*watch)
	lagging bool  // which watches are told
	last    int64 // the revision of the last change
	records int
	events  int
	bytes   int
	touched []*watch
	err     error

	change *Change
	owned  bool // change will not be changed
	prev   *KeyValue
	asked  bool // for prev
}

func (k *watchChunk) init(st *Stream) {
	k.st = st
	k.match = k.matched
}

func (k *watchChunk) begin(lagging bool) {
	k.lagging, k.last, k.records, k.events, k.bytes, k.err = lagging, 0, 0, 0, 0, nil
}

// recordsPerEvent bounds the changes that are looked at, in multiples of the events told.
const recordsPerEvent = 8

// add tells the watches of c. It is false, and c was not told, if c begins another revision and
// the chunk is full.
func (k *watchChunk) add(c *Change, owned bool) bool {
	if c.Rev.Main != k.last && k.last != 0 {
		limits := &k.st.h.c
		if k.err != nil || k.events >= limits.ChunkEvents || k.bytes >= limits.ChunkBytes ||
			k.records >= recordsPerEvent*limits.ChunkEvents {
			return false
		}
	}
	k.last = c.Rev.Main
	k.records++
	k.change, k.owned, k.prev, k.asked = c, owned, nil, false
	k.st.extents.visit(c.Key, k.match)
	k.change, k.prev = nil, nil
	return true
}

// matched tells w and its siblings.
func (k *watchChunk) matched(w *watch) {
	for ; w != nil; w = w.sibling {
		c := k.change
		if w.isLagging != k.lagging || c.Rev.Main < w.next || c.Tombstone && w.noDelete || !c.Tombstone && w.noPut {
			continue
		}
		if !k.owned {
			k.change, k.owned = cloneChange(c), true
			c = k.change
		}
		e := Event{Change: *c}
		if w.prevKV {
			e.Prev = k.before()
		}
		if w.events == nil {
			k.touched = append(k.touched, w)
			k.bytes += eventBytes(c)
		} else {
			k.bytes += eventOverhead
		}
		w.events = append(w.events, e)
		k.events++
	}
}

// before is the key of the change at the revision before, nil if there was none.
func (k *watchChunk) before() *KeyValue {
	c, s := k.change, k.st.h.s
	if k.asked || !c.Tombstone && c.CreateRevision == c.ModRevision {
		return k.prev
	}
	k.asked = true
	kv, ok, err := s.getAt(c.Key, c.Rev.Main-1, s.Rev())
	switch {
	case err != nil && !errors.Is(err, ErrCompacted):
		k.err = err
	case ok:
		k.prev = &kv
		k.bytes += eventOverhead + len(kv.Key) + len(kv.Value)
	}
	return k.prev
}

// end makes the responses.
func (k *watchChunk) end() error {
	if k.err != nil {
		k.discard()
		return k.err
	}
	for i, w := range k.touched {
		last := w.events[len(w.events)-1].Rev.Main
		k.st.ready = append(k.st.ready, readyResponse{Response{Kind: EventsResponse, ID: w.id, Revision: last, Events: w.events}, w})
		w.events, k.touched[i] = nil, nil
	}
	k.touched = k.touched[:0]
	return nil
}

func (k *watchChunk) discard() {
	for i, w := range k.touched {
		w.events, k.touched[i] = nil, nil
	}
	k.touched = k.touched[:0]
}
