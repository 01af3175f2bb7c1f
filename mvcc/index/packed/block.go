package packed

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/etalon-kv/etalon/internal/prefix"
)

// block is a sorted list of keys, each with a payload, in one immutable slice without pointers:
//
//	prefix   what all keys begin with
//	heads    of each key the four bytes behind the prefix, as a number, zeroes behind its end
//	ends     of each item the offset of its end, 2 bytes each, or 4 if wide
//	items    of each key a byte of flags, the payload, and the rest of the key
//
// A search is a binary search in the heads, which are few cache lines, and a comparison with one
// item. Nothing is stored twice: head and rest together are the key.
type block struct {
	data   []byte
	prefix int32
	n      uint16
	wide   bool
}

// own is b with data of its own, for one that stands in scratch memory.
func (b block) own() block {
	b.data = bytes.Clone(b.data)
	return b
}

// The flags of an item: how many bytes of the head are key, what form the payload has, and for
// formPlain its width.
const (
	headMask   = 0b0000_0111
	formMask   = 0b0001_1000
	widthShift = 5
)

// The forms of a payload.
const (
	formPlain = 0 << 3 // one creating put: main revision - base, in width bytes, little endian
	formShort = 1 << 3 // a length byte and a packed history
	formLong  = 2 << 3 // two bytes: which of the leaf's long histories
)

// maxPlainWidth bounds the width of a formPlain.
const maxPlainWidth = 7

func (b *block) endWidth() int {
	if b.wide {
		return 4
	}
	return 2
}

func (b *block) head(i int) uint32 { return binary.LittleEndian.Uint32(b.data[int(b.prefix)+4*i:]) }

// end is the offset of the end of the i-th item, from the start of the items.
func (b *block) end(i int) int {
	ends := b.data[int(b.prefix)+4*int(b.n):]
	if b.wide {
		return int(binary.LittleEndian.Uint32(ends[4*i:]))
	}
	return int(binary.LittleEndian.Uint16(ends[2*i:]))
}

// item is the i-th item: flags, payload, rest of the key.
func (b *block) item(i int) []byte {
	start := 0
	if i > 0 {
		start = b.end(i - 1)
	}
	items := int(b.prefix) + (4+b.endWidth())*int(b.n)
	return b.data[items+start : items+b.end(i)]
}

// payload splits an item in its payload and the rest of the key.
func payload(item []byte) (payload, rest []byte) {
	n := 0
	switch item[0] & formMask {
	case formPlain:
		n = int(item[0] >> widthShift)
	case formShort:
		n = 1 + int(item[1])
	case formLong:
		n = 2
	}
	return item[1 : 1+n], item[1+n:]
}

// appendKey appends the i-th key without the prefix to dst.
func (b *block) appendKey(dst []byte, i int) []byte {
	it := b.item(i)
	_, rest := payload(it)
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], b.head(i))
	dst = append(dst, head[:it[0]&headMask]...)
	return append(dst, rest...)
}

// key is the i-th key, appended to dst.
func (b *block) key(dst []byte, i int) []byte {
	return b.appendKey(append(dst, b.data[:b.prefix]...), i)
}

