package engine

import "math"

// Pair is a key with its value.
type Pair struct{ Key, Value []byte }

// Chunker is an Iterator that can hand out several pairs at once, because it reads ahead anyway or
// passes on what another one read. It is an optional ability: callers go through Walk, which takes
// any Iterator.
type Chunker interface {
	Iterator
	// Chunk moves on by 1 to most keys and returns the pairs it moved over, in order. None: Next
	// would have answered false, and Err tells why. All of it is valid until the next Next, Chunk or
	// Close, and not past the Close of the Snapshot. Keys and values are read-only; the Pairs are the
	// caller's, who may put others into the slice. Next and Chunk may be mixed; Key and Value show
	// nothing in particular between a Chunk and the next Next.
	Chunk(most int) []Pair
}

// Walker visits the pairs of an Iterator in runs:
//
//	for w := engine.Walk(it, 100); w.Next(); {
//		for _, p := range w.Run() { ... }
//	}
//
// Where the Iterator is a Chunker, a run costs one call through an interface, and nothing is read
// further ahead than is to be visited; elsewhere a run is one pair. Values are read with their keys:
// who wants keys alone asks the Iterator itself.
type Walker struct {
	run   []Pair
	left  int // pairs that may be asked for
	it    Iterator
	ahead Chunker // it, if it is one
	one   []Pair  // room for a run where it is none
}

// Walk returns a Walker over at most that many pairs, 0 = all, that it has not visited yet. The
// caller still closes it, and learns from its Close or Err what ended the walk; meanwhile only the
// Walker moves it.
func Walk(it Iterator, most int) Walker {
	ahead, _ := it.(Chunker)
	if most <= 0 {
		most = math.MaxInt
	}
	return Walker{it: it, ahead: ahead, left: most}
}

// Next moves on by a run and tells whether there is one. Once false it stays false.
func (w *Walker) Next() bool {
	w.run = nil
	switch {
	case w.left == 0:
	case w.ahead != nil:
		w.run = w.ahead.Chunk(w.left)
	case w.it.Next():
		if w.one == nil {
			w.one = make([]Pair, 1)
		}
		p := &w.one[0]
		if p.Key, p.Value = w.it.Key(), w.it.Value(); p.Value != nil { // nil: damage, found by Value
			w.run = w.one
		}
	}
	w.left -= len(w.run)
	return len(w.run) > 0
}

// Run is what the last Next moved over. It is read-only and valid until the next Next and the Close
// of the Iterator or its Snapshot; empty unless the last Next was true.
func (w *Walker) Run() []Pair { return w.run }
