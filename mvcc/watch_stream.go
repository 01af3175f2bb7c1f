package mvcc

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// Stream carries any number of watches, whose responses come one after the other out of Next. Next
// is called by one goroutine at a time; all methods may be called beside it. None may be called
// by who holds a write transaction.
type Stream struct {
	h     *Hub
	queue watchQueue
	wake  chan struct{} // room for one
	done  chan struct{} // closed by Close

	// Of the hub, under its lock: the last change and commit that was offered.
	seq, round int64

	mu      sync.Mutex // held by Next while it works, also when it reads from the store
	closed  bool
	fault   error // the store's answer that ended the stream
	watches map[int64]*watch
	extents matcher[*watch] // the first one of each
	nextID  int64
	latest  int64 // no watch starts later than this

	pos     int64 // see Hub
	lagging []*watch
	turn    bool      // the lagging ones are served next
	taken   []*Change // from the queue, not answered yet
	asked   []ask     // progress requests, one a watch

	control []Response // answers to Watch and Cancel, to be delivered before anything new
	ready   []readyResponse
	chunk   watchChunk
}

// watch is one watch of a stream.
type watch struct {
	id      int64
	x       extent
	settled int64 // the revision that the store must have for the watch to make progress
	next    int64 // nothing below it is delivered
	joined  int64 // what is above it comes through the queue

	prevKV, noPut, noDelete bool // as in WatchConfig

	isLagging bool
	gone      bool // canceled: what is in ready is not delivered

	events  []Event // of the chunk at hand
	sibling *watch  // the next one on the same extent
}

// readyResponse is a response on its way; w is nil if it goes out even when the watch is gone.
type readyResponse struct {
	Response
	w *watch
}

// ask is a progress request that waits until everything up to rev was delivered.
type ask struct{ id, rev int64 }

// Stream makes an empty stream. The caller must Close it.
func (h *Hub) Stream() (*Stream, error) {
	st := &Stream{
		h: h, wake: make(chan struct{}, 1), done: make(chan struct{}), watches: make(map[int64]*watch),
		queue: watchQueue{maxEvents: h.c.QueueEvents, maxBytes: h.c.QueueBytes},
	}
	st.chunk.init(st)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrWatchEnded
	}
	st.pos = h.rev.Load()
	return st, nil
}

// rouse makes a Next that waits look again.
func (st *Stream) rouse() {
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// Watch adds a watch and returns its id. Its first response is a CreatedResponse. If StartRev is
// compacted, its second and last is a CanceledResponse that tells the compacted revision. Errors:
// ErrNegative, ErrEmptyKey, ErrInvertedRange, ErrDuplicateWatch, ErrTooManyWatches, ErrWatchEnded.
func (st *Stream) Watch(c WatchConfig) (int64, error) {
	x, err := c.extent()
	if err != nil {
		return 0, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	switch n := len(st.watches) + len(st.control); {
	case st.closed:
		return 0, ErrWatchEnded
	case c.ID != 0 && st.watches[c.ID] != nil:
		return 0, fmt.Errorf("%w: %d", ErrDuplicateWatch, c.ID)
	case n >= st.h.c.MaxWatches:
		return 0, fmt.Errorf("%w: %d and undelivered answers, at most %d", ErrTooManyWatches, n, st.h.c.MaxWatches)
	}
	for c.ID == 0 {
		if st.watches[st.nextID] != nil {
			st.nextID++
			continue
		}
		c.ID = st.nextID
		st.nextID++
		break
	}
	joined, err := st.h.subscribe(st, x)
	if err != nil {
		return 0, err
	}
	// Read after joining: not below joined, and a commit that was visible before is not told.
	rev := st.h.s.Rev()
	w := &watch{
		id: c.ID, x: x, joined: joined, next: c.StartRev, settled: c.StartRev,
		prevKV: c.PrevKV, noPut: c.NoPut, noDelete: c.NoDelete,
	}
	if c.StartRev == 0 {
		w.next, w.settled = rev+1, rev
	}
	st.latest = max(st.latest, w.settled)
	st.watches[w.id] = w
	w.sibling, _ = st.extents.find(x)
	st.extents.set(x, w)
	if w.next <= joined {
		w.isLagging = true
		st.lagging = append(st.lagging, w)
	}
	st.control = append(st.control, Response{Kind: CreatedResponse, ID: w.id, Revision: rev})
	st.rouse()
	return w.id, nil
}

// Cancel ends a watch. Events that were not delivered yet are dropped; its last response is a
// CanceledResponse. ErrUnknownWatch: there is none of this id, and no response comes.
func (st *Stream) Cancel(id int64) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	w := st.watches[id]
	switch {
	case st.closed:
		return ErrWatchEnded
	case w == nil:
		return fmt.Errorf("%w: %d", ErrUnknownWatch, id)
	}
	st.drop(w)
	st.control = append(st.control, Response{Kind: CanceledResponse, ID: id, Revision: st.pos})
	st.rouse()
	return nil
}

// drop forgets w.
func (st *Stream) drop(w *watch) {
	w.gone = true
	st.h.unsubscribe(st, w.x)
	delete(st.watches, w.id)
	switch o, _ := st.extents.find(w.x); {
	case o != w:
		for o.sibling != w {
			o = o.sibling
		}
		o.sibling = w.sibling
	case w.sibling != nil:
		st.extents.set(w.x, w.sibling)
	default:
		st.extents.remove(w.x)
	}
	if w.isLagging {
		st.lagging = slices.DeleteFunc(st.lagging, func(o *watch) bool { return o == w })
	}
	st.asked = slices.DeleteFunc(st.asked, func(a ask) bool { return a.id == w.id })
}

// RequestProgress asks for a ProgressResponse of the watch id, or AllWatches of the stream. It
// comes when all that was committed until now was delivered, and tells a revision not below that.
// There is none, and this is no error, while one of the watches is behind or lagging, or waits
// for a later revision to start at: a revision in an answer must never be ahead of events.
// Errors: ErrUnknownWatch, ErrWatchEnded.
func (st *Stream) RequestProgress(id int64) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch {
	case st.closed:
		return ErrWatchEnded
	case id != AllWatches && st.watches[id] == nil:
		return fmt.Errorf("%w: %d", ErrUnknownWatch, id)
	}
	rev := st.h.rev.Load()
	if st.queue.behind.Load() || !st.settled(id, rev) {
		return nil
	}
	if i := slices.IndexFunc(st.asked, func(a ask) bool { return a.id == id }); i >= 0 {
		return nil // its answer is still to come
	}
	st.asked = append(st.asked, ask{id, rev})
	st.rouse()
	return nil
}

