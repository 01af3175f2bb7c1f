package engine

import (
	"bytes"
	"sort"
)

// Scan merges the layers and the base.
func (sn *bufferedSnapshot) Scan(s Space, lo, hi []byte) Iterator {
	return sn.scan(s, lo, hi, false)
}

// ScanBack is Scan from the end.
func (sn *bufferedSnapshot) ScanBack(s Space, lo, hi []byte) Iterator {
	return sn.scan(s, lo, hi, true)
}

func (sn *bufferedSnapshot) scan(s Space, lo, hi []byte, back bool) Iterator {
	if sn.closed.Load() {
		return Ended(ErrClosed)
	}
	if EmptyRange(lo, hi) {
		return Ended(nil)
	}
	m := &mergeIterator{snap: sn, space: s, back: back, top: -1}
	room := append(append(m.room[:0], lo...), hi...)
	m.lo = room[:len(lo):len(lo)]
	if hi != nil {
		m.hi = room[len(lo):]
	}
	if back {
		m.base = sn.view.base.snap.ScanBack(s, m.lo, m.hi)
	} else {
		m.base = sn.view.base.snap.Scan(s, m.lo, m.hi)
	}
	m.ahead, _ = m.base.(Chunker)
	for i, g := range sn.layers[:sn.n] {
		m.walks[i].group = g
		m.ranges = m.ranges || len(g.rangeDeletes()) > 0
		m.walks[i].start(m)
	}
	m.pick()
	return m
}

// readAhead is how many pairs are taken from a base at once for a caller that asks key by key.
const readAhead = 8

// mergeIterator walks the base and the layers side by side. Where several have the same key, the
// newest layer wins; deletions hide what is older. Few keys of a range are pending, so it does not
// go key by key: it shows runs of the base's keys, each up to the next key of a layer.
type mergeIterator struct {
	snap  *bufferedSnapshot
	space Space
	back  bool
	ended bool

	base     Iterator
	ahead    Chunker // base, if it is one
	baseEnd  bool
	baseRest []Pair  // of the base, not shown yet
	baseOne  [1]Pair // room for it where the base hands out one pair at a time
	size     int     // of the base's next chunk, if nobody says how many keys are wanted

	top    int // index of the walk with the next key of all layers, newest of equals; -1: none
	topKey []byte
	ranges bool // some layer has range deletions
	walks  [maxLayers]walk

	run  []Pair // run[at] is shown; part of what was in baseRest, or one
	at   int
	one  [1]Pair // room for a pair of a layer
	lazy bool    // the value of run[0] is still to be asked for, from the base

	lo, hi []byte
	err    error
	closed bool
	room   [64]byte // for copies of lo and hi
}

// walk is the position in one layer: a node of the range with a version that the snapshot sees.
type walk struct {
	group   *group
	node    *node // nil at the end
	version *version
}

func (w *walk) start(m *mergeIterator) {
	switch {
	case !m.back:
		w.node, _ = w.group.seek(m.space, m.lo)
	case m.hi == nil:
		w.node = w.group.lastOf(m.space)
	default:
		_, w.node = w.group.seek(m.space, m.hi)
	}
	w.settle(m)
}

func (w *walk) next(m *mergeIterator) {
	w.move(m)
	w.settle(m)
}

func (w *walk) move(m *mergeIterator) {
	if m.back {
		_, w.node = w.group.seek(m.space, w.node.key)
	} else {
		w.node = w.node.next[0].Load()
	}
}

// settle moves on until the snapshot sees a version of the node, or the range ends.
func (w *walk) settle(m *mergeIterator) {
	for w.node != nil {
		if w.node.space != m.space || !InRange(w.node.key, m.lo, m.hi) {
			w.node = nil
			return
		}
		if w.version = w.node.at(m.snap.view.seq); w.version != nil {
			return
		}
		w.move(m)
	}
}

// pick finds the walk with the next key.
func (m *mergeIterator) pick() {
	m.top, m.topKey = -1, nil
	for i := range m.walks[:m.snap.n] {
		if n := m.walks[i].node; n != nil && (m.top < 0 || m.order(n.key, m.topKey) < 0) {
			m.top, m.topKey = i, n.key
		}
	}
}

// order is negative if a comes before b in the direction of the walk.
func (m *mergeIterator) order(a, b []byte) int {
	if m.back {
		return bytes.Compare(b, a)
	}
	return bytes.Compare(a, b)
}

func (m *mergeIterator) Next() bool {
	if at := m.at + 1; at < len(m.run) && !m.snap.closed.Load() {
		m.at = at
		return true
	}
	m.size = min(2*m.size+2, readAhead)
	return m.turn(m.size)
}

