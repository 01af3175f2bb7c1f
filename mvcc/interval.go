package mvcc

import "strings"

// extent is the keys that a watch is about: the key lo alone, those of [lo, hi), or all from lo on.
type extent struct {
	lo, hi string
	kind   extentKind
}

type extentKind uint8

const (
	oneKey extentKind = iota
	bounded
	endless
)

// compare orders extents that are ranges by their beginning, then by their end.
func (x *extent) compare(o *extent) int {
	if c := strings.Compare(x.lo, o.lo); c != 0 {
		return c
	}
	if x.kind != o.kind {
		return int(x.kind) - int(o.kind)
	}
	return strings.Compare(x.hi, o.hi)
}

// endsAbove tells whether key is below the end of x.
func (x *extent) endsAbove(key []byte) bool { return x.kind == endless || string(key) < x.hi }

// matcher maps extents to values of type T and finds those that hold a key: keys in a hash map,
// ranges in an interval tree, so a key costs one look-up however many watch other keys, and
// O(log n + found) for ranges. Values lie in the map itself: with 100,000 watches what the garbage
// collector has to visit costs a put more than the look-up. The zero matcher is empty.
type matcher[T any] struct {
	keys   map[string]T
	ranges intervals[T]
}

// find returns the value of x; false if there is none.
func (m *matcher[T]) find(x extent) (v T, ok bool) {
	if x.kind == oneKey {
		v, ok = m.keys[x.lo]
		return v, ok
	}
	if p := m.ranges.find(x); p != nil {
		return *p, true
	}
	return v, false
}

func (m *matcher[T]) set(x extent, v T) {
	if x.kind != oneKey {
		*m.ranges.at(x) = v
		return
	}
	if m.keys == nil {
		m.keys = make(map[string]T)
	}
	m.keys[x.lo] = v
}

func (m *matcher[T]) remove(x extent) {
	if x.kind == oneKey {
		delete(m.keys, x.lo)
		return
	}
	m.ranges.remove(x)
}

// visit calls f for the value of every extent that holds key. f must not change m.
func (m *matcher[T]) visit(key []byte, f func(T)) {
	if v, ok := m.keys[string(key)]; ok {
		f(v)
	}
	m.ranges.root.stab(key, f)
}

// intervals is a treap of ranges (Seidel and Aragon, 1996: a search tree that is a heap by random
// priorities, so balanced in expectation) in which each node knows how far its subtree reaches.
type intervals[T any] struct {
	root *intervalNode[T]
	rng  uint64
}

type intervalNode[T any] struct {
	extent
	value       T
	priority    uint64
	reach       *extent // the one in the subtree that ends last
	left, right *intervalNode[T]
}

func (t *intervals[T]) find(x extent) *T {
	n := t.root
	for n != nil {
		switch c := x.compare(&n.extent); {
		case c == 0:
			return &n.value
		case c < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	return nil
}

// at returns the value of x, a new zero one if there is none.
func (t *intervals[T]) at(x extent) *T {
	if v := t.find(x); v != nil {
		return v
	}
	t.rng += 0x9e3779b97f4a7c15 // splitmix64: no look at the keys, so no keys can unbalance it
	z := t.rng
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	n := &intervalNode[T]{extent: x, priority: z ^ z>>31}
	t.root = t.root.insert(n)
	return &n.value
}

func (t *intervals[T]) remove(x extent) { t.root = t.root.remove(&x) }

// insert puts n, whose extent is not there, into the tree below p and returns its new root.
func (p *intervalNode[T]) insert(n *intervalNode[T]) *intervalNode[T] {
	if p == nil || n.priority > p.priority {
		n.left, n.right = p.split(&n.extent)
		return n.update()
	}
	if n.compare(&p.extent) < 0 {
		p.left = p.left.insert(n)
	} else {
		p.right = p.right.insert(n)
	}
	return p.update()
}

// split parts the tree below p into what is below x and what is above.
func (p *intervalNode[T]) split(x *extent) (below, above *intervalNode[T]) {
	if p == nil {
		return nil, nil
	}
	if p.compare(x) < 0 {
		p.right, above = p.right.split(x)
		return p.update(), above
	}
	below, p.left = p.left.split(x)
	return below, p.update()
}

func (p *intervalNode[T]) remove(x *extent) *intervalNode[T] {
	if p == nil {
		return nil
	}
	switch c := x.compare(&p.extent); {
	case c == 0:
		return p.left.join(p.right)
	case c < 0:
		p.left = p.left.remove(x)
	default:
		p.right = p.right.remove(x)
	}
	return p.update()
}

// join is one tree of p and q, all of which is above p.
func (p *intervalNode[T]) join(q *intervalNode[T]) *intervalNode[T] {
	switch {
	case p == nil:
		return q
	case q == nil:
		return p
	case p.priority > q.priority:
		p.right = p.right.join(q)
		return p.update()
	}
	q.left = p.join(q.left)
	return q.update()
}

func (p *intervalNode[T]) update() *intervalNode[T] {
	p.reach = &p.extent
	for _, c := range [2]*intervalNode[T]{p.left, p.right} {
		if c != nil && p.reach.kind != endless && (c.reach.kind == endless || c.reach.hi > p.reach.hi) {
			p.reach = c.reach
		}
	}
	return p
}

// stab calls f for every range below p that holds key.
func (p *intervalNode[T]) stab(key []byte, f func(T)) {
	for p != nil && p.reach.endsAbove(key) {
		p.left.stab(key, f)
		if string(key) < p.lo {
			return
		}
		if p.endsAbove(key) {
			f(p.value)
		}
		p = p.right
	}
}
