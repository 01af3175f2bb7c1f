package logfile

import (
	"sync/atomic"

	"github.com/etalon-kv/etalon/engine"
)

// doc:snapshot
type snapshot struct {
	store   *store
	content content
	closed  atomic.Bool
}

func (s *store) Snapshot() (engine.Snapshot, error) {
	if err := s.guard.Pin(); err != nil {
		return nil, err
	}
	return &snapshot{store: s, content: *s.content.Load()}, nil
}

func (sn *snapshot) Get(dst []byte, s engine.Space, key []byte) ([]byte, error) {
	if sn.closed.Load() {
		return dst, engine.ErrClosed
	}
	at, found := find(sn.content[s], key)
	if !found {
		return dst, engine.ErrNotFound
	}
	return append(dst, sn.content[s][at].value...), nil
}

func (sn *snapshot) Scan(s engine.Space, lo, hi []byte) engine.Iterator {
	return sn.scan(s, lo, hi, 1)
}

func (sn *snapshot) ScanBack(s engine.Space, lo, hi []byte) engine.Iterator {
	return sn.scan(s, lo, hi, -1)
}

func (sn *snapshot) Close() error {
	if sn.closed.Swap(true) {
		return engine.ErrClosed
	}
	sn.store.guard.Unpin()
	return nil
}

// doc:end

func (sn *snapshot) scan(s engine.Space, lo, hi []byte, step int) engine.Iterator {
	if sn.closed.Load() {
		return engine.Ended(engine.ErrClosed)
	}
	from, to := span(sn.content[s], lo, hi)
	it := &iterator{snap: sn, list: sn.content[s][from:to], at: -1, step: step}
	if step < 0 {
		it.at = len(it.list)
	}
	return it
}

// doc:iterator
type iterator struct {
	snap     *snapshot
	list     []entry // the range
	at, step int
	closed   bool
}

func (it *iterator) Next() bool {
	if !it.over() && it.at+it.step >= -1 && it.at+it.step <= len(it.list) {
		it.at += it.step
	}
	return it.shows()
}

func (it *iterator) over() bool  { return it.closed || it.snap.closed.Load() }
func (it *iterator) shows() bool { return !it.over() && it.at >= 0 && it.at < len(it.list) }

func (it *iterator) Key() []byte {
	if !it.shows() {
		return nil
	}
	return it.list[it.at].key
}

func (it *iterator) Value() []byte {
	if !it.shows() {
		return nil
	}
	return it.list[it.at].value
}

func (it *iterator) Err() error {
	if it.over() {
		return engine.ErrClosed
	}
	return nil
}

func (it *iterator) Close() error {
	err := it.Err()
	it.closed = true
	return err
}

// doc:end