// Chunk hands out the next run.
func (m *mergeIterator) Chunk(most int) []Pair {
	first := m.at + 1
	if first >= len(m.run) || m.snap.closed.Load() {
		if !m.turn(most) {
			return nil
		}
		if m.lazy && m.Value() == nil {
			return nil
		}
		first = 0
	}
	end := first + min(len(m.run)-first, most)
	m.at = end - 1
	return m.run[first:end:end]
}

// turn finds the next run and shows its first pair. most is how many pairs are wanted of the base,
// if it has any say in that.
func (m *mergeIterator) turn(most int) bool {
	if m.snap.closed.Load() || m.ended {
		return m.end(nil)
	}
	m.run, m.at, m.lazy = nil, 0, false
	for {
		if len(m.baseRest) == 0 && !m.baseEnd && !m.fetch(most) {
			return false
		}
		if n := m.free(); n > 0 {
			m.run, m.baseRest = m.baseRest[:n], m.baseRest[n:]
			m.lazy = m.ahead == nil
			return true
		}
		if m.top < 0 {
			if len(m.baseRest) == 0 {
				return m.end(nil)
			}
			m.baseRest = m.baseRest[1:] // hidden by a range deletion
			continue
		}
		if len(m.baseRest) > 0 {
			c := m.order(m.baseRest[0].Key, m.topKey)
			if c <= 0 { // hidden by a range deletion, or by a write to the same key
				m.baseRest = m.baseRest[1:]
			}
			if c < 0 {
				continue
			}
		}
		key, v := m.topKey, m.walks[m.top].version
		m.passTop()
		if !v.deleted && !(m.ranges && m.hidden(key, v.seq)) {
			m.one[0] = Pair{key, v.value}
			m.run = m.one[:]
			return true
		}
	}
}

// fetch gets baseRest from the base. It answers false, with the iteration ended, if the base failed.
func (m *mergeIterator) fetch(most int) bool {
	if m.ahead != nil {
		m.baseRest = m.ahead.Chunk(most)
	} else if m.base.Next() {
		m.baseOne[0] = Pair{Key: m.base.Key()}
		m.baseRest = m.baseOne[:]
	}
	if len(m.baseRest) == 0 {
		m.baseEnd = true
		if err := m.base.Err(); err != nil {
			return m.end(err)
		}
	}
	return true
}

// free tells how many pairs of baseRest come before the next key of the layers and are not hidden.
func (m *mergeIterator) free() int {
	n := len(m.baseRest)
	if m.top >= 0 && n > 0 && m.order(m.baseRest[n-1].Key, m.topKey) >= 0 {
		n = sort.Search(n-1, func(i int) bool { return m.order(m.baseRest[i].Key, m.topKey) >= 0 })
	}
	if m.ranges {
		for i := range n {
			if m.hidden(m.baseRest[i].Key, 0) {
				return i
			}
		}
	}
	return n
}

// passTop moves every walk that stands on the top key.
func (m *mergeIterator) passTop() {
	key := m.topKey
	for i := range m.walks[:m.snap.n] {
		w := &m.walks[i]
		if w.node != nil && bytes.Equal(w.node.key, key) {
			w.next(m)
		}
	}
	m.pick()
}

// hidden tells whether a range deletion newer than sequence number after covers key.
func (m *mergeIterator) hidden(key []byte, after uint64) bool {
	for _, g := range m.snap.layers[:m.snap.n] {
		if covered(g.rangeDeletes(), m.space, key, after, m.snap.view.seq) {
			return true
		}
	}
	return false
}

func (m *mergeIterator) end(err error) bool {
	if !m.ended {
		m.ended, m.err = true, err
	}
	m.run, m.at, m.baseRest, m.lazy = nil, 0, nil, false
	return false
}

func (m *mergeIterator) Key() []byte {
	if uint(m.at) < uint(len(m.run)) && !m.snap.closed.Load() {
		return m.run[m.at].Key
	}
	return nil
}

// Value asks a base that hands out one pair at a time only now: it may have to fetch it. If that
// finds damage, the iteration ends.
func (m *mergeIterator) Value() []byte {
	if uint(m.at) >= uint(len(m.run)) || m.snap.closed.Load() {
		return nil
	}
	if m.lazy {
		value := m.base.Value()
		if value == nil {
			m.end(m.base.Err())
			return nil
		}
		m.run[0].Value, m.lazy = value, false
	}
	return m.run[m.at].Value
}

func (m *mergeIterator) Err() error {
	if m.closed || m.snap.closed.Load() {
		return ErrClosed
	}
	return m.err
}

func (m *mergeIterator) Close() error {
	if m.closed {
		return ErrClosed
	}
	err := m.Err()
	m.end(nil)
	m.closed = true
	m.base.Close() // its error, if any, is in Err already
	return err
}
