// Package gbtree is an index.Index over google/btree with the degree that etcd uses: the
// reference that other indexes are compared with. Readers share one lock with the writer.
package gbtree

import (
	"github.com/google/btree"

	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/mvcc/index/internal/tree"
)

// degree is etcd's.
const degree = 32

// New returns an empty index.
func New() index.Index {
	return tree.New(items{btree.NewG(degree, tree.Less)})
}

type items struct{ t *btree.BTreeG[tree.Slot] }

func (s items) Get(probe tree.Slot) (tree.Slot, bool) { return s.t.Get(probe) }
func (s items) Set(at tree.Slot)                      { s.t.ReplaceOrInsert(at) }
func (s items) Delete(at tree.Slot)                   { s.t.Delete(at) }

func (s items) Ascend(from tree.Slot, visit func(tree.Slot) bool) {
	s.t.AscendGreaterOrEqual(from, visit)
}

func (s items) Descend(from *tree.Slot, visit func(tree.Slot) bool) {
	if from == nil {
		s.t.Descend(visit)
		return
	}
	s.t.DescendLessOrEqual(*from, visit)
}

// SlotBytes is a slot of 16 bytes in nodes that are half to two thirds full, and a share of
// the node.
func (items) SlotBytes() int64 { return 32 }
