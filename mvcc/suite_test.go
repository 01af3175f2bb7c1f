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
		goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"),
		// badger leaves these behind when it cannot open a damaged directory.
		goleak.IgnoreTopFunction("github.com/dgraph-io/ristretto/v2/z.(*AllocatorPool).freeupAllocators"),
		goleak.IgnoreTopFunction("github.com/dgraph-io/badger/v4.(*DB).monitorCache"),
	)
}

// combinations are all engines, bare and buffered, with all indexes.
func combinations() (all []mvcctest.Harness) {
	// Small groups, so that many are committed.
	policy := engine.Policy{MaxOps: 100, Interval: 5 * time.Millisecond}
	for _, e := range smallEngines() {
		for _, e := range []namedEngine{e, e.buffered(policy)} {
			for _, x := range indexes() {
				all = append(all, mvcctest.Harness{Name: e.name + "/" + x.name, Open: e.open, Index: x.make})
			}
		}
	}
	return all
}

func TestStore(t *testing.T) {
	for _, h := range combinations() {
		t.Run(h.Name, func(t *testing.T) {
			t.Parallel() // most of the time goes into waiting for disks
			mvcctest.Run(t, h, !strings.HasSuffix(h.Name, "/packed"))
		})
	}
}

// TestCrash is not part of TestStore: between its fork and its exec a child holds the locks of
// all directories that are open, so nothing may be reopened meanwhile.
func TestCrash(t *testing.T) {
	for _, h := range combinations() {
		if strings.HasSuffix(h.Name, "/packed") { // the index leaves no traces on a disk
			t.Run(h.Name, func(t *testing.T) { mvcctest.Crash(t, h) })
		}
	}
}

func TestDifferential(t *testing.T) { mvcctest.Differential(t, combinations()) }
