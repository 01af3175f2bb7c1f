package bolt_test

import (
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engine/enginetest"
	"github.com/etalon-kv/etalon/engines/bolt"
)

func harness() enginetest.Harness {
	return enginetest.Harness{Open: func(_ testing.TB, dir string) (engine.Backend, error) {
		return bolt.Open(dir, bolt.Options{})
	}}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEngine(t *testing.T) { enginetest.Run(t, harness()) }

func BenchmarkEngine(b *testing.B) { enginetest.Bench(b, harness()) }

// BenchmarkTax compares the engine with bbolt, opened with the same options and used as its
// documentation shows.
func BenchmarkTax(b *testing.B) {
	enginetest.BenchNative(b, enginetest.Native{Harness: harness(), Open: bare})
}

func bare(_ testing.TB, path string) (enginetest.NativeDB, error) {
	db, err := bbolt.Open(filepath.Join(path, "data.bolt"), 0o600, &bbolt.Options{
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: 1 << 40,
	})
	if err != nil {
		return enginetest.NativeDB{}, err
	}
	bucket := []byte{byte(enginetest.BenchSpace)}
	return enginetest.NativeDB{
		Write: func(keys, values [][]byte) error {
			return db.Update(func(tx *bbolt.Tx) error {
				b := tx.Bucket(bucket)
				for i := range keys {
					if err := b.Put(keys[i], values[i]); err != nil {
						return err
					}
				}
				return nil
			})
		},
		View: func() (enginetest.NativeView, error) {
			tx, err := db.Begin(false)
			if err != nil {
				return enginetest.NativeView{}, err
			}
			return bareView(tx, tx.Bucket(bucket)), nil
		},
		Close: db.Close,
	}, nil
}

func bareView(tx *bbolt.Tx, b *bbolt.Bucket) enginetest.NativeView {
	return enginetest.NativeView{
		Get: func(dst, key []byte) ([]byte, error) { return append(dst, b.Get(key)...), nil },
		Scan: func(lo []byte, n int) (sum int, err error) {
			c := b.Cursor()
			for k, v := c.Seek(lo); k != nil && n > 0; k, v = c.Next() {
				sum += len(k) + len(v)
				n--
			}
			return sum, nil
		},
		Close: tx.Rollback,
	}
}
