package packed

import (
	"bytes"
	"unsafe" // a header and bytes in one object, whose length is not known before

	"github.com/etalon-kv/etalon/mvcc/index/internal/history"
)

// page is a leaf as it stands in memory: this header and behind it the block, in one object without
// pointers, so that a reader waits for memory once where it begins and once for all the rest. It is
// immutable. Where some of the histories are long it is the beginning of a longPage.
type page struct {
	base, newest   int64  // as in leaf
	size           uint32 // bytes of the block
	prefix         int32
	room           uint16 // what the heap gave more than was asked for
	n, live, loose uint8
	flags          uint8
}

// headerBytes is what stands before the block.
const headerBytes = int(unsafe.Sizeof(page{}))

// The flags of a page.
const (
	pageWide = 1 << iota
	pageLong // it is a longPage
)

// maxPageKeys is the most keys that a page can count.
const maxPageKeys = 255

// longPage is a page with long histories; it points to its block, so that a put to one of them need
// not copy that.
type longPage struct {
	page
	data []byte
	long []*history.History
}

const longPageBytes = int(unsafe.Sizeof(longPage{}))

// open is the leaf that p holds.
func (p *page) open() leaf {
	l := leaf{
		block: block{prefix: p.prefix, n: uint16(p.n), wide: p.flags&pageWide != 0},
		base:  p.base, newest: p.newest, live: uint16(p.live), loose: uint16(p.loose),
	}
	switch {
	case p.flags&pageLong != 0:
		long := (*longPage)(unsafe.Pointer(p))
		l.data, l.long = long.data, long.long
	case p.size > 0:
		l.data = unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(p), headerBytes)), p.size)
	}
	return l
}

// header is the page of l without a block.
func (l *leaf) header() page {
	p := page{
		base: l.base, newest: l.newest, size: uint32(len(l.data)), prefix: l.prefix,
		n: uint8(l.n), live: uint8(l.live), loose: uint8(l.loose),
	}
	if l.wide {
		p.flags |= pageWide
	}
	return p
}

// seal is the page of l, whose block is the one in s.
func (l *leaf) seal(s *scratch) *page {
	if len(l.long) > 0 {
		l.data = bytes.Clone(l.data)
		return l.sealLong()
	}
	all := append([]byte(nil), (*s)[:headerBytes+len(l.data)]...)
	p := (*page)(unsafe.Pointer(unsafe.SliceData(all)))
	*p = l.header()
	p.room = uint16(cap(all) - len(all))
	return p
}

// sealLong is the page of l, which has long histories. It keeps the block.
func (l *leaf) sealLong() *page {
	p := &longPage{page: l.header(), data: l.data, long: l.long}
	p.flags |= pageLong
	return &p.page
}

// sizeBytes is what p takes in the heap.
func (p *page) sizeBytes() int64 {
	if p.flags&pageLong == 0 {
		return int64(headerBytes) + int64(p.size) + int64(p.room)
	}
	long := (*longPage)(unsafe.Pointer(p))
	n := longPageBytes + cap(long.data) + 8*cap(long.long)
	for _, h := range long.long {
		n += 48 + 16*h.Cap()
	}
	return int64(n)
}

// lineBytes is what a processor fetches at once.
const lineBytes = 64

// touch reads from all of p, half a KiB or so, since a search would wait for the memory of the heads, then
// for that of the ends, then for that of an item. The result is of no use; without one the compiler
// would leave the reads out.
//
//go:noinline
func (p *page) touch() (sum byte) {
	if p.flags&pageLong != 0 {
		return 0
	}
	all := unsafe.Slice((*byte)(unsafe.Pointer(p)), headerBytes+int(p.size))
	for at := lineBytes; at < len(all); at += lineBytes {
		sum += all[at]
	}
	return sum
}

// touchAll is touch of some pages side by side.
//
//go:noinline
func touchAll(pages []*page) (sum byte) {
	for _, p := range pages {
		sum += p.n
	}
	for _, p := range pages {
		if p.flags&pageLong != 0 {
			continue
		}
		all := unsafe.Slice((*byte)(unsafe.Pointer(p)), headerBytes+int(p.size))
		for at := lineBytes; at < len(all); at += lineBytes {
			sum += all[at]
		}
	}
	return sum
}
