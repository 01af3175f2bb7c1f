package history

import (
	"encoding/binary"
	"slices"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// The packed form of a short history, in memory only. Of each revision
//
//	uvarint  step<<3 | hasOrigin<<2 | tombstone<<1 | hasSub
//	uvarint  sub                                      if hasSub
//	uvarint  main - create revision, uvarint version  if hasOrigin
//
// where step is what main has grown by since the revision before, for the first one main itself.
// hasOrigin is on the first revision only, when its generation began before it. A plain put a
// few thousand revisions later takes two bytes, one a few million later four.
const (
	packSub = 1 << iota
	packTombstone
	packOrigin
	packBits = 3
)

// Append appends the packed form of h to dst.
func (h *History) Append(dst []byte) []byte {
	main := int64(0)
	for i, r := range h.revs {
		v := uint64(r.Main-main) << packBits
		sub := r.sub &^ tombBit
		if sub != 0 {
			v |= packSub
		}
		origin := false
		if r.Tombstone() {
			v |= packTombstone
		} else if origin = i == 0 && h.version != 1; origin {
			v |= packOrigin
		}
		dst = binary.AppendUvarint(dst, v)
		if sub != 0 {
			dst = binary.AppendUvarint(dst, uint64(sub))
		}
		if origin {
			dst = binary.AppendUvarint(dst, uint64(r.Main-h.createRev))
			dst = binary.AppendUvarint(dst, uint64(h.version))
		}
		main = r.Main
	}
	return dst
}

// step reads one revision of a packed form. last is the one before it, e its entry (Version 0
// behind a tombstone and at the start); both are moved on.
func step(b []byte, main *int64, e *index.Entry) (rest []byte, sub uint32) {
	v, b := uvarint(b)
	*main += int64(v >> packBits)
	if v&packSub != 0 {
		var s uint64
		s, b = uvarint(b)
		sub = uint32(s)
	}
	if v&packTombstone != 0 {
		*e = index.Entry{}
		return b, sub | tombBit
	}
	if e.Version == 0 {
		e.CreateRev = *main
	}
	e.Version++
	e.ModRev = index.Revision{Main: *main, Sub: int64(sub)}
	if v&packOrigin != 0 {
		var back, version uint64
		back, b = uvarint(b)
		version, b = uvarint(b)
		e.CreateRev, e.Version = *main-int64(back), int64(version)
	}
	return b, sub
}

func uvarint(b []byte) (uint64, []byte) {
	if b[0] < 0x80 {
		return uint64(b[0]), b[1:]
	}
	v, n := binary.Uvarint(b)
	return v, b[n:]
}

// Decode is the history whose packed form is b; its revisions are appended to buf.
func Decode(buf []Rev, b []byte) History {
	h := History{revs: buf}
	var main int64
	var e index.Entry
	age := uint32(0)
	for len(b) > 0 {
		var sub uint32
		b, sub = step(b, &main, &e)
		if len(h.revs) == 0 {
			h.createRev, h.version = e.CreateRev, e.Version
		} else if h.Newest().Tombstone() {
			age = 0
		}
		h.revs = append(h.revs, Rev{Main: main, sub: sub, age: age})
		age++
	}
	return h
}

// DecodeAt is Decode(b).At(at) without the history.
func DecodeAt(b []byte, at int64) (index.Entry, bool) {
	var main int64
	var e index.Entry
	for len(b) > 0 {
		before := e
		b, _ = step(b, &main, &e)
		if main > at {
			e = before
			break
		}
	}
	return e, e.Version > 0
}

// Own is h in memory of its own, with room to grow.
func (h History) Own() *History {
	h.revs = append(make([]Rev, 0, 2*len(h.revs)), h.revs...)
	return &h
}

// Plain tells whether h is one put that created its key, with sub-revision 0: its main revision
// says it all.
func (h *History) Plain() bool {
	return len(h.revs) == 1 && h.revs[0].sub == 0 && h.version == 1
}

// Equal tells whether two histories mean the same.
func (h *History) Equal(o *History) bool {
	return slices.Equal(h.revs, o.revs) && h.createRev == o.createRev && h.version == o.version
}
