package engine

import (
	"math"

	"github.com/etalon-kv/etalon/internal/prefix"
)

// ownMax is how many pairs of the layers are shown at once.
const ownMax = 32

// stride is how many pairs of a base are stepped over at once in search of a key.
const stride = 8

// merge is the reusable part of an iterator. Where several of the base and the layers have the same
// key, the newest wins; deletions hide what is older.
//
// Few keys of a range are pending, so it does not go key by key: it shows runs of the base's pairs,
// with newer values put into them, each up to the next key that a layer adds or deletes.
//
// What costs is memory that nobody has read yet, so keys are compared by what their rows have of them.
//
// Tried and dropped, since none made scans of 100 clearly faster: the newest write of each key in its row,
// so that neither node nor version is read (and 60 % more memory where writes and scans alternate); keys
// and values of a row side by side in memory; asking the memory for rows, nodes, values or the base's keys
// before they are needed (slower or the same); smaller rows.
type merge struct {
	snap  *bufferedSnapshot
	space Space
	back  bool

	base     Iterator
	ahead    Chunker // base, if it is one
	baseEnd  bool
	rest     []Pair  // of the base's chunk, not shown yet
	baseOne  [1]Pair // room for it where the base hands out one pair at a time
	prefix   int     // what all keys of the chunk begin with, -1 if nobody has looked
	size     int     // of the next chunk, if nobody says how many keys are wanted
	top      *walk   // the one with the next key of all layers, newest of equals; nil: none
	ranges   bool    // some layer has range deletions
	walks    [maxLayers]walk
	lo, hi   []byte
	boundary [64]byte // room for copies of lo and hi

	run  []Pair // run[at] is shown; part of what was in rest, or of own
	at   int
	own  [ownMax]Pair // room for pairs of the layers
	used int          // of own that hold something
	lazy bool         // the value of run[0] is still to be asked for, from the base
}

func (m *merge) start(sn *bufferedSnapshot, s Space, lo, hi []byte, back bool) {
	m.snap, m.space, m.back = sn, s, back
	room := append(append(m.boundary[:0], lo...), hi...)
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
		m.ranges = m.ranges || len(g.rangeDeletes()) > 0
		if o := g.ordered(s); o != nil {
			m.walks[i].start(m, o)
		}
	}
	m.pick()
}

// reset lets go of all that m points to.
func (m *merge) reset() {
	clear(m.own[:m.used])
	m.snap, m.base, m.ahead, m.rest, m.run, m.baseOne[0] = nil, nil, nil, nil, nil, Pair{}
	m.baseEnd, m.ranges, m.lazy = false, false, false
	m.at, m.used, m.size = 0, 0, 0
	m.walks = [maxLayers]walk{}
	m.top, m.lo, m.hi = nil, nil, nil
}

// walk is the position in one layer: a key of the range, of which the snapshot perhaps sees nothing.
// Node and key lie apart from their row, so they are touched only if the row does not tell enough.
type walk struct {
	order *order
	place place
	row   *row // of place, nil at the end
}

func (w *walk) start(m *merge, o *order) {
	w.order = o
	switch {
	case !m.back:
		w.place = o.seek(m.lo)
	case m.hi == nil:
		w.place = o.before(place{row: len(o.rows)})
	default:
		w.place = o.before(o.seek(m.hi))
	}
	w.look(m)
}

func (w *walk) move(m *merge) {
	if m.back {
		w.place = w.order.before(w.place)
	} else {
		w.place = w.order.after(w.place)
	}
	w.look(m)
}

// look finds the row of the place, unless the range has ended before it.
func (w *walk) look(m *merge) {
	w.row = nil
	if uint(w.place.row) >= uint(len(w.order.rows)) {
		return
	}
	w.row = w.order.rows[w.place.row]
	if m.back && len(m.lo) > 0 && w.compare(m.lo) > 0 || !m.back && m.hi != nil && w.compare(m.hi) <= 0 {
		w.row = nil
	}
}

// compare is negative if key comes before the one of the walk.
func (w *walk) compare(key []byte) int { return w.order.compare(key, w.row, w.place.at) }

func (w *walk) node() *node { return w.row.nodes[w.place.at] }

// pick finds the walk with the next key.
func (m *merge) pick() {
	m.top = nil
	for i := range m.walks[:m.snap.n] {
		if w := &m.walks[i]; w.row != nil && (m.top == nil || m.beforeTop(w.node().key) < 0) {
			m.top = w
		}
	}
}

// beforeTop is negative if key comes before the top one in the direction of the walk.
func (m *merge) beforeTop(key []byte) int {
	c := m.top.compare(key)
	if m.back {
		return -c
	}
	return c
}

// fill finds the next run, for which up to most pairs are taken from the base. None: all has been
// seen, or the base failed.
func (m *merge) fill(most int) error {
	m.run, m.at, m.lazy = nil, 0, false
	for len(m.run) == 0 {
		if len(m.rest) == 0 && !m.baseEnd {
			if err := m.fetch(most); err != nil {
				return err
			}
		}
		switch n := m.free(); {
		case n > 0:
			m.run, m.rest = m.rest[:n:n], m.rest[n:]
			m.lazy = m.ahead == nil
		case m.ranges && len(m.rest) > 0 && m.hidden(m.rest[0].Key, 0):
			m.rest = m.rest[1:]
		case m.top != nil:
			m.insert(most)
		default:
			return nil
		}
	}
	return nil
}