// search is the place of the first key at or above key, and whether it is key.
func (b *block) search(key []byte) (int, bool) {
	n := int(b.n)
	if p := int(b.prefix); p > 0 {
		if len(key) < p || !bytes.Equal(key[:p], b.data[:p]) {
			if bytes.Compare(key, b.data[:p]) < 0 {
				return 0, false
			}
			return n, false
		}
		key = key[p:]
	}
	head, headLen := headOf(key)
	heads := b.data[b.prefix : int(b.prefix)+4*n]
	lo, hi := 0, n
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		h := binary.LittleEndian.Uint32(heads[4*m:])
		if h == head {
			c := b.compareRest(m, key, headLen)
			if c == 0 {
				return m, true
			}
			if c < 0 {
				lo = m + 1
			} else {
				hi = m
			}
		} else if h < head {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo, false
}

// compareRest compares the i-th key with one that has the same prefix and head bytes.
func (b *block) compareRest(i int, key []byte, headLen int) int {
	it := b.item(i)
	// With equal heads a shorter head is followed by zero bytes in the longer: it is its prefix.
	if n := int(it[0] & headMask); n != headLen {
		return n - headLen
	}
	_, rest := payload(it)
	return bytes.Compare(rest, key[headLen:])
}

// headOf is the head of a key without prefix, and how many bytes of it are key.
func headOf(key []byte) (uint32, int) {
	if len(key) >= 4 {
		return binary.BigEndian.Uint32(key), 4
	}
	var head [4]byte
	n := copy(head[:], key)
	return binary.BigEndian.Uint32(head[:]), n
}

// scratch is memory in which blocks are put together, each behind room for the header of a page. It
// is used again and so in the cache; new memory that is filled piece by piece is cleared first, and
// what is put together is copied to new memory in one go.
type scratch []byte

// take is room for a block of n bytes, which holds what it held before.
func (s *scratch) take(n int) []byte {
	*s = slices.Grow((*s)[:0], headerBytes+n)[:headerBytes+n]
	return (*s)[headerBytes:]
}

// maxNarrow is the most bytes of items that 2-byte ends can address.
const maxNarrow = 1<<16 - 1

// pack makes a block of sorted entries in s, with plain revisions relative to base. Long histories
// are numbered in the order in which they come.
func (s *scratch) pack(entries []entry, base int64) block {
	if len(entries) == 0 {
		return block{data: s.take(0)}
	}
	b := block{n: uint16(len(entries))}
	first := entries[0].key
	b.prefix = int32(prefix.Len(first, entries[len(entries)-1].key))
	size := 0
	for i := range entries {
		size += entries[i].size(base) - int(b.prefix)
		_, headLen := headOf(entries[i].key[b.prefix:])
		size -= headLen
	}
	b.wide = size > maxNarrow
	w := b.endWidth()
	b.data = s.take(int(b.prefix) + (4+w)*len(entries) + size)
	copy(b.data, first[:b.prefix])
	heads := b.data[b.prefix:]
	ends := heads[4*len(entries):]
	items := ends[w*len(entries):]
	at, long := 0, 0
	for i := range entries {
		e := &entries[i]
		rest := e.key[b.prefix:]
		head, headLen := headOf(rest)
		binary.LittleEndian.PutUint32(heads[4*i:], head)
		it := e.appendPayload(items[at:at], byte(headLen), base, long)
		it = append(it, rest[headLen:]...)
		if e.form == formLong {
			long++
		}
		at += len(it)
		if b.wide {
			binary.LittleEndian.PutUint32(ends[4*i:], uint32(at))
		} else {
			binary.LittleEndian.PutUint16(ends[2*i:], uint16(at))
		}
	}
	return b
}

// splice is b with the item at place i replaced, or with an item put in before it: only ends move,
// nothing is decoded. It is made in s, which is not the memory of b; false if the items would no
// longer fit narrow ends.
func (b *block) splice(s *scratch, i int, replace bool, head uint32, item []byte) (block, bool) {
	n, w, p := int(b.n), b.endWidth(), int(b.prefix)
	items := p + (4+w)*n
	start, end := 0, 0
	if i > 0 {
		start = b.end(i - 1)
	}
	end = start
	after, m := i, n+1 // entries from after on move to one place later
	if replace {
		end = b.end(i)
		after, m = i+1, n
	}
	grow := len(item) - (end - start)
	if !b.wide && len(b.data)-items+grow > maxNarrow {
		return block{}, false
	}
	c := block{prefix: b.prefix, wide: b.wide, n: uint16(m)}
	c.data = s.take(len(b.data) + (4+w)*(m-n) + grow)
	copy(c.data, b.data[:p+4*i])
	binary.LittleEndian.PutUint32(c.data[p+4*i:], head)
	copy(c.data[p+4*(i+1):], b.data[p+4*after:p+4*n])
	ends, old := c.data[p+4*m:], b.data[p+4*n:items]
	copy(ends, old[:w*i])
	if b.wide {
		binary.LittleEndian.PutUint32(ends[4*i:], uint32(start+len(item)))
		for j := after; j < n; j++ {
			binary.LittleEndian.PutUint32(ends[4*(j+m-n):], binary.LittleEndian.Uint32(old[4*j:])+uint32(grow))
		}
	} else {
		binary.LittleEndian.PutUint16(ends[2*i:], uint16(start+len(item)))
		for j := after; j < n; j++ {
			binary.LittleEndian.PutUint16(ends[2*(j+m-n):], binary.LittleEndian.Uint16(old[2*j:])+uint16(grow))
		}
	}
	to := p + (4+w)*m
	copy(c.data[to:], b.data[items:items+start])
	copy(c.data[to+start:], item)
	copy(c.data[to+start+len(item):], b.data[items+end:])
	return c, true
}

// stitch is an item that a block gets: in the place of the i-th, or before it.
type stitch struct {
	i       int
	replace bool
	head    uint32
	end     int // of the item in the memory that all share
}

// weave is splice of several items, in the order of their places, for a block that is not wide.
func (b *block) weave(s *scratch, news []stitch, items []byte) (block, bool) {
	n, p := int(b.n), int(b.prefix)
	m, size := n, len(b.data)-p-6*n+len(items)
	for _, st := range news {
		if !st.replace {
			m++
			continue
		}
		size -= len(b.item(st.i))
	}
	if size > maxNarrow {
		return block{}, false
	}
	c := block{prefix: b.prefix, n: uint16(m), data: s.take(p + 6*m + size)}
	copy(c.data, b.data[:p])
	heads, ends, to := c.data[p:], c.data[p+4*m:], c.data[p+6*m:]
	oldHeads, oldEnds, old := b.data[p:], b.data[p+4*n:], b.data[p+6*n:]
	i, j, from, at := 0, 0, 0, 0 // the next item of b and of c, and where they begin
	keep := func(until int) {    // the items of b before that
		if i == until {
			return
		}
		copy(heads[4*j:], oldHeads[4*i:4*until])
		end := from
		for ; i < until; i, j = i+1, j+1 {
			end = int(binary.LittleEndian.Uint16(oldEnds[2*i:]))
			binary.LittleEndian.PutUint16(ends[2*j:], uint16(end-from+at))
		}
		at += copy(to[at:], old[from:end])
		from = end
	}
	start := 0
	for _, st := range news {
		keep(st.i)
		binary.LittleEndian.PutUint32(heads[4*j:], st.head)
		at += copy(to[at:], items[start:st.end])
		binary.LittleEndian.PutUint16(ends[2*j:], uint16(at))
		start, j = st.end, j+1
		if st.replace {
			from, i = b.end(i), i+1
		}
	}
	keep(n)
	return c, true
}

// part is the items [from, to) of b, made in s, which is not the memory of b; false if the keys would
// begin with more than the prefix of b, or are wide.
func (b *block) part(s *scratch, from, to int) (block, bool) {
	n, m, p := int(b.n), to-from, int(b.prefix)
	if b.wide || m < 2 || b.head(from)>>24 == b.head(to-1)>>24 {
		return block{}, false
	}
	start, end := 0, b.end(to-1)
	if from > 0 {
		start = b.end(from - 1)
	}
	c := block{prefix: b.prefix, n: uint16(m), data: s.take(p + 6*m + end - start)}
	copy(c.data, b.data[:p])
	copy(c.data[p:], b.data[p+4*from:p+4*to])
	ends, old := c.data[p+4*m:], b.data[p+4*n+2*from:]
	for i := range m {
		binary.LittleEndian.PutUint16(ends[2*i:], binary.LittleEndian.Uint16(old[2*i:])-uint16(start))
	}
	copy(c.data[p+6*m:], b.data[p+6*n+start:p+6*n+end])
	return c, true
}
