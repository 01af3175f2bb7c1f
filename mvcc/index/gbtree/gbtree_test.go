package gbtree_test

import (
	"testing"

	"github.com/etalon-kv/etalon/mvcc/index/gbtree"
	"github.com/etalon-kv/etalon/mvcc/index/indextest"
)

func TestIndex(t *testing.T) { indextest.Run(t, gbtree.New) }
func FuzzIndex(f *testing.F) { indextest.Fuzz(f, gbtree.New) }
