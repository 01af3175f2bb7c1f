// Package tree is an index.Index over any ordered tree of pointers: one item a key, one lock over
// all, as in etcd's index.go. What gbtree and tbtree share; they add the tree.
//
// It departs from etcd in these places. A node holds, beside the pointer to an item, the first eight
// bytes of its key, so that a search waits for the memory of few items that it only passes. A key
// that was put once has its revision in the item; other histories are flat (package history)
// instead of slices of generations, which saves an allocation and 48 bytes a key. Reads and compactions give the lock
// up every few hundred keys, which the contract allows since a read names its revision; etcd
// holds it for the whole of a range. And compaction does not clone the tree.
package tree

import (
	"fmt"
	"strings"
	"sync"
	"unsafe" // a key that is only looked for becomes a string without a copy

	"github.com/etalon-kv/etalon/internal/prefix"
	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/mvcc/index/internal/history"
)

// Slot is what the nodes of a tree hold of an item.
type Slot struct {
	head uint64 // the first eight bytes of the key, zeroes behind its end
	item *Item
}

// Less orders slots by key.
func Less(a, b Slot) bool {
	if a.head != b.head {
		return a.head < b.head
	}
	return a.item.key < b.item.key
}

// Item is a key and its history.
type Item struct {
	key  string
	main int64            // of the one put that created the key, with sub-revision 0, if that is all
	hist *history.History // else
}

// probe is a slot to look for key with, good as long as key does not change.
func probe(key []byte) Slot {
	return Slot{prefix.Head(key), &Item{key: text(key)}}
}

// text is key as a string that is good as long as key does not change.
func text(key []byte) string { return unsafe.String(unsafe.SliceData(key), len(key)) }

// at is what the key is at a revision.
func (it *Item) at(at int64) (index.Entry, bool) {
	switch {
	case it.hist != nil:
		return it.hist.At(at)
	case it.main > at:
		return index.Entry{}, false
	}
	return index.Entry{ModRev: index.Revision{Main: it.main}, CreateRev: it.main, Version: 1}, true
}

// history is empty for an item that is just being made.
func (it *Item) history() history.History {
	switch {
	case it.hist != nil:
		return *it.hist
	case it.main == 0:
		return history.History{}
	}
	return history.First(nil, index.Revision{Main: it.main}, it.main, 1)
}

func (it *Item) set(h history.History) {
	switch {
	case h.Plain():
		it.main, it.hist = h.Newest().Main, nil
	case it.hist != nil:
		*it.hist = h
	default:
		it.hist = &h
	}
}

// Tree is the ordered set of slots that an Index is built over. The Index locks it.
type Tree interface {
	Get(probe Slot) (Slot, bool)
	Set(s Slot)
	Delete(s Slot)
	// Ascend visits the slots at or above from until visit answers false; Descend those at or
	// below it, or all of them for a nil from.
	Ascend(from Slot, visit func(Slot) bool)
	Descend(from *Slot, visit func(Slot) bool)
	// SlotBytes is about what the tree itself takes for an item.
	SlotBytes() int64
}

// stretch is the number of keys for which a read holds the lock.
const stretch = 256

// Index is an index.Index over a Tree.
type Index struct {
	mu     sync.RWMutex
	tree   Tree
	newest index.Revision
	stats  index.Stats // Bytes without the slots
}

// New returns an empty Index over an empty tree.
func New(t Tree) *Index { return &Index{tree: t} }

// Put implements index.Index.
func (x *Index) Put(key []byte, rev index.Revision) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.advance(key, rev)
	at, ok := x.tree.Get(probe(key))
	switch {
	case ok:
		h := at.item.history()
		x.change(at.item, h, h.Put(rev))
	case rev.Sub == 0:
		x.insert(key, rev.Main)
	default:
		x.change(x.insert(key, 0), history.History{}, history.First(nil, rev, rev.Main, 1))
	}
}

// Tombstone implements index.Index.
func (x *Index) Tombstone(key []byte, rev index.Revision) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	at, ok := x.tree.Get(probe(key))
	if !ok {
		return index.ErrNotFound
	}
	h := at.item.history()
	if !h.Live() {
		return index.ErrNotFound
	}
	x.advance(key, rev)
	x.change(at.item, h, h.Tombstone(rev))
	return nil
}

