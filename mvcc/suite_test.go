package mvcc_test

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc/mvcctest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The libraries' own, of no store: they live as long as the process.
		goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"),
	)
}

// combinations are all engines, bare and buffered, with all indexes.
func combinations() (all []mvcctest.Harness) {
	// Small groups, so that many are committed.
	policy := engine.Policy{MaxOps: 100, Interval: 5 * time.Millisecond}
	for _, e := range engines() {
		for _, e := range []namedEngine{e, e.buffered(policy)} {
			for _, x := range indexes() {
				all = append(all, mvcctest.Harness{Name: e.name + "/" + x.name, Open: e.open, Index: x.make})
			}
		}
	}
	return all
}

func TestStore(t *testing.T) {
	for i, h := range combinations() {
		t.Run(h.Name, func(t *testing.T) {
			// Every engine with one index, and every index with one engine, gets the whole suite.
			brief := i >= 3 && !strings.HasSuffix(h.Name, "/packed")
			mvcctest.Run(t, h, brief)
		})
	}
}

func TestDifferential(t *testing.T) { mvcctest.Differential(t, combinations()) }
