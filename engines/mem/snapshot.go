package mem

import (
	"bytes"
	"sync/atomic"
	"unsafe"

	"github.com/etalon-kv/etalon/engine"
	"github.com/tidwall/btree"
)

// view returns b as a string without a copy. b must not change while the string is in use.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// read returns s as bytes without a copy; non-nil even if empty. They must not be written to.
func read(s string) []byte {
	if s == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// snapshot implements engine.Snapshot.
type snapshot struct {
	db     *db
	spaces version
	closed atomic.Bool
}

func (d *db) Snapshot() (engine.Snapshot, error) {
	if err := d.guard.Pin(); err != nil {
		return nil, err
	}
	return &snapshot{db: d, spaces: *d.current.Load()}, nil
}

func (s *snapshot) Get(dst []byte, id engine.Space, key []byte) ([]byte, error) {
	if s.closed.Load() {
		return dst, engine.ErrClosed
	}
	t := s.spaces.find(id)
	if t == nil {
		return dst, engine.ErrNotFound
	}
	value, ok := t.Get(view(key))
	if !ok {
		return dst, engine.ErrNotFound
	}
	return append(dst, value...), nil
}

func (s *snapshot) Scan(id engine.Space, lo, hi []byte) engine.Iterator {
	return s.scan(id, lo, hi, false)
}

func (s *snapshot) ScanBack(id engine.Space, lo, hi []byte) engine.Iterator {
	return s.scan(id, lo, hi, true)
}

func (s *snapshot) scan(id engine.Space, lo, hi []byte, back bool) engine.Iterator {
	if s.closed.Load() {
		return engine.Ended(engine.ErrClosed)
	}
	it := &iterator{snap: s, back: back, lo: bytes.Clone(lo), hi: bytes.Clone(hi)}
	if t := s.spaces.find(id); t != nil && !engine.EmptyRange(lo, hi) {
		it.tree = t.Iter()
		it.state = before
	}
	return it
}

func (s *snapshot) Close() error {
	if !s.closed.CompareAndSwap(false, true) {
		return engine.ErrClosed
	}
	s.db.guard.Unpin()
	return nil
}

type iterState uint8

const (
	ended iterState = iota
	before
	at
	closed
)

// chunkMax is how many pairs a chunk has at most.
const chunkMax = 64

// iterator implements engine.Chunker.
type iterator struct {
	snap   *snapshot
	tree   btree.MapIter[string, string]
	lo, hi []byte // the iterator's own
	back   bool
	state  iterState
	room   *[chunkMax]engine.Pair // for chunks; lent by db, nil until one is asked for
	used   int                    // pairs of room that hold something
}

func (it *iterator) Next() bool {
	if it.state == ended || it.state == closed {
		return false
	}
	it.state = ended
	if !it.snap.closed.Load() && it.step() && it.inside() {
		it.state = at
	}
	return it.state == at
}

// Chunk hands out pairs straight from the tree.
func (it *iterator) Chunk(most int) []engine.Pair {
	if !it.Next() {
		return nil
	}
	if it.room == nil {
		if it.room = it.snap.db.idle.Swap(nil); it.room == nil {
			it.room = new([chunkMax]engine.Pair)
		}
	}
	room, move := it.room[:min(most, chunkMax)], it.tree.Next
	if it.back {
		move = it.tree.Prev
	}
	bounded := it.back && len(it.lo) > 0 || !it.back && it.hi != nil
	it.used = max(it.used, len(room))
	n := 0
	for {
		p := &room[n]
		p.Key, p.Value = read(it.tree.Key()), read(it.tree.Value())
		if n++; n == len(room) {
			return room
		}
		if !move() || bounded && !it.inside() {
			it.state = ended
			return room[:n]
		}
	}
}

// step moves the tree's iterator, from before the first key if it has not moved yet.
func (it *iterator) step() bool {
	if it.tree.Key() != "" { // no key is empty
		if it.back {
			return it.tree.Prev()
		}
		return it.tree.Next()
	}
	if !it.back {
		return it.tree.Seek(view(it.lo))
	}
	if it.hi != nil && it.tree.Seek(view(it.hi)) {
		return it.tree.Prev()
	}
	return it.tree.Last()
}

// inside tells whether the key moved to has not passed the far bound.
func (it *iterator) inside() bool {
	if it.back {
		return it.tree.Key() >= view(it.lo)
	}
	return it.hi == nil || it.tree.Key() < view(it.hi)
}

func (it *iterator) Key() []byte {
	if it.state != at {
		return nil
	}
	return read(it.tree.Key())
}

func (it *iterator) Value() []byte {
	if it.state != at {
		return nil
	}
	return read(it.tree.Value())
}

func (it *iterator) Err() error {
	if it.state == closed || it.snap.closed.Load() {
		return engine.ErrClosed
	}
	return nil
}

func (it *iterator) Close() error {
	if it.state == closed {
		return engine.ErrClosed
	}
	err := it.Err()
	it.state = closed
	it.tree = btree.MapIter[string, string]{}
	if it.room != nil {
		clear(it.room[:it.used]) // lets go of content that may be deleted
		it.snap.db.idle.Store(it.room)
		it.room = nil
	}
	return err
}
