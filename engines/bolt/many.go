package bolt

import (
	"bytes"
	"errors"
	"runtime/debug"
	"slices"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/prefix"
)

// Get looks in the tree itself, and lets bbolt look where that finds anything odd.
func (sn *snapshot) Get(dst []byte, s engine.Space, key []byte) (out []byte, err error) {
	if sn.closed.Load() {
		return dst, engine.ErrClosed
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer rescue(&err)
	out = dst
	sp := sn.view.space(s)
	if sp.bucket == nil {
		return dst, engine.ErrNotFound
	}
	value, found, odd := sp.lookup(key)
	if odd != nil {
		value, found = sp.seek(key)
	}
	if !found {
		return dst, engine.ErrNotFound
	}
	return append(dst, value...), nil
}

// GetMany implements engine.ManyGetter.
func (sn *snapshot) GetMany(dst []byte, s engine.Space, keys [][]byte, spans []engine.Span) (out []byte, err error) {
	if sn.closed.Load() {
		return dst, engine.ErrClosed
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer rescue(&err)
	out = dst
	sp := sn.view.space(s)
	if sp.bucket == nil {
		for i := range keys {
			spans[i] = engine.Span{From: -1}
		}
		return dst, nil
	}
	spans = spans[:len(keys)]
	if out, err = sp.many(dst, keys, spans); err == nil {
		return out, nil
	}
	for i, key := range keys {
		value, found := sp.seek(key)
		if !found {
			spans[i] = engine.Span{From: -1}
			continue
		}
		from := len(out)
		out = append(out, value...)
		spans[i] = engine.Span{From: from, To: len(out)}
	}
	return out, nil
}

// errInline is why small buckets are left to bbolt.
var errInline = errors.New("bolt: the bucket stands in its parent's page")

// lookup looks in the tree; odd is why that could not be done.
func (sp *space) lookup(key []byte) (value []byte, found bool, odd error) {
	if sp.tree.root == 0 {
		return nil, false, errInline
	}
	defer giveUp(&odd)
	value, found = sp.tree.lookup(key)
	return value, found, nil
}

// many is GetMany of the tree; odd is why that could not be done, and dst then as it was.
func (sp *space) many(dst []byte, keys [][]byte, spans []engine.Span) (out []byte, odd error) {
	if sp.tree.root == 0 {
		return dst, errInline
	}
	defer func() {
		if odd != nil {
			out = dst
		}
	}()
	defer giveUp(&odd)
	out = dst
	for at := 0; at < len(keys); at += batchKeys {
		end := min(at+batchKeys, len(keys))
		l := lookups{tree: &sp.tree, keys: keys[at:end]}
		if need := l.descend(); need > cap(out)-len(out) {
			more := need * (len(keys) - at) / (end - at) // the others may be as long
			out = slices.Grow(out, max(need, min(more+more/16, maxAhead)))
		}
		out = l.collect(out, spans[at:end])
	}
	return out, nil
}

// giveUp turns a panic into an error, but for a tree without an end, which is one for bbolt, too:
// it would go down there for ever.
func giveUp(odd *error) {
	switch r := recover(); {
	case r == nil:
	case r == errEndless:
		panic(r)
	default:
		*odd = corrupt(r)
	}
}

// seek is bbolt's own way to a key.
func (sp *space) seek(key []byte) ([]byte, bool) {
	c := sp.cursor()
	found, value := c.Seek(key)
	sp.giveBack(c)
	if found == nil || !bytes.Equal(found, key) {
		return nil, false
	}
	return value, true
}

// batchKeys is how many keys are looked up side by side: enough for a processor to have as many
// reads under way as it can, few enough for its caches to hold what was fetched.
const batchKeys = 64

// maxAhead bounds the memory that is taken for values that were not looked at yet.
const maxAhead = 1 << 20

// lookups are lookups of some keys side by side, level by level: on each, the pages of all are
// touched where the keys seem to be before any is looked at. So the waits for memory overlap.
type lookups struct {
	tree *tree
	keys [][]byte
	at   [batchKeys]spot
	want [batchKeys]want // of their pages
	sink byte
}

// spot is where the lookup of a key is.
type spot struct {
	parent, id uint64
	reach      reach
	page       page
	head       uint64
	value      []byte // nil: not found
}

// descend leads every spot to its leaf, and finds its value there; it returns how many bytes all
// values are.
func (l *lookups) descend() (size int) {
	for i, key := range l.keys {
		l.at[i].id, l.at[i].head = l.tree.root, prefix.Head(key)
	}
	for range maxLevels {
		l.touch()
		if l.open() {
			return l.find()
		}
		l.step()
	}
	panic(errEndless)
}

func (l *lookups) touch() {
	last, n := uint64(0), 0
	for i := range l.keys {
		s := &l.at[i]
		if s.id == last {
			continue
		}
		last = s.id
		if w := l.tree.want(s.parent, s.id, s.reach, s.head); w.to > 0 {
			l.want[n] = w
			n++
		}
	}
	l.sink += l.tree.touchAll(l.want[:n])
}

// open opens the page of every spot. It tells whether they are leaves: all are, or none is.
func (l *lookups) open() bool {
	leaves := 0
	for i := range l.keys {
		s := &l.at[i]
		if i > 0 && s.id == l.at[i-1].id {
			s.page = l.at[i-1].page
		} else {
			s.page = l.tree.page(s.id)
		}
		if s.page.leaf {
			leaves++
		}
	}
	if leaves != 0 && leaves != len(l.keys) {
		panic(oddPage{what: "is a leaf where others are branches"})
	}
	return leaves != 0
}

// step leads every spot from its branch to a child.
func (l *lookups) step() {
	parent := uint64(0) // of the spot before
	for i, key := range l.keys {
		s := &l.at[i]
		if b := &l.at[max(i-1, 0)]; s.id == parent && b.reach.known && s.head > b.reach.lo && s.head < b.reach.hi {
			s.parent, s.id, s.reach = s.id, b.id, b.reach // as most neighbours on the upper levels
			continue
		}
		guess := s.reach.guess(&s.page, s.head)
		l.tree.learn(s.parent, &s.page, guess, s.head)
		child := max(s.page.upTo(key, s.head, guess)-1, 0)
		parent = s.id
		s.parent, s.id, s.reach = s.id, s.page.child(child), s.reach.within(&s.page, child)
	}
}

// find finds the values in the leaves, and returns how many bytes they are.
func (l *lookups) find() (size int) {
	for i, key := range l.keys {
		s := &l.at[i]
		guess := s.reach.guess(&s.page, s.head)
		l.tree.learn(s.parent, &s.page, guess, s.head)
		s.value, _ = s.page.find(key, s.head, guess)
		size += len(s.value)
	}
	return size
}

// collect appends the values to dst.
func (l *lookups) collect(dst []byte, spans []engine.Span) []byte {
	for i := range l.keys {
		from := len(dst)
		if l.at[i].value == nil {
			spans[i] = engine.Span{From: -1}
			continue
		}
		dst = append(dst, l.at[i].value...)
		spans[i] = engine.Span{From: from, To: len(dst)}
	}
	return dst
}
