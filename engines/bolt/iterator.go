package bolt

import (
	"bytes"
	"runtime/debug"

	"go.etcd.io/bbolt"

	"github.com/etalon-kv/etalon/engine"
)

// chunkMax is how many keys an iterator reads ahead. Their slices stay valid as long as the view,
// so what guards a step against damaged pages is paid once a chunk. The first chunk is of
// chunkFirst keys and each further one twice the last, so that a short scan reads little in vain.
const (
	chunkFirst = 2
	chunkMax   = 4
)

type pair struct{ key, value []byte }

// walker is the reusable part of an iterator.
type walker struct {
	cursor *bbolt.Cursor
	pairs  [chunkMax]pair
}

// iterator walks one bucket. What it shows points into the map.
type iterator struct {
	snap    *snapshot
	space   *space
	walker  *walker
	at, n   int // pairs[at] is shown, n of them are read; at == n: nothing is shown
	size    int // of the next chunk
	lo, hi  []byte
	back    bool
	started bool
	last    bool // no chunk follows, err is why
	closed  bool
	err     error
	bounds  [64]byte // room for copies of lo and hi
}

func newIterator(sn *snapshot, sp *space, lo, hi []byte, back bool) *iterator {
	it := &iterator{snap: sn, space: sp, walker: sp.walker(), size: chunkFirst, at: -1, back: back}
	room := append(append(it.bounds[:0], lo...), hi...)
	it.lo = room[:len(lo):len(lo)]
	if hi != nil {
		it.hi = room[len(lo):]
	}
	return it
}

func (it *iterator) Next() bool {
	if it.snap.closed.Load() {
		return false
	}
	if it.at+1 < it.n {
		it.at++
		return true
	}
	return it.turn()
}

// turn reads the next chunk and shows its first key, or shows nothing.
func (it *iterator) turn() bool {
	if !it.last {
		it.at, it.n = 0, 0
		it.fill()
		it.size = min(2*it.size, chunkMax)
	} else {
		it.at = it.n
	}
	return it.at < it.n
}

// fill reads a chunk. A damaged page ends it, and the iteration behind it, with ErrCorrupt.
func (it *iterator) fill() {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			it.last, it.err = true, corrupt(r)
		}
	}()
	c := it.walker.cursor
	for it.n < it.size {
		var key, value []byte
		switch {
		case !it.started:
			it.started = true
			key, value = it.first()
		case it.back:
			key, value = c.Prev()
		default:
			key, value = c.Next()
		}
		if key == nil || it.outside(key) {
			it.last = true
			return
		}
		it.walker.pairs[it.n] = pair{key, value}
		it.n++
	}
}

func (it *iterator) first() (key, value []byte) {
	c := it.walker.cursor
	switch {
	case !it.back && len(it.lo) == 0:
		return c.First()
	case !it.back:
		return c.Seek(it.lo)
	case it.hi == nil:
		return c.Last()
	}
	if key, _ = c.Seek(it.hi); key == nil { // hi is above the last key
		return c.Last()
	}
	return c.Prev()
}

// outside tells whether key is behind the end in the direction of the walk.
func (it *iterator) outside(key []byte) bool {
	if it.back {
		return bytes.Compare(key, it.lo) < 0
	}
	return it.hi != nil && bytes.Compare(key, it.hi) >= 0
}

// shows tells whether there is a pair to show. The map may be gone with the snapshot.
func (it *iterator) shows() bool {
	return uint(it.at) < uint(it.n) && !it.snap.closed.Load()
}

func (it *iterator) Key() []byte {
	if !it.shows() {
		return nil
	}
	return it.walker.pairs[it.at].key
}

func (it *iterator) Value() []byte {
	if !it.shows() {
		return nil
	}
	return it.walker.pairs[it.at].value
}

func (it *iterator) Err() error {
	switch {
	case it.closed || it.snap.closed.Load():
		return engine.ErrClosed
	case it.at < it.n: // what ended the chunk is behind the keys read before it
		return nil
	}
	return it.err
}

// Close gives the walker to the next iterator over the space.
func (it *iterator) Close() error {
	if it.closed {
		return engine.ErrClosed
	}
	err := it.Err()
	it.closed, it.last, it.at, it.n = true, true, 0, 0
	it.space.idleWalker.Store(it.walker)
	it.walker, it.space = nil, nil
	return err
}
