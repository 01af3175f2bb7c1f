package mem_test

import (
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/etalon-kv/etalon/engine/enginetest"
	"github.com/tidwall/btree"
)

// BenchmarkTax compares the engine with the bare tree, published the same way.
func BenchmarkTax(b *testing.B) {
	enginetest.BenchNative(b, enginetest.Native{
		Harness: harness(),
		Open: func(testing.TB, string) (enginetest.NativeDB, error) {
			work := btree.NewMap[string, string](16)
			var current atomic.Pointer[btree.Map[string, string]]
			return enginetest.NativeDB{
				Write: func(keys, values [][]byte) error {
					for i, key := range keys {
						both := append(append(make([]byte, 0, len(key)+len(values[i])), key...), values[i]...)
						text := unsafe.String(&both[0], len(both))
						work.Set(text[:len(key)], text[len(key):])
					}
					current.Store(work.Copy())
					return nil
				},
				View:  func() (enginetest.NativeView, error) { return bareView(current.Load()), nil },
				Close: func() error { return nil },
			}, nil
		},
	})
}

func bareView(t *btree.Map[string, string]) enginetest.NativeView {
	return enginetest.NativeView{
		Get: func(dst, key []byte) ([]byte, error) {
			value, _ := t.Get(unsafe.String(&key[0], len(key)))
			return append(dst, value...), nil
		},
		Scan: func(lo []byte, n int) (sum int, err error) {
			it := t.Iter()
			for ok := it.Seek(unsafe.String(&lo[0], len(lo))); ok && n > 0; ok = it.Next() {
				sum += len(it.Key()) + len(it.Value())
				n--
			}
			return sum, nil
		},
		Close: func() error { return nil },
	}
}
