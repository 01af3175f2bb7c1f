package badger

import (
	"testing"

	lib "github.com/dgraph-io/badger/v4"
	"go.uber.org/goleak"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engine/enginetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

var harness = enginetest.Harness{Open: func(_ testing.TB, dir string) (engine.Backend, error) {
	return Open(dir, Options{})
}, DiesOnFullDisk: true}

func TestEngine(t *testing.T) { enginetest.Run(t, harness) }

func BenchmarkEngine(b *testing.B) { enginetest.Bench(b, harness) }

func BenchmarkTax(b *testing.B) {
	enginetest.BenchNative(b, enginetest.Native{
		Harness: harness,
		Stored:  func(key []byte) []byte { return appendKey(nil, enginetest.BenchSpace, key) },
		Open:    openNative,
	})
}

// openNative is what a program would do that knew only badger, with the adapter's options. It
// copies keys and values before a commit, because badger keeps them: callers reuse theirs.
func openNative(tb testing.TB, path string) (enginetest.NativeDB, error) {
	var o Options
	must(tb, o.Validate())
	db, err := lib.Open(o.library(path))
	if err != nil {
		return enginetest.NativeDB{}, err
	}
	return enginetest.NativeDB{
		Write: func(keys, values [][]byte) error {
			txn := db.NewTransaction(true)
			defer txn.Discard()
			for i, key := range keys {
				if err := txn.Set(key, values[i]); err != nil {
					return err
				}
			}
			return txn.Commit()
		},
		View:  func() (enginetest.NativeView, error) { return nativeView(db), nil },
		Close: db.Close,
	}, nil
}

func nativeView(db *lib.DB) enginetest.NativeView {
	txn := db.NewTransaction(false)
	return enginetest.NativeView{
		Get: func(dst, key []byte) ([]byte, error) {
			item, err := txn.Get(key)
			if err != nil {
				return dst, err
			}
			return item.ValueCopy(dst)
		},
		Scan: func(lo []byte, n int) (sum int, err error) {
			it := txn.NewIterator(lib.IteratorOptions{Prefix: lo[:1]})
			defer it.Close()
			var value []byte
			for it.Seek(lo); it.Valid() && n > 0; it.Next() {
				if value, err = it.Item().ValueCopy(value); err != nil {
					return 0, err
				}
				sum += len(it.Item().Key()) + len(value)
				n--
			}
			return sum, nil
		},
		Close: func() error { txn.Discard(); return nil },
	}
}
