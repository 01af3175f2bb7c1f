package mvcc

import (
	"sync"
	"sync/atomic"
)

// Hub tells watches what is committed to a store.
//
// The writer's part ends with the queues: for each change it finds the streams that have a watch
// on the key (see matcher) and appends the change to the queue of each, once however many watches
// the stream has, and at most for as long as the queue has room. It never waits for a reader, and
// streams that are behind cost it nothing more. All else is done by whoever calls Next of a
// stream: which of its watches match, the filters, the previous values, and reading from the
// store what did not fit into the queue or was committed before the watch began. So the hub has
// no goroutines, and a slow reader keeps only itself waiting.
//
// A stream has a position: all revisions up to it were delivered to its watches, except to those
// that are lagging because they started in the past; each of these has its own position, is told
// of the history from there, and joins the others when it has reached the stream's.
type Hub struct {
	s     *Store
	c     HubConfig
	done  chan struct{} // closed by Close
	rev   atomic.Int64  // the newest revision whose changes are in the queues, all of them
	offer func(interest)

	// mu is held by the writer for one commit. Order of locks: Stream.mu, Hub.mu, watchQueue.mu.
	mu        sync.Mutex
	closed    bool
	interests matcher[interest]
	round     int64     // counts commits
	seq       int64     // counts changes
	change    *Change   // the one being handed out, the store's
	shared    *Change   // a copy of it, once a queue wants it
	touched   []*Stream // those to be woken after this commit
}

// interest is the streams that watch one extent; most often it is one.
type interest struct {
	one  subscriber
	more []subscriber
}

// find returns the entry of st, nil if there is none.
func (in *interest) find(st *Stream) *subscriber {
	if in.one.st == st {
		return &in.one
	}
	for i := range in.more {
		if in.more[i].st == st {
			return &in.more[i]
		}
	}
	return nil
}

// subscriber is a stream and the number of its watches on the extent.
type subscriber struct {
	st *Stream
	n  int
}

// NewHub makes a hub for s. A store needs one; it ends with the store, or by Close.
func NewHub(s *Store, c HubConfig) (*Hub, error) {
	if err := c.fill(); err != nil {
		return nil, err
	}
	h := &Hub{s: s, c: c, done: make(chan struct{})}
	h.offer = h.offerAll
	h.mu.Lock()
	defer h.mu.Unlock() // before that the observer waits
	rev, err := s.observe(h.committed)
	if err != nil {
		return nil, err
	}
	h.rev.Store(rev)
	return h, nil
}

// Close ends all streams: their Next answers ErrWatchEnded. A second Close answers that, too.
func (h *Hub) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrWatchEnded
	}
	h.closed = true
	h.interests = matcher[interest]{}
	close(h.done)
	return nil
}

// committed is the store's observer.
func (h *Hub) committed(changes []Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.round++
	for i := range changes {
		h.seq++
		h.change = &changes[i]
		h.interests.visit(changes[i].Key, h.offer)
		h.shared = nil
	}
	h.change = nil
	h.rev.Store(changes[len(changes)-1].Rev.Main) // now readers may look at what was queued
	for i, st := range h.touched {
		st.rouse()
		h.touched[i] = nil
	}
	h.touched = h.touched[:0]
}

// offerAll gives the change to the streams of one extent.
func (h *Hub) offerAll(in interest) {
	h.offerTo(in.one.st)
	for i := range in.more {
		h.offerTo(in.more[i].st)
	}
}

// offerTo gives the change to st, unless another extent of it has.
func (h *Hub) offerTo(st *Stream) {
	if st.seq == h.seq {
		return
	}
	st.seq = h.seq
	if st.queue.behind.Load() {
		return
	}
	if h.shared == nil {
		h.shared = cloneChange(h.change)
	}
	st.queue.push(h.shared)
	if st.round != h.round {
		st.round = h.round
		h.touched = append(h.touched, st)
	}
}

// subscribe makes the stream be told of x from the revision after the one it returns.
func (h *Hub) subscribe(st *Stream, x extent) (joined int64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return 0, ErrWatchEnded
	}
	in, ok := h.interests.find(x)
	if sub := in.find(st); sub != nil {
		sub.n++
	} else if !ok {
		in.one = subscriber{st, 1}
	} else {
		in.more = append(in.more, subscriber{st, 1})
	}
	h.interests.set(x, in)
	return h.rev.Load(), nil
}

// unsubscribe undoes one subscribe.
func (h *Hub) unsubscribe(st *Stream, x extent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	in, ok := h.interests.find(x)
	if !ok { // the hub was closed
		return
	}
	sub := in.find(st)
	if sub.n--; sub.n == 0 {
		last := len(in.more) - 1
		if last < 0 {
			h.interests.remove(x)
			return
		}
		*sub = in.more[last]
		in.more[last] = subscriber{}
		in.more = in.more[:last]
	}
	h.interests.set(x, in)
}

// resume lets new changes into the queue again if at, what the stream has read, is not behind
// what was handed out.
func (h *Hub) resume(st *Stream, at int64) {
	h.mu.Lock() // no commit is half handed out
	defer h.mu.Unlock()
	if at >= h.rev.Load() {
		st.queue.behind.Store(false)
	}
}
