package bolt

import (
	"sync/atomic"

	"github.com/etalon-kv/etalon/engine"
)

// snapshot is one holder of a view. Every use of the map is preceded by a look at closed.
type snapshot struct {
	store  *store
	view   *view
	closed atomic.Bool
}

// Snapshot returns a view of the newest state.
func (s *store) Snapshot() (engine.Snapshot, error) {
	if err := s.guard.Pin(); err != nil {
		return nil, err
	}
	v, err := s.views.acquire()
	if err != nil {
		s.guard.Unpin()
		return nil, err
	}
	return &snapshot{store: s, view: v}, nil
}

func (sn *snapshot) Scan(s engine.Space, lo, hi []byte) engine.Iterator {
	return sn.scan(s, lo, hi, false)
}

func (sn *snapshot) ScanBack(s engine.Space, lo, hi []byte) engine.Iterator {
	return sn.scan(s, lo, hi, true)
}

func (sn *snapshot) scan(s engine.Space, lo, hi []byte, back bool) engine.Iterator {
	if sn.closed.Load() {
		return engine.Ended(engine.ErrClosed)
	}
	if engine.EmptyRange(lo, hi) {
		return engine.Ended(nil)
	}
	sp := sn.view.spaces[s].Load()
	if sp == nil {
		var err error
		if sp, err = sn.view.look(s); err != nil {
			return engine.Ended(err)
		}
	}
	if sp.bucket == nil {
		return engine.Ended(nil)
	}
	return newIterator(sn, sp, lo, hi, back)
}

// Close gives the view back.
func (sn *snapshot) Close() error {
	if sn.closed.Swap(true) {
		return engine.ErrClosed
	}
	err := sn.store.views.release(sn.view)
	sn.store.guard.Unpin()
	return err
}
