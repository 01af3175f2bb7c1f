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

type items struct{ t *btree.BTreeG[*tree.Item] }

func (s items) Get(probe *tree.Item) (*tree.Item, bool) { return s.t.Get(probe) }
func (s items) Set(it *tree.Item)                       { s.t.Set(it) }
func (s items) Delete(it *tree.Item)                    { s.t.Delete(it) }

func (s items) Ascend(from *tree.Item, visit func(*tree.Item) bool) { s.t.Ascend(from, visit) }

func (s items) Descend(from *tree.Item, visit func(*tree.Item) bool) {
	if from == nil {
		s.t.Reverse(visit)
		return
	}
	s.t.Descend(from, visit)
}

// SlotBytes is a pointer in nodes that are two thirds full, grown by doubling, and a share of
// the node.
func (items) SlotBytes() int64 { return 13 }
