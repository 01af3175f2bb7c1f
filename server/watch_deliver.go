package server

import (
	"errors"
	"maps"
	"slices"

	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/server/wire"
)

// deliver sends what the stream has to tell until the call or the store ends.
func (w *watchStream) deliver() error {
	for {
		r, err := w.stream.Next(w.ctx) // only this goroutine replaces it
		switch {
		case errors.Is(err, mvcc.ErrWatchEnded), errors.Is(err, mvcc.ErrClosed):
			if err := w.move(); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		if err := w.tell(r); err != nil {
			return err
		}
	}
}

// tell sends one response of the stream.
func (w *watchStream) tell(r mvcc.Response) error {
	out := &w.out
	*out = wire.WatchResponse{ID: noWatch}
	if r.ID == mvcc.AllWatches {
		return w.send(out, r.Revision)
	}
	w.mu.Lock()
	x := w.byKey[r.ID]
	if x == nil || x.gone {
		w.mu.Unlock()
		return nil
	}
	out.ID = x.id
	rev, skip := r.Revision, false
	switch r.Kind {
	case mvcc.CreatedResponse:
		skip = x.created
		x.created, out.Created = true, true
		if x.config.StartRev == 0 {
			x.config.StartRev = r.Revision + 1
		}
		if !skip {
			w.creating--
		}
	case mvcc.CanceledResponse:
		out.Canceled, out.CompactRev = true, r.CompactRev
		if r.CompactRev != 0 {
			x.gone, rev = true, 0 // as etcd: nothing may be resumed behind it
		} else {
			delete(w.byKey, x.key)
			rev = w.s.state.Rev()
		}
	default:
		out.Events = r.Events
		x.config.StartRev = max(x.config.StartRev, r.Revision+1)
		x.quiet = x.quiet && len(r.Events) == 0
	}
	fragment := x.fragment
	w.mu.Unlock()
	if skip {
		return nil
	}
	if out.Created {
		defer w.wake()
	}
	if fragment && len(out.Events) > 1 && out.Size() >= w.s.config.maxMessageBytes() {
		return w.sendFragments(out, rev)
	}
	return w.send(out, rev)
}

// wake lets awaitAnswers look again.
func (w *watchStream) wake() {
	select {
	case w.answered <- struct{}{}:
	default:
	}
}

// send sends r with a header of the given revision. When it returns, r is not used any more.
func (w *watchStream) send(r *wire.WatchResponse, rev int64) error {
	w.sending.Lock()
	defer w.sending.Unlock()
	r.Header = w.s.header(rev)
	return w.rpc.SendMsg(r)
}

// sendFragments divides the events among messages, each as large as the client's requests may
// be, except for an event that is larger alone.
func (w *watchStream) sendFragments(r *wire.WatchResponse, rev int64) error {
	part := *r
	for rest := r.Events; len(rest) > 0; {
		part.Events, part.Fragment = nil, true
		n, size := 0, part.Size()
		for n < len(rest) {
			size += wire.EventSize(&rest[n])
			if n > 0 && size >= w.s.config.maxMessageBytes() {
				break
			}
			n++
		}
		part.Events, rest = rest[:n], rest[n:]
		part.Fragment = len(rest) > 0
		if err := w.send(&part, rev); err != nil {
			return err
		}
	}
	return nil
}

// move begins all watches again on the store that has replaced the one they were on. If there
// will be none, it returns the server's end.
func (w *watchStream) move() error {
	select {
	case <-w.view.Replaced:
	case <-w.ctx.Done():
		return w.ctx.Err()
	case <-w.s.stopping:
		return errStopped
	}
	canceled, err := w.restart()
	if err != nil {
		return err
	}
	for _, id := range canceled {
		if err := w.send(&wire.WatchResponse{ID: id, Canceled: true}, w.s.state.Rev()); err != nil {
			return err
		}
	}
	return nil
}

// restart is move's work; it returns the ids of the watches whose cancellation the old stream did
// not come to tell.
func (w *watchStream) restart() (canceled []int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stream.Close() // ErrWatchEnded if it was
	if err := w.open(); err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(w.byKey)) {
		x := w.byKey[key]
		switch {
		case w.byID[x.id] != x:
			delete(w.byKey, key)
			canceled = append(canceled, x.id)
		case !x.gone:
			_, err := w.stream.Watch(x.config)
			if err != nil && !errors.Is(err, mvcc.ErrWatchEnded) && !errors.Is(err, mvcc.ErrClosed) { // replaced once more: the next move
				return nil, err
			}
		}
	}
	return canceled, nil
}
