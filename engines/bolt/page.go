package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"

	"go.etcd.io/bbolt"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/prefix"
)

// tree is a bucket as it stands in the map, for lookups that descend by themselves: bbolt's search
// in a page is binary, and each of its probes is a wait for memory. The form of the pages is that
// of bbolt's file format, which is fixed for its version 2 (its Open refuses others): a header (id
// 8 bytes, flags 2, number of elements 2, number of further pages 4), elements of 16 bytes each,
// and the keys and values that these point to; all numbers in the order of the machine.
//
// It is as sound as bbolt's own reading: the pages that a read transaction can reach are not
// written again before it ends, and the map does not move (see the package comment). Nothing in a
// page is trusted: what is not as it should be ends in a panic, as it does in bbolt (its callers
// recover, and let bbolt's own path give the answer).
type tree struct {
	data      []byte // the map up to the end of what the transaction sees
	pageBytes uint64
	root      uint64 // 0: the bucket is so small that it stands in its parent's page
	forms     *forms
}

const (
	headerBytes  = 16
	elementBytes = 16
	branchFlag   = 1
	leafFlag     = 2
	// maxLevels is more than a tree in a file of any size has, with two children a page.
	maxLevels = 64
)

// page is a page of the tree with those that it goes on in.
type page struct {
	data []byte
	n    int  // elements
	leaf bool // else branch
}

// page returns the page that is called id.
func (t *tree) page(id uint64) page {
	if id >= uint64(len(t.data))/t.pageBytes {
		panic(oddPage{id, "is behind the end"})
	}
	data := t.data[id*t.pageBytes:]
	flags := binary.NativeEndian.Uint16(data[8:])
	n := int(binary.NativeEndian.Uint16(data[10:]))
	size := (uint64(binary.NativeEndian.Uint32(data[12:])) + 1) * t.pageBytes
	switch {
	case binary.NativeEndian.Uint64(data) != id:
		panic(oddPage{id, "is another page"})
	case flags != branchFlag && flags != leafFlag:
		panic(oddPage{id, "is neither branch nor leaf"})
	case size > uint64(len(data)) || headerBytes+elementBytes*n > int(size):
		panic(oddPage{id, "is too long"})
	case n == 0 && flags == branchFlag:
		panic(oddPage{id, "is a branch without children"})
	}
	return page{data: data[:size:size], n: n, leaf: flags == leafFlag}
}

// errEndless: more levels than maxLevels.
var errEndless = errors.New("a tree without an end")

// oddPage is what makes a lookup give up.
type oddPage struct {
	id   uint64
	what string
}

// element is where the i-th element begins.
func element(i int) int { return headerBytes + elementBytes*i }

// span is where the key of the i-th element stands.
func (p *page) span(i int) (from, to int) {
	at := element(i)
	e := p.data[at : at+elementBytes]
	pos, size := binary.NativeEndian.Uint32(e), binary.NativeEndian.Uint32(e[4:])
	if p.leaf {
		pos, size = size, binary.NativeEndian.Uint32(e[8:])
	}
	from = at + int(pos)
	return from, from + int(size)
}

// head is that of the i-th key.
func (p *page) head(i int) uint64 {
	from, to := p.span(i)
	return prefix.Head(p.data[from:to])
}

// child is the page that the i-th element of a branch leads to.
func (p *page) child(i int) uint64 { return binary.NativeEndian.Uint64(p.data[element(i)+8:]) }

// valueBytes is the length of the value of the i-th element of a leaf.
func (p *page) valueBytes(i int) int { return int(binary.NativeEndian.Uint32(p.data[element(i)+12:])) }

// errBucket is what a lookup gives up with over a bucket in a bucket.
var errBucket = oddPage{what: "holds a bucket where only keys are"}

// holds tells whether key is that of the i-th element.
func (p *page) holds(i int, key []byte) bool {
	from, to := p.span(i)
	return string(p.data[from:to]) == string(key)
}

// match returns the value of the i-th element of a leaf, never nil, if its key is key.
func (p *page) match(i int, key []byte) ([]byte, bool) {
	from, to := p.span(i)
	if string(p.data[from:to]) != string(key) {
		return nil, false
	}
	if binary.NativeEndian.Uint32(p.data[element(i):]) != 0 {
		panic(errBucket)
	}
	end := to + p.valueBytes(i)
	return p.data[to:end:end], true
}

