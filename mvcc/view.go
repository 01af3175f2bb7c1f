package mvcc

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/etalon-kv/etalon/engine"
)

func isErr(err, target error) bool { return errors.Is(err, target) }

// view is a snapshot of the engine that readers share. It holds every record up to its revision
// that was not compacted when it was made.
type view struct {
	snap engine.Snapshot
	rev  int64
	refs atomic.Int64
}

// retain counts a reader, unless the view is gone.
func (v *view) retain() bool {
	for {
		n := v.refs.Load()
		if n == 0 {
			return false
		}
		if v.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// views hands out the shared view. A record never changes, so a view is good for all revisions
// up to its own, and is made anew only when a read needs a newer record, or when the writer
// finds it so old that it holds back what the engine could have freed.
type views struct {
	shared atomic.Pointer[view]
	mu     sync.Mutex   // held while a view is made
	lag    atomic.Int64 // bytes written since the shared view was made
	err    atomic.Pointer[error]
}

// maxLagBytes is what the writer writes before it lets go of the shared view.
const maxLagBytes = 4 << 20

// acquire returns a view that holds the revision need, which is not above current. The caller
// gives it to release.
func (s *Store) acquire(need int64) (*view, error) {
	if v := s.views.shared.Load(); v != nil && v.rev >= need && v.retain() {
		return v, nil
	}
	vs := &s.views
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if v := vs.shared.Load(); v != nil && v.rev >= need && v.retain() {
		return v, nil
	}
	rev := s.current.Load() // before the snapshot, which may hold more
	snap, err := s.b.Snapshot()
	if err != nil {
		return nil, err
	}
	v := &view{snap: snap, rev: rev}
	v.refs.Store(2) // the caller and shared
	vs.lag.Store(0)
	vs.exchange(v)
	return v, nil
}

// release ends the caller's use of v.
func (vs *views) release(v *view) {
	if v.refs.Add(-1) == 0 {
		if err := v.snap.Close(); err != nil {
			vs.err.CompareAndSwap(nil, &err)
		}
	}
}

func (vs *views) exchange(v *view) {
	if old := vs.shared.Swap(v); old != nil {
		vs.release(old)
	}
}

// written tells that n bytes were given to the engine.
func (vs *views) written(n int) {
	if vs.lag.Add(int64(n)) > maxLagBytes {
		vs.drop()
	}
}

// drop lets go of the shared view.
func (vs *views) drop() {
	vs.lag.Store(0)
	vs.exchange(nil)
}

// close lets go of the shared view for good: nobody can read any more. It returns the first error
// of closing a snapshot.
func (vs *views) close() error {
	vs.exchange(nil)
	if p := vs.err.Load(); p != nil {
		return *p
	}
	return nil
}
