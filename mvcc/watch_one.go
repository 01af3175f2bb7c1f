package mvcc

import "context"

// Watcher is a stream of one watch, for callers in the same process.
type Watcher struct{ st *Stream }

// Watch begins a watch; c.ID is not used. Errors as of Stream.Watch. The caller must Close it.
func (h *Hub) Watch(c WatchConfig) (*Watcher, error) {
	st, err := h.Stream()
	if err != nil {
		return nil, err
	}
	c.ID = 0
	if _, err := st.Watch(c); err != nil {
		st.Close()
		return nil, err
	}
	return &Watcher{st}, nil
}

// Next returns the next events, or the answer to a progress request. Who stops here and goes on
// with a new watch starts that at the Response's Revision + 1. Errors: those of Stream.Next, and
// CompactedError when the next events were compacted, for good.
func (w *Watcher) Next(ctx context.Context) (Response, error) {
	for {
		r, err := w.st.Next(ctx)
		switch {
		case err != nil:
			return r, err
		case r.Kind == CanceledResponse:
			err := &CompactedError{CompactRev: r.CompactRev}
			w.st.mu.Lock()
			w.st.fault = err
			w.st.mu.Unlock()
			return Response{}, err
		case r.Kind != CreatedResponse:
			return r, nil
		}
	}
}

// RequestProgress is that of Stream.
func (w *Watcher) RequestProgress() error { return w.st.RequestProgress(AllWatches) }

// Close ends the watch. A second Close answers ErrWatchEnded.
func (w *Watcher) Close() error { return w.st.Close() }
