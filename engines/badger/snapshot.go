package badger

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	lib "github.com/dgraph-io/badger/v4"

	"github.com/etalon-kv/etalon/engine"
)

// snapshot is a read-only transaction and the iterators that are open on it.
type snapshot struct {
	b   *backend
	txn *lib.Txn

	mu     sync.Mutex
	closed bool
	open   *iterator // list of open iterators
}

// Snapshot begins a read-only transaction.
func (b *backend) Snapshot() (engine.Snapshot, error) {
	if err := b.guard.Pin(); err != nil {
		return nil, err
	}
	return &snapshot{b: b, txn: b.db.NewTransaction(false)}, nil
}

// damaged turns a panic of badger over a damaged block into an error.
func damaged(op string, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("badger: %s: %w: %v", op, engine.ErrCorrupt, p)
	}
}

func (s *snapshot) Get(dst []byte, space engine.Space, key []byte) (_ []byte, err error) {
	if s.txn == nil {
		return dst, engine.ErrClosed
	}
	if len(key) == 0 {
		return dst, engine.ErrNotFound
	}
	defer damaged("get", &err)
	buf := s.b.keys.Get().(*[]byte)
	defer s.b.keys.Put(buf)
	*buf = appendKey((*buf)[:0], space, key)
	item, err := s.txn.Get(*buf)
	if errors.Is(err, lib.ErrKeyNotFound) {
		return dst, engine.ErrNotFound
	}
	if err != nil {
		return dst, fmt.Errorf("badger: get: %w", err)
	}
	room := dst[len(dst):]
	value, err := item.ValueCopy(room)
	switch {
	case err != nil:
		return dst, fmt.Errorf("badger: get: %w", err)
	case len(value) <= cap(room):
		return dst[:len(dst)+len(value)], nil
	case len(dst) == 0:
		return value, nil
	}
	return append(dst, value...), nil
}

func (s *snapshot) Scan(space engine.Space, lo, hi []byte) engine.Iterator {
	return s.scan(space, lo, hi, false)
}

func (s *snapshot) ScanBack(space engine.Space, lo, hi []byte) engine.Iterator {
	return s.scan(space, lo, hi, true)
}

func (s *snapshot) scan(space engine.Space, lo, hi []byte, back bool) (_ engine.Iterator) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return engine.Ended(engine.ErrClosed)
	}
	if engine.EmptyRange(lo, hi) {
		return engine.Ended(nil)
	}
	i := &iterator{s: s, plen: prefixLen(space), next: s.open}
	if err := i.begin(space, lo, hi, back); err != nil {
		return engine.Ended(err)
	}
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
		i.c.it.Close()
		i.c.it, i.valid, i.err = nil, false, engine.ErrClosed
	}
	s.open = nil
	s.txn.Discard()
	s.txn = nil
	s.b.guard.Unpin()
	return nil
}

// cursor walks over the stored keys of a range.
type cursor struct {
	it     *lib.Iterator
	from   []byte // where to seek; nil for the very end of the database, backwards
	lo, hi []byte // stored form; hi may be empty: no key is behind
	back   bool
	begun  bool
}

// newCursor needs a range that is not empty. Values are not prefetched: they lie beside the keys.
func newCursor(txn *lib.Txn, s engine.Space, lo, hi []byte, back bool) cursor {
	c := cursor{back: back}
	buf := make([]byte, 0, 2*(prefixLen(s))+len(lo)+len(hi)+8)
	buf = appendKey(buf, s, lo)
	c.lo = buf[:len(buf):len(buf)]
	prefix := c.lo[:prefixLen(s)]
	if hi != nil {
		c.hi = appendKey(buf[len(buf):], s, hi)
		n := 0 // every key between the bounds begins like both
		for n < len(c.lo) && n < len(c.hi) && c.lo[n] == c.hi[n] {
			n++
		}
		prefix = c.lo[:n]
	} else {
		c.hi = appendEnd(buf[len(buf):], s)
	}
	c.from = c.lo
	if back {
		c.from = c.hi
		if len(c.hi) == 0 {
			c.from, prefix = nil, nil // Rewind goes to the end only without a prefix
		}
	}
	c.it = txn.NewIterator(lib.IteratorOptions{Prefix: prefix, Reverse: back})
	return c
}

// next moves on and tells whether there is a key in the range.
func (c *cursor) next() bool {
	switch {
	case c.begun:
		c.it.Next()
	case c.from == nil:
		c.it.Rewind()
	default:
		c.it.Seek(c.from)
	}
	c.begun = true
	if !c.it.Valid() {
		return false
	}
	key := c.it.Item().Key()
	if !c.back {
		return len(c.hi) == 0 || bytes.Compare(key, c.hi) < 0
	}
	if len(c.hi) > 0 && bytes.Equal(key, c.hi) { // the seek finds the bound itself
		c.it.Next()
		if !c.it.Valid() {
			return false
		}
		key = c.it.Item().Key()
	}
	return bytes.Compare(key, c.lo) >= 0
}

// iterator is a cursor with the manners of the contract.
type iterator struct {
	s          *snapshot
	c          cursor // c.it is nil once the iterator or its snapshot is closed
	plen       int
	ended      bool
	valid      bool // the last Next was true
	read       bool // value holds the current value
	value      []byte
	err        error
	next, prev *iterator // in s.open
}

func (i *iterator) begin(s engine.Space, lo, hi []byte, back bool) (err error) {
	defer damaged("scan", &err)
	i.c = newCursor(i.s.txn, s, lo, hi, back)
	return nil
}

func (i *iterator) Next() bool {
	if i.ended || i.c.it == nil {
		i.valid = false
		return false
	}
	i.valid, i.read = false, false
	i.step()
	if !i.valid {
		i.ended = true
	}
	return i.valid
}

func (i *iterator) step() {
	defer damaged("scan", &i.err)
	i.valid = i.c.next()
}

func (i *iterator) Key() []byte {
	if !i.valid {
		return nil
	}
	return i.c.it.Item().Key()[i.plen:]
}

func (i *iterator) Value() []byte {
	if !i.valid {
		return nil
	}
	if !i.read {
		i.load()
	}
	return i.value
}

// load copies the value out; damage found then ends the iteration.
func (i *iterator) load() {
	defer func() {
		if i.err != nil {
			i.value, i.valid, i.ended = nil, false, true
		}
	}()
	defer damaged("scan", &i.err)
	value, err := i.c.it.Item().ValueCopy(i.value)
	if err != nil {
		i.err = fmt.Errorf("badger: scan: %w", err)
		return
	}
	if value == nil {
		value = []byte{}
	}
	i.value, i.read = value, true
}

func (i *iterator) Err() error { return i.err }

func (i *iterator) Close() error {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	if i.c.it == nil {
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
	i.c.it.Close()
	err := i.err
	i.c.it, i.valid, i.err = nil, false, engine.ErrClosed
	return err
}
