package packed

import (
	"encoding/binary"
	"math/bits"

	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/mvcc/index/internal/history"
)

// maxShort is the most revisions that a formShort holds. Longer histories are out of line, so
// that a put on a hot key copies neither them nor the leaf.
const maxShort = 8

// leaf is some neighbouring keys with their histories: what a page holds. A write makes a new page
// and swaps the pointer to it, so that a reader works on without any lock.
type leaf struct {
	block
	// long are the histories of the items with formLong. Their slices are shared with those of
	// older leaves, which see less of them.
	long []*history.History
	// base is subtracted from plain revisions; none is below it.
	base int64
	// newest is at least the newest main revision of all the keys.
	newest int64
	// live is the number of keys that exist at their newest revision; loose the number of keys
	// that a compaction could take something of.
	live, loose uint16
}

// entry is a key of a leaf being made, or a separator of an inner node.
type entry struct {
	key  []byte
	form byte
	main int64            // formPlain
	pack []byte           // formShort
	long *history.History // formLong
}

// size is the number of bytes of the item, all of the key included.
func (e *entry) size(base int64) int {
	switch e.form {
	case formShort:
		return 2 + len(e.pack) + len(e.key)
	case formLong:
		return 3 + len(e.key)
	}
	return 1 + plainWidth(e.main-base) + len(e.key)
}

func plainWidth(delta int64) int { return (bits.Len64(uint64(delta)) + 7) / 8 }

// appendPayload appends flags and payload to dst; long is the number of a formLong.
func (e *entry) appendPayload(dst []byte, headLen byte, base int64, long int) []byte {
	switch e.form {
	case formShort:
		dst = append(dst, formShort|headLen, byte(len(e.pack)))
		return append(dst, e.pack...)
	case formLong:
		return append(dst, formLong|headLen, byte(long), byte(long>>8))
	}
	delta := e.main - base
	w := plainWidth(delta)
	dst = append(dst, byte(w)<<widthShift|formPlain|headLen)
	for range w {
		dst = append(dst, byte(delta))
		delta >>= 8
	}
	return dst
}

// set gives e the history h, in the smallest form. A packed one is appended to e.pack, a long one
// is copied.
func (e *entry) set(h *history.History, base int64) {
	switch {
	case h.Plain() && plainWidth(h.Newest().Main-base) <= maxPlainWidth:
		e.form, e.main = formPlain, h.Newest().Main
	case h.Len() <= maxShort:
		e.form, e.pack = formShort, h.Append(e.pack)
	default:
		e.form, e.long = formLong, h.Own()
	}
}

// plain is the main revision of a formPlain item.
func (l *leaf) plain(item []byte) int64 {
	w := int(item[0] >> widthShift)
	if len(item) >= 9 {
		return l.base + int64(binary.LittleEndian.Uint64(item[1:])&(1<<(8*w)-1))
	}
	var delta int64
	for i := w; i > 0; i-- {
		delta = delta<<8 | int64(item[i])
	}
	return l.base + delta
}

// at is what the i-th key is at a revision.
func (l *leaf) at(i int, at int64) (index.Entry, bool) {
	it := l.item(i)
	switch it[0] & formMask {
	case formPlain:
		main := l.plain(it)
		if main > at {
			return index.Entry{}, false
		}
		return index.Entry{ModRev: index.Revision{Main: main}, CreateRev: main, Version: 1}, true
	case formShort:
		return history.DecodeAt(it[2:2+it[1]], at)
	}
	return l.longOf(it).At(at)
}

func (l *leaf) longNumber(item []byte) int { return int(binary.LittleEndian.Uint16(item[1:])) }

func (l *leaf) longOf(item []byte) *history.History { return l.long[l.longNumber(item)] }

// history is that of the i-th key. If it is not long its revisions are in buf.
func (l *leaf) history(i int, buf []history.Rev) history.History {
	it := l.item(i)
	switch it[0] & formMask {
	case formPlain:
		main := l.plain(it)
		return history.First(buf, index.Revision{Main: main}, main, 1)
	case formShort:
		return history.Decode(buf, it[2:2+it[1]])
	}
	return *l.longOf(it)
}

// entryKey is the i-th key as an entry without history; the key is appended to arena.
func (l *leaf) entryKey(i int, arena []byte) (entry, []byte) {
	start := len(arena)
	arena = l.key(arena, i)
	return entry{key: arena[start:len(arena):len(arena)]}, arena
}

// entry is the i-th key as an entry; the key is appended to arena.
func (l *leaf) entry(i int, arena []byte) (entry, []byte) {
	e, arena := l.entryKey(i, arena)
	it := l.item(i)
	switch e.form = it[0] & formMask; e.form {
	case formPlain:
		e.main = l.plain(it)
	case formShort:
		e.pack = it[2 : 2+it[1]]
	case formLong:
		e.long = l.longOf(it)
	}
	return e, arena
}

// newLeaf makes a leaf of sorted entries, whose block is in x.room.
func (x *Index) newLeaf(entries []entry) (l leaf) {
	var buf [maxShort]history.Rev
	for i := range entries {
		e := &entries[i]
		oldest, newest := e.main, e.main
		live, loose := true, false
		if e.form != formPlain {
			h := e.long
			if e.form == formShort {
				d := history.Decode(buf[:0], e.pack)
				h = &d
			} else {
				l.long = append(l.long, h)
			}
			newest, live, loose = h.Newest().Main, h.Live(), isLoose(h)
			oldest = newest
		}
		if i == 0 || oldest < l.base {
			l.base = oldest
		}
		l.newest = max(l.newest, newest)
		l.live += uint16(btoi(live))
		l.loose += uint16(btoi(loose))
	}
	for i := range entries { // base is known only now
		if e := &entries[i]; e.form == formPlain && plainWidth(e.main-l.base) > maxPlainWidth {
			h := history.First(buf[:0], index.Revision{Main: e.main}, e.main, 1)
			e.form, e.pack = formShort, h.Append(nil)
		}
	}
	l.block = x.room.pack(entries, l.base)
	return l
}

// isLoose tells whether a compaction could take something of h.
func isLoose(h *history.History) bool { return h.Len() > 1 || h.Len() == 1 && !h.Live() }

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// newPage makes a page of sorted entries.
func (x *Index) newPage(entries []entry) *page {
	l := x.newLeaf(entries)
	return l.seal(&x.room)
}

// part is a page of the items [from, to) of l, whose block is not in x.room.
func (x *Index) part(l *leaf, from, to int) *page {
	b, ok := l.block.part(&x.room, from, to)
	if !ok || len(l.long) > 0 {
		x.gather(l, from, to)
		return x.newPage(x.list)
	}
	half := leaf{block: b, base: l.base, newest: l.newest, live: b.n}
	if l.loose > 0 {
		half.live = 0
		for i := range int(b.n) {
			h := half.history(i, x.revs[:0])
			half.live += uint16(btoi(h.Live()))
			half.loose += uint16(btoi(isLoose(&h)))
		}
	}
	return half.seal(&x.room)
}

// full tells whether l must be split.
func (l *leaf) full(lim limits) bool {
	return int(l.n) > lim.leafKeys || len(l.data) > lim.leafBytes && l.n > 1
}
