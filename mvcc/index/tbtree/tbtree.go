// Package tbtree is an index.Index over tidwall/btree. Readers share one lock with the writer.
package tbtree

import (
	"github.com/tidwall/btree"

	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/mvcc/index/internal/tree"
)

// New returns an empty index.
func New() index.Index {
	return tree.New(items{btree.NewBTreeGOptions(tree.Less, btree.Options{NoLocks: true})})
}

type items struct{ t *btree.BTreeG[tree.Slot] }

func (s items) Get(probe tree.Slot) (tree.Slot, bool) { return s.t.Get(probe) }
func (s items) Set(at tree.Slot)                      { s.t.Set(at) }
func (s items) Delete(at tree.Slot)                   { s.t.Delete(at) }

func (s items) Ascend(from tree.Slot, visit func(tree.Slot) bool) { s.t.Ascend(from, visit) }

func (s items) Descend(from *tree.Slot, visit func(tree.Slot) bool) {
	if from == nil {
		s.t.Reverse(visit)
		return
	}
	s.t.Descend(*from, visit)
}

// SlotBytes is a slot in nodes that are two thirds full, grown by doubling, and a share of
// the node.
func (items) SlotBytes() int64 { return 26 }
