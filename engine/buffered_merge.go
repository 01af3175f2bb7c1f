package engine

import "bytes"

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
	for i, g := range sn.layers[:sn.n] {
		m.walks[i].group = g
		m.ranges = m.ranges || len(g.rangeDeletes()) > 0
		m.walks[i].start(m)
	}
	m.pick()
	return m
}

// mergeIterator walks the base and the layers side by side. Where several have the same key, the
// newest layer wins; deletions hide what is older.
type mergeIterator struct {
	snap  *bufferedSnapshot
	space Space
	back  bool
	began bool
	ended bool

	base    Iterator
	baseKey []byte // next of the base, nil if none

	top    int // index of the walk with the next key of all layers, newest of equals; -1: none
	topKey []byte
	ranges bool // some layer has range deletions
	walks  [maxLayers]walk

	key      []byte // shown; nil if nothing is
	value    []byte // shown, unless fromBase
	fromBase bool   // shown is the base's current pair

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
	if m.snap.closed.Load() || m.ended {
		return m.end(nil)
	}
	if m.fromBase || !m.began {
		m.began, m.fromBase = true, false
		if !m.stepBase() {
			return false
		}
	}
	for {
		if m.baseKey != nil {
			c := -1
			if m.top >= 0 {
				c = m.order(m.baseKey, m.topKey)
			}
			if c < 0 && !(m.ranges && m.hidden(m.baseKey, 0)) {
				m.key, m.fromBase = m.baseKey, true
				return true
			}
			if c <= 0 { // hidden by a range deletion or by a write to the same key
				if !m.stepBase() {
					return false
				}
			}
			if c < 0 {
				continue
			}
		} else if m.top < 0 {
			return m.end(nil)
		}
		key, v := m.topKey, m.walks[m.top].version
		m.passTop()
		if !v.deleted && !(m.ranges && m.hidden(key, v.seq)) {
			m.key, m.value = key, v.value
			return true
		}
	}
}

// stepBase moves the base on. It answers false, with the iteration ended, if the base failed.
func (m *mergeIterator) stepBase() bool {
	if m.base.Next() {
		m.baseKey = m.base.Key()
		return true
	}
	m.baseKey = nil
	if err := m.base.Err(); err != nil {
		return m.end(err)
	}
	return true
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
	m.key, m.value, m.fromBase = nil, nil, false
	return false
}

func (m *mergeIterator) Key() []byte {
	if m.snap.closed.Load() {
		return nil
	}
	return m.key
}

func (m *mergeIterator) Value() []byte {
	if m.snap.closed.Load() {
		return nil
	}
	if m.fromBase {
		return m.base.Value()
	}
	return m.value
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
