package bolt

import (
	"bytes"
	"math"
	"runtime/debug"

	"go.etcd.io/bbolt"

	"github.com/etalon-kv/etalon/engine"
)

// chunkMax is how many keys an iterator reads ahead at most. Their slices stay valid as long as the
// view, so what guards a step against damaged pages is paid once a chunk. Where nobody says how many
// keys are wanted, the first chunk is of chunkFirst keys and each further one twice the last, so
// that a short scan reads little in vain.
const (
	chunkFirst = 2
	chunkMax   = 128
)

// walker is the reusable part of an iterator.
type walker struct {
	path   path
	cursor *bbolt.Cursor // nil as long as nothing in the pages was odd
	pairs  [chunkMax]engine.Pair
}

// iterator walks one bucket. What it shows points into the map. It is an engine.Chunker.
type iterator struct {
	snap    *snapshot
	space   *space
	walker  *walker
	at, n   int // pairs[at] is shown, n of them are read; at == n, or -1: nothing is shown
	size    int // of the next chunk
	lo, hi  []byte
	back    bool
	started bool
	odd     bool   // byCursor goes on, since something in the pages is odd
	placed  bool   // the cursor is at the last key that was read
	passed  []byte // the last key that was read from the pages
	last    bool   // no chunk follows, err is why
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
	if at := it.at + 1; at < it.n && !it.snap.closed.Load() {
		it.at = at
		return true
	}
	return it.turn(it.size)
}

// Chunk hands out what has been read ahead, or reads as much as is wanted.
func (it *iterator) Chunk(most int) []engine.Pair {
	first := it.at + 1
	if first >= it.n || it.snap.closed.Load() {
		size := it.size
		if most != math.MaxInt {
			size = min(most, chunkMax)
		}
		if !it.turn(size) {
			return nil
		}
		first = 0
	}
	end := first + min(it.n-first, most)
	it.at = end - 1
	return it.walker.pairs[first:end:end]
}

// turn reads the next chunk, of up to size keys, and shows its first, or shows nothing.
func (it *iterator) turn(size int) bool {
	it.at, it.n = 0, 0
	if !it.last && !it.snap.closed.Load() {
		it.fill(it.walker.pairs[:size])
		it.size = min(2*size, chunkMax)
	}
	return it.n > 0
}

// fill reads a chunk, by the pages or, from where these are odd, by bbolt. A damaged page ends it,
// and the iteration behind it, with ErrCorrupt.
func (it *iterator) fill(pairs []engine.Pair) {
	defer it.settle(debug.SetPanicOnFault(true))
	if !it.odd {
		it.odd = it.byPages(pairs) != nil
	}
	if it.odd {
		it.byCursor(pairs)
	}
}

// byPages reads a chunk from the pages; odd is why that could not be done to its end.
func (it *iterator) byPages(pairs []engine.Pair) (odd error) {
	tree := &it.space.tree
	if tree.root == 0 {
		return errInline
	}
	defer giveUp(&odd)
	w, bounded := &it.walker.path, it.bounded()
	switch {
	case it.started:
	case it.back && it.hi == nil:
		w.seekEnd(tree)
	case it.back:
		w.seek(tree, it.hi)
	default:
		w.seek(tree, it.lo)
	}
	it.started = true
	for it.n < len(pairs) {
		n := w.read(pairs[it.n:], it.back)
		if it.last = n == 0; it.last {
			return nil
		}
		if bounded && it.outside(pairs[it.n+n-1].Key) {
			for it.last = true; !it.outside(pairs[it.n].Key); it.n++ {
			}
			return nil
		}
		it.n += n
		it.passed = pairs[it.n-1].Key
	}
	return nil
}

// byCursor reads on where byPages has stopped, or the cursor itself.
func (it *iterator) byCursor(pairs []engine.Pair) {
	if it.walker.cursor == nil {
		it.walker.cursor = it.space.bucket.Cursor()
	}
	c, bounded := it.walker.cursor, it.bounded()
	step := c.Next
	if it.back {
		step = c.Prev
	}
	for it.n < len(pairs) {
		var key, value []byte
		switch {
		case it.placed:
			key, value = step()
		case it.passed == nil:
			key, value = it.first(c)
		default:
			if key, value = c.Seek(it.passed); it.back || bytes.Equal(key, it.passed) {
				key, value = step()
			}
		}
		it.placed = true
		if key == nil || bounded && it.outside(key) {
			it.last = true
			return
		}
		if value == nil {
			panic(errBucket)
		}
		pairs[it.n] = engine.Pair{Key: key, Value: value}
		it.n++
	}
}

// settle ends the iteration behind the pairs that were read, if bbolt panicked.
func (it *iterator) settle(panicOnFault bool) {
	debug.SetPanicOnFault(panicOnFault)
	if r := recover(); r != nil {
		it.last, it.err = true, corrupt(r)
	}
}

func (it *iterator) first(c *bbolt.Cursor) (key, value []byte) {
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

// bounded tells whether the walk may end before the space does.
func (it *iterator) bounded() bool {
	if it.back {
		return len(it.lo) > 0
	}
	return it.hi != nil
}

// outside tells whether key is behind the end in the direction of a bounded walk.
func (it *iterator) outside(key []byte) bool {
	if it.back {
		return bytes.Compare(key, it.lo) < 0
	}
	return bytes.Compare(key, it.hi) >= 0
}

// Key looks at the snapshot too: the map may be gone with it.
func (it *iterator) Key() []byte {
	if uint(it.at) < uint(it.n) && !it.snap.closed.Load() {
		return it.walker.pairs[it.at].Key
	}
	return nil
}

func (it *iterator) Value() []byte {
	if uint(it.at) < uint(it.n) && !it.snap.closed.Load() {
		return it.walker.pairs[it.at].Value
	}
	return nil
}

func (it *iterator) Err() error {
	switch {
	case it.closed || it.snap.closed.Load():
		return engine.ErrClosed
	case it.n > 0: // what ended the chunk is behind the keys read before it
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
