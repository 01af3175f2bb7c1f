// Package tree is an index.Index over any ordered tree of pointers: one item a key, one lock over
// all, as in etcd's index.go. What gbtree and tbtree share; they add the tree.
//
// It departs from etcd in three places. A history is flat (package history) instead of a slice of
// generations, which saves an allocation and 48 bytes a key. Reads and compactions give the lock
// up every few hundred keys, which the contract allows since a read names its revision; etcd
// holds it for the whole of a range. And compaction does not clone the tree.
package tree

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/mvcc/index/internal/history"
)

// Item is a key and its history.
type Item struct {
	Key  []byte
	hist history.History
}

// Less orders items by key.
func Less(a, b *Item) bool { return bytes.Compare(a.Key, b.Key) < 0 }

// Tree is the ordered set of items that an Index is built over. The Index locks it.
type Tree interface {
	Get(probe *Item) (*Item, bool)
	Set(it *Item)
	Delete(it *Item)
	// Ascend visits the items at or above from until visit answers false; Descend those at or
	// below it, or all of them for nil.
	Ascend(from *Item, visit func(*Item) bool)
	Descend(from *Item, visit func(*Item) bool)
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
	it, ok := x.tree.Get(&Item{Key: key})
	if !ok {
		it = x.insert(key)
	}
	x.change(it, it.hist.Put(rev))
}

// Tombstone implements index.Index.
func (x *Index) Tombstone(key []byte, rev index.Revision) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	it, ok := x.tree.Get(&Item{Key: key})
	if !ok || !it.hist.Live() {
		return index.ErrNotFound
	}
	x.advance(key, rev)
	x.change(it, it.hist.Tombstone(rev))
	return nil
}

// advance takes rev as the newest revision, and panics if it is not.
func (x *Index) advance(key []byte, rev index.Revision) {
	if !rev.Valid() || rev.Compare(x.newest) <= 0 {
		panic(fmt.Sprintf("index: key %q written at revision %v after revision %v", key, rev, x.newest))
	}
	x.newest = rev
}

func (x *Index) insert(key []byte) *Item {
	it := &Item{Key: bytes.Clone(key)}
	x.tree.Set(it)
	x.stats.Keys++
	x.stats.Bytes += itemBytes + int64(cap(it.Key))
	return it
}

// change gives it a history and keeps the figures.
func (x *Index) change(it *Item, h history.History) {
	x.stats.Revisions += h.Len() - it.hist.Len()
	x.stats.Bytes += revBytes * int64(h.Cap()-it.hist.Cap())
	x.stats.Live += btoi(h.Live()) - btoi(it.hist.Live())
	it.hist = h
}

const (
	itemBytes = 64 // key 24, history 40
	revBytes  = 16
)

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
	it, ok := x.tree.Get(&Item{Key: key})
	if !ok {
		return index.Entry{}, false
	}
	return it.hist.At(at)
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
	var gone []*Item
	seen := 0
	x.tree.Ascend(&Item{Key: from}, func(it *Item) bool {
		if seen++; seen > max(limit, 1) {
			next = bytes.Clone(it.Key)
			return false
		}
		h, n := it.hist.Compact(nil, at)
		if n == 0 {
			return true
		}
		if dropped != nil {
			for _, r := range it.hist.Revs()[:n] {
				dropped.Add(r.Revision())
			}
		}
		x.change(it, h)
		if h.Len() == 0 {
			gone = append(gone, it)
		}
		return true
	})
	for _, it := range gone {
		x.tree.Delete(it)
		x.stats.Keys--
		x.stats.Bytes -= itemBytes + int64(cap(it.Key))
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
		if it == nil || !bytes.Equal(it.Key, r.Key) {
			if it != nil && bytes.Compare(r.Key, it.Key) < 0 {
				return fmt.Errorf("%w: key %q stands behind %q", index.ErrContradiction, r.Key, it.Key)
			}
			var ok bool
			if it, ok = x.tree.Get(&Item{Key: r.Key}); !ok {
				it = x.insert(r.Key)
			}
		}
		h, err := it.hist.Add(r)
		if err != nil {
			return err
		}
		x.change(it, h)
		if r.Rev.Compare(x.newest) > 0 {
			x.newest = r.Rev
		}
	}
	return nil
}