// free tells how many pairs of rest can be shown, and puts newer values into them.
func (m *merge) free() (n int) {
	for m.top != nil && n < len(m.rest) {
		c := m.beforeTop(m.rest[len(m.rest)-1].Key)
		if c < 0 {
			n = len(m.rest)
			break
		}
		v := m.version()
		if v == nil {
			continue
		}
		same := c == 0
		if same {
			n = len(m.rest) - 1
		} else {
			n, same = m.cut(n)
		}
		if !same || v.deleted || m.ranges || m.ahead == nil {
			break
		}
		m.rest[n].Value = v.value
		m.passTop()
		n++
	}
	if m.top == nil {
		n = len(m.rest)
	}
	if m.ranges {
		for i := range n {
			if m.hidden(m.rest[i].Key, 0) {
				return i
			}
		}
	}
	return n
}

// version is what the snapshot sees of the top key. If that is nothing, it moves the walk: an older
// one may then be on top with the same key.
func (m *merge) version() *version {
	v := m.top.node().at(m.snap.view.seq)
	if v == nil {
		m.top.move(m)
		m.pick()
	}
	return v
}

// insert shows what the layers have before the next pair of the base, or in its place.
func (m *merge) insert(most int) {
	n := 0
	for m.top != nil && n < min(most, ownMax) {
		if len(m.rest) == 0 && !m.baseEnd {
			break
		}
		c := 1
		if len(m.rest) > 0 {
			if c = m.beforeTop(m.rest[0].Key); c < 0 {
				break
			}
		}
		v := m.version()
		if v == nil {
			continue
		}
		if c == 0 {
			m.rest = m.rest[1:]
		}
		key := m.passTop()
		if !v.deleted && !(m.ranges && m.hidden(key, v.seq)) {
			m.own[n] = Pair{key, v.value}
			n++
		}
	}
	m.run, m.used = m.own[:n], max(m.used, n)
}

// fetch gets rest from the base.
func (m *merge) fetch(most int) error {
	m.prefix = -1
	if m.ahead != nil {
		m.rest = m.ahead.Chunk(most)
	} else if m.base.Next() {
		m.baseOne[0] = Pair{Key: m.base.Key()}
		m.rest = m.baseOne[:]
	}
	if len(m.rest) == 0 {
		m.baseEnd = true
		return m.base.Err()
	}
	return nil
}

// cut tells how many pairs of rest, of which the first from do, come before the top key, and whether
// that is also the key of the pair behind them. The last pair comes after it.
func (m *merge) cut(from int) (before int, same bool) {
	if from == 0 {
		if c := m.beforeTop(m.rest[0].Key); c >= 0 {
			return 0, c == 0
		}
		from = 1
	}
	last := len(m.rest) - 1
	if m.prefix < 0 {
		m.prefix = prefix.Len(m.rest[0].Key, m.rest[last].Key)
	}
	skip, head := m.top.row.prefix, m.top.row.heads[m.top.place.at]
	if skip > m.prefix {
		skip, head = m.prefix, prefix.Head(m.top.node().key[m.prefix:])
	}
	low, high := prefix.Head(m.rest[from-1].Key[skip:]), prefix.Head(m.rest[last].Key[skip:])
	part, flip := prefix.Fraction(low, head, high), uint64(0)
	if m.back {
		part, flip = 1-prefix.Fraction(high, head, low), math.MaxUint64
	}
	head ^= flip
	headOf := func(i int) uint64 { return prefix.Head(m.rest[i].Key[skip:]) ^ flip }
	// Nobody has read the keys between yet. Begin where the top one is if all have the same distance, and
	// go on in strides: they read more than a binary search would, but none waits for the one before.
	at := min(max(from-1+int(math.Round(part*float64(last-from+1))), from), last)
	switch h := headOf(at); {
	case h == head && m.beforeTop(m.rest[at].Key) == 0:
		return at, true
	case h < head:
		for at++; at+stride < last && headOf(at+stride) < head; at += stride {
		}
	default:
		for at -= stride; at > from && headOf(at) >= head; at -= stride {
		}
		at = max(at, from)
	}
	for ; at < last; at++ {
		if h := headOf(at); h < head {
			continue
		}
		if c := m.beforeTop(m.rest[at].Key); c >= 0 {
			return at, c == 0
		}
	}
	return last, false
}

// passTop moves every walk that stands on the top key, and returns that.
func (m *merge) passTop() (key []byte) {
	key = m.top.node().key
	for i := range m.walks[:m.snap.n] {
		if w := &m.walks[i]; w == m.top || w.row != nil && w.compare(key) == 0 {
			w.move(m)
		}
	}
	m.pick()
	return key
}

// hidden tells whether a range deletion newer than sequence number after covers key.
func (m *merge) hidden(key []byte, after uint64) bool {
	for _, g := range m.snap.layers[:m.snap.n] {
		if covered(g.rangeDeletes(), m.space, key, after, m.snap.view.seq) {
			return true
		}
	}
	return false
}
