package tbtree_test

import (
	"testing"

	"github.com/etalon-kv/etalon/mvcc/index/indextest"
	"github.com/etalon-kv/etalon/mvcc/index/tbtree"
)

func TestIndex(t *testing.T) { indextest.Run(t, tbtree.New) }
func FuzzIndex(f *testing.F) { indextest.Fuzz(f, tbtree.New) }
