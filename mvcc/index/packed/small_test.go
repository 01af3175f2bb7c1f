package packed

import (
	"testing"

	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/mvcc/index/indextest"
)

// TestHighTree runs the suite over nodes so small that a few hundred keys make a tree of many
// levels, whose inner nodes are split, merged, emptied and replaced all the time.
func TestHighTree(t *testing.T) {
	open := func() index.Index { return newIndex(limits{leafKeys: 4, leafBytes: 256, fan: 8}) }
	indextest.Run(t, open)
}
