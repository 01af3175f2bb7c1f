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

type items struct{ t *btree.BTreeG[*tree.Item] }

func (s items) Get(probe *tree.Item) (*tree.Item, bool) { return s.t.Get(probe) }
func (s items) Set(it *tree.Item)                       { s.t.ReplaceOrInsert(it) }
func (s items) Delete(it *tree.Item)                    { s.t.Delete(it) }

func (s items) Ascend(from *tree.Item, visit func(*tree.Item) bool) {
	s.t.AscendGreaterOrEqual(from, visit)
}

func (s items) Descend(from *tree.Item, visit func(*tree.Item) bool) {
	if from == nil {
		s.t.Descend(visit)
		return
	}
	s.t.DescendLessOrEqual(from, visit)
}

// SlotBytes is a pointer in nodes that are two thirds full, grown by doubling, and a share of
// the node.
func (items) SlotBytes() int64 { return 13 }