// advance takes rev as the newest revision, and panics if it is not.
func (x *Index) advance(key []byte, rev index.Revision) {
	if !rev.Valid() || rev.Compare(x.newest) <= 0 {
		panic(fmt.Sprintf("index: key %q written at revision %v after revision %v", key, rev, x.newest))
	}
	x.newest = rev
}

// insert adds a key with one put at the main revision main, or without a history yet for 0.
func (x *Index) insert(key []byte, main int64) *Item {
	it := &Item{key: string(key), main: main}
	x.tree.Set(Slot{prefix.Head(key), it})
	x.stats.Keys++
	x.stats.Live += btoi(main != 0)
	x.stats.Revisions += btoi(main != 0)
	x.stats.Bytes += it.sizeBytes()
	return it
}

// change puts the history h in the place of old and keeps the figures.
func (x *Index) change(it *Item, old, h history.History) {
	x.stats.Revisions += h.Len() - old.Len()
	x.stats.Live += btoi(h.Live()) - btoi(old.Live())
	x.stats.Bytes -= it.sizeBytes()
	it.set(h)
	x.stats.Bytes += it.sizeBytes()
}

const (
	itemBytes = 32
	histBytes = 48 // what the heap gives for 40
	revBytes  = 16
)

// sizeBytes is what it takes in the heap.
func (it *Item) sizeBytes() int64 {
	n := itemBytes + heapBytes(len(it.key))
	if it.hist != nil {
		n += histBytes + revBytes*it.hist.Cap()
	}
	return int64(n)
}

// heapBytes is about what the heap gives for n bytes: it has sizes in steps.
func heapBytes(n int) int {
	step := 8
	for ; step < 8192 && n > 4*step; step *= 2 {
	}
	return (n + step - 1) / step * step
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Get implements index.Reader.
func (x *Index) Get(key []byte, at int64) (index.Entry, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s, ok := x.tree.Get(probe(key))
	if !ok {
		return index.Entry{}, false
	}
	return s.item.at(at)
}

// Stats implements index.Reader.
func (x *Index) Stats() index.Stats {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := x.stats
	s.Bytes += x.tree.SlotBytes() * int64(s.Keys)
	return s
}

// Compact implements index.Index.
func (x *Index) Compact(at int64, from []byte, limit int, dropped *index.Set) (next []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var gone []Slot
	seen := 0
	x.tree.Ascend(probe(from), func(s Slot) bool {
		it := s.item
		if seen++; seen > max(limit, 1) {
			next = []byte(it.key)
			return false
		}
		if it.hist == nil {
			return true // a single put stays
		}
		old := *it.hist
		h, n := old.Compact(nil, at)
		if n == 0 {
			return true
		}
		if dropped != nil {
			for _, r := range old.Revs()[:n] {
				dropped.Add(r.Revision())
			}
		}
		x.change(it, old, h)
		if h.Len() == 0 {
			gone = append(gone, s)
		}
		return true
	})
	for _, s := range gone {
		x.tree.Delete(s)
		x.stats.Keys--
		x.stats.Bytes -= s.item.sizeBytes()
	}
	return next
}

// Restore implements index.Index.
func (x *Index) Restore(chunk []index.Record) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	var it *Item
	for i := range chunk {
		r := &chunk[i]
		if it == nil || it.key != string(r.Key) {
			if it != nil && strings.Compare(string(r.Key), it.key) < 0 {
				return fmt.Errorf("%w: key %q stands behind %q", index.ErrContradiction, r.Key, it.key)
			}
			if s, ok := x.tree.Get(probe(r.Key)); ok {
				it = s.item
			} else {
				it = x.insert(r.Key, 0)
			}
		}
		old := it.history()
		h, err := old.Add(r)
		if err != nil {
			return err
		}
		x.change(it, old, h)
		if r.Rev.Compare(x.newest) > 0 {
			x.newest = r.Rev
		}
	}
	return nil
}
