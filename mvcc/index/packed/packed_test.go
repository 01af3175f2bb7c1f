package packed_test

import (
	"testing"

	"github.com/etalon-kv/etalon/mvcc/index/indextest"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
)

func TestIndex(t *testing.T) { indextest.Run(t, packed.New) }
func FuzzIndex(f *testing.F) { indextest.Fuzz(f, packed.New) }
