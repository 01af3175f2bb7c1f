package index

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/etalon-kv/etalon/internal/prefix"
)

// Revision is the place of a write in the history of a store: Main counts the write
// transactions, Sub the writes in one of them from 0.
type Revision struct{ Main, Sub int64 }

// Compare orders revisions by Main, then by Sub.
func (r Revision) Compare(o Revision) int {
	if c := cmp.Compare(r.Main, o.Main); c != 0 {
		return c
	}
	return cmp.Compare(r.Sub, o.Sub)
}

// Valid tells whether r is one that an Index takes.
func (r Revision) Valid() bool {
	return r.Main >= 1 && r.Main <= MaxMain && r.Sub >= 0 && r.Sub <= MaxSub
}

// String is main.sub, as 17.0.
func (r Revision) String() string { return fmt.Sprintf("%d.%d", r.Main, r.Sub) }

// Record is what the store keeps of one write, as Restore needs it.
type Record struct {
	Key []byte
	Rev Revision
	// CreateRev and Version are those of the record; a tombstone's are ignored.
	CreateRev, Version int64
	Tombstone          bool
}

// Compare orders records by key, then by revision.
func (r *Record) Compare(o *Record) int {
	if c := bytes.Compare(r.Key, o.Key); c != 0 {
		return c
	}
	return r.Rev.Compare(o.Rev)
}

// SortRecords sorts a chunk for Restore, and copies the keys into one piece of memory in their order,
// in which Restore meets them. Chunks can be sorted in parallel.
func SortRecords(chunk []Record) {
	if len(chunk) < 2 {
		return
	}
	// What all keys begin with is compared once; the eight bytes behind it decide most of the
	// other comparisons without touching the keys.
	shared, size := len(chunk[0].Key), 0
	for i := range chunk {
		size += len(chunk[i].Key)
		shared = min(shared, prefix.Len(chunk[0].Key, chunk[i].Key))
	}
	type ref struct {
		head uint64
		at   int
	}
	refs := make([]ref, len(chunk))
	for i := range chunk {
		refs[i] = ref{prefix.Head(chunk[i].Key[shared:]), i}
	}
	slices.SortFunc(refs, func(a, b ref) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		return chunk[a.at].Compare(&chunk[b.at])
	})
	sorted, keys := make([]Record, len(chunk)), make([]byte, 0, size)
	for i, r := range refs {
		sorted[i] = chunk[r.at]
		keys = append(keys, sorted[i].Key...)
		sorted[i].Key = keys[len(keys)-len(sorted[i].Key) : len(keys) : len(keys)]
	}
	copy(chunk, sorted)
}
