package kvlog_test

import (
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/raft/kvlog"
	"github.com/etalon-kv/etalon/raft/logtest"
)

// BenchmarkLog is that of raft/wal over each engine: benchstat -col /log compares them.
func BenchmarkLog(b *testing.B) {
	ledger := func(l logtest.Log) logtest.Ledger {
		s := l.(owned).b.Stats()
		return logtest.Ledger{WrittenBytes: s.WrittenBytes, Syncs: s.Syncs}
	}
	for _, e := range engines {
		b.Run("log="+e.name, func(b *testing.B) {
			logtest.Bench(b, logtest.Harness{New: func(t testing.TB) logtest.Store {
				dir := t.TempDir()
				return logtest.Store{Open: func() (logtest.Log, error) { return openOwned(e.open(dir)) }}
			}}, ledger)
		})
	}
	b.Run("log=mem", func(b *testing.B) {
		logtest.Bench(b, logtest.Harness{New: func(t testing.TB) logtest.Store {
			m, err := mem.Open(mem.Options{})
			must(t, err)
			return logtest.Store{Open: func() (logtest.Log, error) { return kvlog.Open(m, kvlog.Options{}) }}
		}}, nil)
	})
}

var _ engine.Backend = (*forgetful)(nil)
