package apply_test

import (
	"testing"
	"time"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
)

func TestDurableIsWhatTheEngineWouldKeep(t *testing.T) {
	lazy := engine.Policy{Interval: time.Hour, MaxOps: 1 << 20}
	for _, c := range []struct {
		combo
		want func(applied uint64) uint64
	}{
		{combo{"mem", openMem, packed.New}, func(uint64) uint64 { return 0 }},
		{combo{"bolt", openBolt, packed.New}, func(applied uint64) uint64 { return applied }},
		{combo{"pebble", openPebble, packed.New}, func(applied uint64) uint64 { return applied / 10 * 10 }},
		{combo{"bolt+lazy", buffered(openBolt, lazy), packed.New}, func(uint64) uint64 { return 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			cfg := apply.Config{Dir: dir, Open: c.open, Index: c.index, SyncEntries: 10}
			if c.name == "mem" {
				cfg.Dir = ""
			}
			m, err := apply.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			l := &log{t, m, 1}
			for range 25 {
				l.do(put("a", "1"))
				if got, want := uint64(m.Durable()), c.want(uint64(m.Applied().Index)); got != want {
					t.Fatalf("durable up to %d of %d, want %d", got, m.Applied().Index, want)
				}
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			if c.name == "mem" {
				return
			}
			m = c.machine(t, dir)
			defer m.Close()
			if got := m.Durable(); got != 25 {
				t.Errorf("durable up to %d after a restart, want 25", got)
			}
		})
	}
}