// settled tells whether the watch id, or all, have joined the stream and begun at rev.
func (st *Stream) settled(id, rev int64) bool {
	if id != AllWatches {
		w := st.watches[id]
		return w != nil && !w.isLagging && w.settled <= rev
	}
	if len(st.lagging) > 0 {
		return false
	}
	if st.latest > rev {
		st.latest = 0
		for _, w := range st.watches {
			st.latest = max(st.latest, w.settled)
		}
	}
	return st.latest <= rev
}

// Close ends the stream and all its watches. It waits for a Next that is at work, but Next is
// not waited for by anybody else. A second Close answers ErrWatchEnded.
func (st *Stream) Close() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed {
		return ErrWatchEnded
	}
	st.closed = true
	close(st.done)
	for _, w := range st.watches {
		st.h.unsubscribe(st, w.x)
	}
	st.watches, st.extents, st.lagging = nil, matcher[*watch]{}, nil
	st.taken, st.control, st.ready, st.asked = nil, nil, nil, nil
	st.queue = watchQueue{} // nobody offers any more
	return nil
}

// Next returns the next response, waiting for it until ctx ends; nothing is lost by that. Errors:
// ErrWatchEnded, ErrClosed, ErrStopped; CorruptError for a record that is damaged, which ends the
// stream, since going on would leave out an event.
func (st *Stream) Next(ctx context.Context) (Response, error) {
	for {
		r, state, err := st.step()
		if err != nil {
			return Response{}, err
		}
		switch state {
		case stepAnswer:
			return r, nil
		case stepBusy:
			if err := ctx.Err(); err != nil {
				return Response{}, err
			}
			continue
		}
		select {
		case <-st.wake:
		case <-ctx.Done():
			return Response{}, ctx.Err()
		case <-st.done:
		case <-st.h.done:
		case <-st.h.s.ended:
		}
	}
}

type stepState int

const (
	stepIdle   stepState = iota // nothing to do
	stepBusy                    // there is more to do
	stepAnswer                  // there is a response
)

// step does a bounded piece of work.
func (st *Stream) step() (Response, stepState, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.alive(); err != nil {
		return Response{}, stepIdle, err
	}
	defer st.h.s.guard.Exit()
	for len(st.ready) > 0 {
		r := st.ready[0]
		st.ready[0] = readyResponse{}
		if st.ready = st.ready[1:]; len(st.ready) == 0 {
			st.ready = nil
		}
		if r.w == nil || !r.w.gone {
			return r.Response, stepAnswer, nil
		}
	}
	busy, err := st.advance()
	if err != nil {
		st.fault = err
		return Response{}, stepIdle, err
	}
	if busy || len(st.ready) > 0 {
		return Response{}, stepBusy, nil
	}
	return Response{}, stepIdle, nil
}

// alive enters the store as a call that its Close waits for, unless something has ended.
func (st *Stream) alive() error {
	select {
	case <-st.h.done:
		return ErrWatchEnded
	default:
	}
	switch p := st.h.s.stopped.Load(); {
	case st.closed:
		return ErrWatchEnded
	case p != nil:
		return *p
	case st.fault != nil:
		return st.fault
	}
	return st.h.s.checkGuard(st.h.s.guard.Enter())
}
