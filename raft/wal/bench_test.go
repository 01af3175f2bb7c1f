package wal

import (
	"testing"

	"github.com/etalon-kv/etalon/raft/logtest"
)

// BenchmarkLog writes real files; TMPDIR says where.
func BenchmarkLog(b *testing.B) {
	b.Run("log=wal", func(b *testing.B) {
		logtest.Bench(b, logtest.Harness{New: func(t testing.TB) logtest.Store {
			dir := t.TempDir()
			return logtest.Store{Open: func() (logtest.Log, error) {
				fs, err := Dir(dir)
				if err != nil {
					return nil, err
				}
				return asLog(Open(fs, Options{}))
			}}
		}}, func(l logtest.Log) logtest.Ledger {
			s := l.(*Log).Stats()
			return logtest.Ledger{WrittenBytes: s.WrittenBytes, Syncs: s.Syncs}
		})
	})
}
