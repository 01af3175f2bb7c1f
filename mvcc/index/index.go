package index

import (
	"errors"
	"math"
)

// Latest as the revision of a read stands for the newest one that the index has taken. While a
// transaction is being written this may be a part of it, so a store passes the revision that it
// has made visible to its readers instead.
const Latest = math.MaxInt64

// MaxMain and MaxSub are the largest revision that an Index takes. A million transactions a second
// reach MaxMain in 36,000 years; what is left of 64 bits are flags of the packed forms.
const (
	MaxMain = 1<<60 - 1
	MaxSub  = math.MaxInt32
)

var (
	// ErrNotFound: the key does not exist at the newest revision, so there is nothing to delete.
	ErrNotFound = errors.New("index: key not found")
	// ErrContradiction: a record given to Restore does not fit the records before it. The index
	// is half built and must be thrown away.
	ErrContradiction = errors.New("index: records contradict each other")
)

// Entry is what an index knows of a key at a revision.
type Entry struct {
	// ModRev is the revision of the put that is visible: the record that holds the value.
	ModRev Revision
	// CreateRev is the main revision of the first put of the generation. Its sub-revision is not
	// kept: no record carries it, so an index could not answer it after Restore.
	CreateRev int64
	// Version counts the puts of the generation up to ModRev, from 1.
	Version int64
}

// Reader is the reading half of an Index. Its methods may be called by any number of goroutines
// at any time, beside the writer.
//
// A read names a main revision, at, and sees the index as it was when that transaction was
// complete, however many writes follow while it runs: reads at one revision agree with each
// other, so a Range and a Count need no common lock. This holds for a revision whose writes were
// done before the call and which is not below a compaction: reads below one see what is left.
// The caller refuses those, and asks again after the read if a compaction may have passed it
// meanwhile. Nothing exists at revisions below 1.
type Reader interface {
	// Get answers what key is at the revision at; false if it does not exist there.
	Get(key []byte, at int64) (Entry, bool)
	// Range calls visit for the keys of q in order until visit answers false or the limit is
	// reached, and returns the number of calls. The key is valid during the call only. visit
	// may read the index, but not write to it.
	Range(q Query, visit func(key []byte, e Entry) bool) int
	// Count is the number of keys in [lo, hi) that exist at the revision at; bounds as in Query.
	// It is what a Range without limit would visit, for the price that the implementation has:
	// packed does not visit the subtrees that were not written since at.
	Count(lo, hi []byte, at int64) int
	// Stats are live figures, cheap enough to be read every second.
	Stats() Stats
}

// Index is an ordered map from keys to their revisions. Writing methods are serialised inside, so
// Compact may run on a goroutine of its own; Put and Tombstone have one caller, since their
// revisions must ascend. Keys are not empty and are copied; bytes of any value and length are
// taken. Main revisions are 1 to MaxMain, sub-revisions 0 to MaxSub.
//
// A revision outside of that or not greater than every one before it is a broken invariant of the caller:
// Put and Tombstone panic, as the history would be wrong from then on.
type Index interface {
	Reader
	// Put records that key was written at rev.
	Put(key []byte, rev Revision)
	// Tombstone records that key was deleted at rev. ErrNotFound: the key does not exist at the
	// newest revision; nothing was changed.
	Tombstone(key []byte, rev Revision) error
	// Compact does one slice of a compaction at a main revision (rules in the package comment):
	// it looks at about limit keys, beginning with the first one at or above from, adds the
	// revisions that it drops to dropped, and returns the key that the next slice begins with,
	// nil when there is none. The writer waits for one slice at most; readers see no change at
	// revisions from at on. A key's revisions are dropped in one slice, whole. A limit below 1
	// is 1. A nil dropped discards the revisions. A compaction that was left half way may be
	// started again, at the same or a later revision.
	//
	//	for next := []byte(nil); ; {
	//		if next = x.Compact(at, next, 4096, &dropped); next == nil {
	//			break
	//		}
	//	}
	Compact(at int64, from []byte, limit int, dropped *Set) (next []byte)
	// Restore takes a chunk of the records of an engine, sorted by Record.Compare (SortRecords),
	// where all records of a key in a chunk are newer than those of earlier chunks. Chunks in
	// revision order, each sorted for itself, fulfil this: so reading, checking and sorting may
	// run in parallel, and one goroutine calls Restore. Large chunks are cheaper. The slices are
	// the caller's again after the call. A key may begin in the middle of its history, as
	// compaction leaves it: then its first record says create revision and version, or is the
	// tombstone that was kept. What follows in the same generation must count on from there.
	// Errors: ErrContradiction, naming key and revision.
	Restore(chunk []Record) error
}

// Query is the range [Lo, Hi) of keys at the revision At.
type Query struct {
	// Lo is the first key of the range; nil or empty begins with the first of all.
	// Hi is the first key behind it; nil has no end. An empty non-nil Hi or a Hi not above Lo is
	// an empty range.
	Lo, Hi []byte
	// At is a main revision, or Latest.
	At int64
	// Limit bounds the number of visits; 0 or less does not.
	Limit int
	// Back visits in descending order of keys.
	Back bool
}

// Stats are the figures of an Index.
type Stats struct {
	// Keys the index holds, those whose newest revision is a tombstone included.
	Keys int
	// Live is the number of keys that exist at the newest revision.
	Live int
	// Revisions held, over all keys, tombstones included.
	Revisions int
	// Bytes of memory that is reachable from the index: allocated sizes, not only what is used
	// of them. An estimate; the suite holds it within an eighth of the heap's growth.
	Bytes int64
}
