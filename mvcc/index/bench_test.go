package index_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/mvcc/index/gbtree"
	"github.com/etalon-kv/etalon/mvcc/index/indextest"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
	"github.com/etalon-kv/etalon/mvcc/index/tbtree"
)

// BenchmarkIndex compares all indexes at 10,000 and 1,000,000 keys, or at the numbers of keys in
// ETALON_KEYS. A part of it by name:
//
//	go test -run - -bench 'Index/index=(gbtree|packed)/keys=1000000/shape=random/op=get$' ./mvcc/index
func BenchmarkIndex(b *testing.B) {
	sizes := []int{10_000, 1_000_000}
	if s := os.Getenv("ETALON_KEYS"); s != "" {
		sizes = nil
		for _, f := range strings.Split(s, ",") {
			n, err := strconv.Atoi(f)
			if err != nil || n < 200 {
				b.Fatalf("ETALON_KEYS %q: want numbers from 200 on, with commas between", s)
			}
			sizes = append(sizes, n)
		}
	}
	for _, x := range []struct {
		name string
		open func() index.Index
	}{{"gbtree", gbtree.New}, {"tbtree", tbtree.New}, {"packed", packed.New}} {
		b.Run("index="+x.name, func(b *testing.B) { indextest.Bench(b, x.open, sizes...) })
	}
}
