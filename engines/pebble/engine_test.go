package pebble

import (
	"testing"

	lib "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engine/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var harness = enginetest.Harness{Open: func(_ testing.TB, dir string) (engine.Backend, error) {
	return Open(dir, Options{})
}}

func TestEngine(t *testing.T) { enginetest.Run(t, harness) }

func TestEngineWithSmallMemTables(t *testing.T) {
	if testing.Short() {
		t.Skip("TestEngine again, with flushes and compactions all the time")
	}
	enginetest.Run(t, enginetest.Harness{Open: func(_ testing.TB, dir string) (engine.Backend, error) {
		return Open(dir, Options{MemTableBytes: 1 << 20, TargetFileBytes: 64 << 10, LBaseBytes: 1 << 20})
	}})
}

func BenchmarkEngine(b *testing.B) { enginetest.Bench(b, harness) }

func BenchmarkTax(b *testing.B) {
	enginetest.BenchNative(b, enginetest.Native{
		Harness: harness,
		Stored:  func(key []byte) []byte { return append([]byte{byte(enginetest.BenchSpace)}, key...) },
		Open:    openNative,
	})
}

// openNative is what a program would do that knew only pebble, with the adapter's options.
func openNative(tb testing.TB, path string) (enginetest.NativeDB, error) {
	var o Options
	must(tb, o.Validate())
	opts := o.library(vfs.Default, lib.FormatNewest)
	opts.Logger = &logger{}
	db, err := lib.Open(path, opts)
	if err != nil {
		return enginetest.NativeDB{}, err
	}
	w := db.NewBatch()
	return enginetest.NativeDB{
		Write: func(keys, values [][]byte) error {
			w.Reset()
			for i, key := range keys {
				if err := w.Set(key, values[i], nil); err != nil {
					return err
				}
			}
			return db.Apply(w, lib.NoSync)
		},
		View: func() (enginetest.NativeView, error) {
			snap := db.NewSnapshot()
			return enginetest.NativeView{
				Get: func(dst, key []byte) ([]byte, error) {
					v, closer, err := snap.Get(key)
					if err != nil {
						return dst, err
					}
					dst = append(dst, v...)
					return dst, closer.Close()
				},
				Scan: func(lo []byte, n int) (sum int, err error) {
					it, err := snap.NewIter(&lib.IterOptions{LowerBound: lo, UpperBound: []byte{lo[0] + 1}})
					if err != nil {
						return 0, err
					}
					for ok := it.First(); ok && n > 0; ok, n = it.Next(), n-1 {
						sum += len(it.Key()) + len(it.Value())
					}
					return sum, it.Close()
				},
				Close: snap.Close,
			}, nil
		},
		Close: db.Close,
	}, nil
}
