// Package history is the history of one key: its revisions in order, with the generations they
// fall into. The rules are those of package index; the implementations of index.Index differ in
// where they keep histories, not in what these mean.
package history

import (
	"fmt"
	"sort"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// Rev is one revision of a key in 16 bytes.
type Rev struct {
	Main int64
	// sub has the tombstone in its top bit: index.MaxSub leaves it free.
	sub uint32
	// age is the number of revisions of the same generation that stand before this one in the
	// slice. So create revision and version follow from the slice, and from base for the
	// generation whose beginning was compacted away.
	age uint32
}

const tombBit = 1 << 31

// Revision is the revision as the contract has it.
func (r Rev) Revision() index.Revision {
	return index.Revision{Main: r.Main, Sub: int64(r.sub &^ tombBit)}
}

// Tombstone tells whether the key was deleted at r.
func (r Rev) Tombstone() bool { return r.sub&tombBit != 0 }

// History is the revisions of a key, oldest first. It is a value: the methods return the changed
// history, and readers of the old one are not disturbed, as long as one goroutine changes it and
// goes on from the newest. The zero value is the history of a key that was never written.
type History struct {
	revs []Rev
	// createRev and version are those of revs[0], if that is a put.
	createRev, version int64
}

// First is the history of a key with one put, which has the given create revision and version.
func First(buf []Rev, rev index.Revision, createRev, version int64) History {
	return History{append(buf, Rev{Main: rev.Main, sub: uint32(rev.Sub)}), createRev, version}
}

// Buried is the history of a key of which only a tombstone is left.
func Buried(buf []Rev, rev index.Revision) History {
	return History{revs: append(buf, Rev{Main: rev.Main, sub: uint32(rev.Sub) | tombBit})}
}

// Len is the number of revisions.
func (h *History) Len() int { return len(h.revs) }

// Cap is the number of revisions that the memory of h has room for.
func (h *History) Cap() int { return cap(h.revs) }

// Revs are the revisions, oldest first, read-only.
func (h *History) Revs() []Rev { return h.revs }

// Live tells whether the key exists at its newest revision.
func (h *History) Live() bool { return len(h.revs) > 0 && !h.Newest().Tombstone() }

// Newest is the last revision; the history must not be empty.
func (h *History) Newest() Rev { return h.revs[len(h.revs)-1] }

// Put is h with a put at its end.
func (h History) Put(rev index.Revision) History {
	if len(h.revs) == 0 {
		return First(h.revs, rev, rev.Main, 1)
	}
	next := Rev{Main: rev.Main, sub: uint32(rev.Sub)}
	if last := h.Newest(); !last.Tombstone() {
		next.age = last.age + 1
	}
	h.revs = append(h.revs, next)
	return h
}

// Tombstone is h with a tombstone at its end; the key must be live.
func (h History) Tombstone(rev index.Revision) History {
	h.revs = append(h.revs, Rev{Main: rev.Main, sub: uint32(rev.Sub) | tombBit, age: h.Newest().age + 1})
	return h
}

// Origin is the create revision and version of the i-th revision, which must be a put.
func (h *History) Origin(i int) (createRev, version int64) {
	age := int(h.revs[i].age)
	if age == i {
		return h.createRev, h.version + int64(age)
	}
	return h.revs[i-age].Main, int64(age) + 1
}

// At is what the key is at the main revision at; false if it does not exist there.
func (h *History) At(at int64) (index.Entry, bool) {
	i := h.upTo(at) - 1
	if i < 0 || h.revs[i].Tombstone() {
		return index.Entry{}, false
	}
	createRev, version := h.Origin(i)
	return index.Entry{ModRev: h.revs[i].Revision(), CreateRev: createRev, Version: version}, true
}

// upTo is the number of revisions at or below the main revision at.
func (h *History) upTo(at int64) int {
	n := len(h.revs)
	if n > 0 && h.revs[n-1].Main <= at { // the newest: most reads
		return n
	}
	return sort.Search(n, func(i int) bool { return h.revs[i].Main > at })
}

// Compact is h as a compaction at the main revision at leaves it, and the number of revisions
// dropped from its front. If that is not 0 the result has memory of its own, appended to buf.
func (h History) Compact(buf []Rev, at int64) (_ History, dropped int) {
	keep := h.upTo(at) - 1 // the newest at or below at
	if keep < 0 {
		return h, 0
	}
	if r := h.revs[keep]; r.Tombstone() && r.Main < at {
		keep++
	}
	if keep == 0 {
		return h, 0
	}
	left := History{revs: append(buf, h.revs[keep:]...)}
	if len(left.revs) == 0 {
		return left, keep
	}
	if !left.revs[0].Tombstone() {
		left.createRev, left.version = h.Origin(keep)
	}
	first := left.revs[0].age
	for i := range left.revs {
		if i > 0 && left.revs[i].age == 0 {
			break // the next generation
		}
		left.revs[i].age -= first
	}
	return left, keep
}

// Add is h with a record of an engine at its end, checked against what h ends with.
// Errors: index.ErrContradiction.
func (h History) Add(r *index.Record) (History, error) {
	if !r.Rev.Valid() {
		return h, contradiction(r, "is no revision")
	}
	empty := len(h.revs) == 0
	if !empty && r.Rev.Compare(h.Newest().Revision()) <= 0 {
		return h, contradiction(r, fmt.Sprintf("follows %v", h.Newest().Revision()))
	}
	switch live := h.Live(); {
	case r.Tombstone && empty:
		return Buried(h.revs, r.Rev), nil
	case r.Tombstone && !live:
		return h, contradiction(r, "deletes a deleted key")
	case r.Tombstone:
		return h.Tombstone(r.Rev), nil
	case empty:
		if r.Version < 1 || r.CreateRev < 1 || r.CreateRev > r.Rev.Main || r.Version == 1 && r.CreateRev != r.Rev.Main {
			return h, contradiction(r, "has impossible numbers")
		}
		return First(h.revs, r.Rev, r.CreateRev, r.Version), nil
	case live:
		if c, v := h.Origin(len(h.revs) - 1); r.CreateRev != c || r.Version != v+1 {
			return h, contradiction(r, fmt.Sprintf("follows create revision %d, version %d", c, v))
		}
	case r.CreateRev != r.Rev.Main || r.Version != 1:
		return h, contradiction(r, "follows a tombstone")
	}
	return h.Put(r.Rev), nil
}

func contradiction(r *index.Record, why string) error {
	what := fmt.Sprintf("put with create revision %d, version %d", r.CreateRev, r.Version)
	if r.Tombstone {
		what = "tombstone"
	}
	return fmt.Errorf("%w: key %q, revision %v: the %s %s", index.ErrContradiction, r.Key, r.Rev, what, why)
}