// pairs are the elements of a leaf from the one called from on.
func (p *page) pairs(from int, out []engine.Pair) {
	elements := p.data[element(from):element(from+len(out))]
	for i := range out {
		e := elements[elementBytes*i : elementBytes*i+elementBytes]
		if binary.NativeEndian.Uint32(e) != 0 {
			panic(errBucket)
		}
		at := element(from+i) + int(binary.NativeEndian.Uint32(e[4:]))
		mid := at + int(binary.NativeEndian.Uint32(e[8:]))
		end := mid + int(binary.NativeEndian.Uint32(e[12:]))
		o := &out[i] // field by field: as a whole it goes through the stack, which is slow
		o.Key = p.data[at:mid:mid]
		o.Value = p.data[mid:end:end]
	}
}

// find returns the value of key, whose head is k, in a leaf that holds it perhaps.
func (p *page) find(key []byte, k uint64, guess int) ([]byte, bool) {
	if p.n == 0 {
		return nil, false
	}
	if value, ok := p.match(guess, key); ok {
		return value, true
	}
	if i := p.upTo(key, k, guess); i > 0 {
		return p.match(i-1, key)
	}
	return nil, false
}

// upTo is the number of keys of p at or below key, whose head is k. It looks at guess first, and
// goes away from it in steps that double; where many keys begin alike that leads nowhere, and it
// halves.
func (p *page) upTo(key []byte, k uint64, guess int) int {
	lo, hi := 0, p.n
	for i, step, same := guess, 1, 0; lo < hi; step *= 2 {
		from, to := p.span(i)
		have := p.data[from:to]
		below := false
		if h := prefix.Head(have); h != k {
			below = h < k
		} else {
			below = bytes.Compare(have, key) <= 0
			if same++; same > 1 {
				step = p.n
			}
		}
		if below {
			lo = i + 1
			i += step
		} else {
			hi = i
			i -= step
		}
		if i < lo || i >= hi {
			i = int(uint(lo+hi) >> 1)
		}
	}
	return lo
}

// reach is the keys that a page can hold, by their first eight bytes: from lo on and below hi, if
// that is known. Keys that are nearly dense numbers (revisions, places of a log) then stand where
// the rule of three says, and mostly one look finds them.
type reach struct {
	lo, hi uint64
	known  bool
}

// guess is about where the key with the head k stands in p, whose reach is r; 0 if p is empty.
func (r reach) guess(p *page, k uint64) int {
	switch {
	case p.n == 0:
		return 0
	case r.known:
		return r.place(p.n, k)
	}
	return reach{lo: p.head(0), hi: p.head(p.n - 1)}.place(max(p.n-1, 1), k)
}

// place is about the place of the key with the head k among n that are spread over r.
func (r reach) place(n int, k uint64) int {
	switch {
	case k <= r.lo:
		return 0
	case k >= r.hi:
		return n - 1
	}
	hi, lo := bits.Mul64(k-r.lo, uint64(n))
	at, _ := bits.Div64(hi, lo, r.hi-r.lo) // k is below hi, so the result is below n
	return int(at)
}

// within is the reach of the i-th child of p.
func (r reach) within(p *page, i int) reach {
	c := reach{lo: p.head(i), hi: r.hi, known: r.known}
	if i+1 < p.n {
		c.hi, c.known = p.head(i+1), true
	}
	return c
}

// lookup returns the value of key; false if it is not there.
func (t *tree) lookup(key []byte) ([]byte, bool) {
	k, parent, id, r := prefix.Head(key), uint64(0), t.root, reach{}
	for range maxLevels {
		t.touch(t.want(parent, id, r, k))
		p := t.page(id)
		guess := r.guess(&p, k)
		t.learn(parent, &p, guess, k)
		if p.leaf {
			return p.find(key, k, guess)
		}
		i := max(p.upTo(key, k, guess)-1, 0)
		parent, id, r = id, p.child(i), r.within(&p, i)
	}
	panic(errEndless)
}

// newTree is the tree of b, whose transaction sees the map up to data. What is learnt of the forms
// of its pages goes to forms.
func newTree(data []byte, pageBytes int, b *bbolt.Bucket, f *forms) tree {
	return tree{data: data, pageBytes: uint64(pageBytes), root: uint64(b.Root()), forms: f}
}
