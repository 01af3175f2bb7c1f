package pebble

import (
	"errors"
	"sync"

	lib "github.com/cockroachdb/pebble/v2"

	"github.com/etalon-kv/etalon/engine"
)

// snapshot is a pebble snapshot and the iterators that are open on it.
type snapshot struct {
	b    *backend
	snap *lib.Snapshot

	mu     sync.Mutex
	closed bool
	open   *iterator // list of open iterators
}

// Snapshot makes a view in constant time, under pebble's mutex.
func (b *backend) Snapshot() (engine.Snapshot, error) {
	if err := b.guard.Pin(); err != nil {
		return nil, err
	}
	if b.stuck.Load() {
		b.guard.Unpin()
		return nil, b.guard.Failure()
	}
	return &snapshot{b: b, snap: b.db.NewSnapshot()}, nil
}

func (s *snapshot) Get(dst []byte, space engine.Space, key []byte) ([]byte, error) {
	if s.snap == nil {
		return dst, engine.ErrClosed
	}
	buf := s.b.keys.Get().(*[]byte)
	k := append(append((*buf)[:0], byte(space)), key...)
	value, closer, err := s.snap.Get(k)
	*buf = k
	if err != nil {
		s.b.keys.Put(buf)
		if errors.Is(err, lib.ErrNotFound) {
			return dst, engine.ErrNotFound
		}
		return dst, s.b.readError("get", err)
	}
	dst = append(dst, value...)
	err = closer.Close()
	s.b.keys.Put(buf)
	if err != nil {
		return dst, s.b.readError("get", err)
	}
	return dst, nil
}

func (s *snapshot) Scan(space engine.Space, lo, hi []byte) engine.Iterator {
	return s.scan(space, lo, hi, false)
}

func (s *snapshot) ScanBack(space engine.Space, lo, hi []byte) engine.Iterator {
	return s.scan(space, lo, hi, true)
}

func (s *snapshot) scan(space engine.Space, lo, hi []byte, back bool) engine.Iterator {
	if engine.EmptyRange(lo, hi) {
		return engine.Ended(nil)
	}
	buf := s.b.keys.Get().(*[]byte)
	defer s.b.keys.Put(buf)
	k := append(append((*buf)[:0], byte(space)), lo...)
	n := len(k)
	if hi != nil {
		k = append(append(k, byte(space)), hi...)
	} else if space < 255 {
		k = append(k, byte(space)+1)
	}
	*buf = k[:0]
	opts := lib.IterOptions{LowerBound: k[:n:n]}
	if len(k) > n {
		opts.UpperBound = k[n:]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return engine.Ended(engine.ErrClosed)
	}
	it, err := s.snap.NewIter(&opts) // copies the bounds
	if err != nil {
		return engine.Ended(s.b.readError("scan", err))
	}
	i := &iterator{s: s, it: it, back: back, next: s.open}
	if s.open != nil {
		s.open.prev = i
	}
	s.open = i
	return i
}

func (s *snapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return engine.ErrClosed
	}
	s.closed = true
	for i := s.open; i != nil; i = i.next {
		i.it.Close() // its error was the iterator's own
		i.it, i.valid = nil, false
		i.err = engine.ErrClosed
	}
	s.open = nil
	err := s.snap.Close()
	s.snap = nil
	s.b.guard.Unpin()
	if err != nil {
		return translate("close snapshot", err)
	}
	return nil
}

// iterator is a pebble iterator with bounds.
type iterator struct {
	s          *snapshot
	it         *lib.Iterator // nil once the iterator or its snapshot is closed
	back       bool
	begun      bool
	valid      bool // the last Next was true
	err        error
	next, prev *iterator // in s.open
}

func (i *iterator) Next() bool {
	switch {
	case i.begun && !i.valid || i.it == nil:
		return false
	case i.begun && i.back:
		i.valid = i.it.Prev()
	case i.begun:
		i.valid = i.it.Next()
	case i.back:
		i.begun, i.valid = true, i.it.Last()
	default:
		i.begun, i.valid = true, i.it.First()
	}
	if !i.valid {
		i.fail(i.it.Error())
	}
	return i.valid
}

func (i *iterator) fail(err error) {
	if err != nil && i.err == nil {
		i.err = i.s.b.readError("scan", err)
	}
}

func (i *iterator) Key() []byte {
	if !i.valid {
		return nil
	}
	return i.it.Key()[1:]
}

// Value reads a value that pebble keeps apart only when it is asked for; damage found then ends
// the iteration.
func (i *iterator) Value() []byte {
	if !i.valid {
		return nil
	}
	v, err := i.it.ValueAndErr()
	if err != nil {
		i.fail(err)
		i.valid = false
		return nil
	}
	if v == nil {
		return []byte{}
	}
	return v
}

func (i *iterator) Err() error { return i.err }

func (i *iterator) Close() error {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	if i.it == nil {
		return engine.ErrClosed
	}
	if i.prev != nil {
		i.prev.next = i.next
	} else {
		i.s.open = i.next
	}
	if i.next != nil {
		i.next.prev = i.prev
	}
	cerr := i.it.Close()
	err := i.err
	if err == nil && cerr != nil {
		err = i.s.b.readError("scan", cerr)
	}
	i.it, i.valid, i.err = nil, false, engine.ErrClosed
	return err
}
