package targets

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
	"github.com/etalon-kv/etalon/replica"
	"github.com/etalon-kv/etalon/results"
)

// newMembers makes n members on engines and logs in memory, which end with the test.
func newMembers(t *testing.T, n int) (members []ReplicaMember, logs []*spyLog) {
	t.Helper()
	for i := range n {
		state, err := apply.Open(t.Context(), apply.Config{
			Open:  func(string) (engine.Backend, error) { return mem.Open(mem.Options{}) },
			Index: func() index.Index { return packed.New() },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := state.Close(); err != nil {
				t.Error(err)
			}
		})
		logs = append(logs, newSpyLog())
		members = append(members, ReplicaMember{Log: logs[i], State: state, Dir: filepath.Join(t.TempDir(), fmt.Sprint(i))})
	}
	return members, logs
}

func newReplica(t *testing.T, n int, d results.Durability) (*Replica, []*spyLog) {
	t.Helper()
	members, logs := newMembers(t, n)
	g, err := NewReplica(t.Context(), ReplicaConfig{Members: members, Persistent: true, Durability: d, Seed: 1, Tick: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() }) // tests that want its error close it
	return g, logs
}

func TestAReplicatedStoreAnswersEveryWorkload(t *testing.T) {
	for _, n := range []int{1, 3} {
		for _, workload := range []string{"ycsb-a", "ycsb-e", "ycsb-f", "delete", "compare-and-put"} {
			t.Run(fmt.Sprint(workload, " with ", n), func(t *testing.T) {
				g, _ := newReplica(t, n, results.DurabilityGroup)
				source, err := bench.NewWorkload(bench.Spec{Workload: workload, Records: 500, ValueSize: "64"})
				if err != nil {
					t.Fatal(err)
				}
				rec, err := (&bench.Runner{Source: source, Target: g, Workers: 4, Ops: 400, Seed: 1}).Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if !rec.Valid() || rec.Count() == 0 || rec.Durability != results.DurabilityGroup || rec.Consistency != results.Linearizable {
					t.Errorf("%d operations, %s, %s, %+v", rec.Count(), rec.Durability, rec.Consistency, rec.Verdicts)
				}
				checkMemberStages(t, rec)
				g.sameHashes(t)
			})
		}
	}
}

// checkMemberStages wants every stage counted, and once for each write: the writes of a batch count
// each.
func checkMemberStages(t *testing.T, rec *results.Record) {
	t.Helper()
	var writes int64
	for _, kind := range []string{"put", "insert", "delete", "rmw"} {
		if o := rec.Ops[kind]; o != nil {
			writes += o.Count
		}
	}
	for _, want := range MemberStages() {
		s := rec.Stage(want.Name)
		if s == nil || s.Times.Count() < writes {
			t.Errorf("stage %s: %+v, want the %d writes in it", want.Name, s, writes)
		}
	}
}

// sameHashes wants all members to hold the same.
func (g *Replica) sameHashes(t *testing.T) {
	t.Helper()
	if err := g.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	first, err := g.members[0].state.HashKV(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range g.members[1:] {
		if h, err := m.state.HashKV(t.Context(), 0); err != nil || h != first {
			t.Errorf("hash %+v, %v; want %+v", h, err, first)
		}
	}
}

func TestAReplicatedStoreIsWatchedAndCompacted(t *testing.T) {
	g, _ := newReplica(t, 1, results.DurabilityGroup)
	for _, workload := range []string{"watch", "compaction", "range-at-revision"} {
		t.Run(workload, func(t *testing.T) {
			spec := bench.Spec{Workload: workload, Records: 200, ValueSize: "64"}
			if workload == "watch" {
				spec.Watchers = 2
			}
			source, err := bench.NewWorkload(spec)
			if err != nil {
				t.Fatal(err)
			}
			rec, err := (&bench.Runner{Source: source, Target: g, Workers: 2, Measure: 50 * time.Millisecond, Seed: 1}).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !rec.Valid() || rec.Count() == 0 {
				t.Errorf("%d operations, %+v", rec.Count(), rec.Verdicts)
			}
		})
	}
}

func TestALogThatFailsStopsAReplicatedStoreAndTheRunIsInvalid(t *testing.T) {
	g, logs := newReplica(t, 1, results.DurabilityGroup)
	s, err := g.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	op := bench.Op{Kind: bench.Put, Key: []byte("key"), Value: []byte("value")}
	if err := s.Do(t.Context(), &op); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("disk on fire")
	logs[0].err.Store(&broken)
	if err := s.Do(t.Context(), &op); !errors.Is(err, replica.ErrStopped) && !errors.Is(err, broken) {
		t.Errorf("a write on a broken log: %v", err)
	}
	source, err := bench.NewWorkload(bench.Spec{Workload: "get", Records: 1})
	if err != nil {
		t.Fatal(err)
	}
	runner := bench.Runner{Source: source, Workers: 1, Ops: 10, Seed: 1,
		Fixture: func(context.Context) (bench.Target, bool, error) { return undrained{g}, true, nil }}
	rec, err := runner.Run(t.Context())
	if err != nil || rec.Valid() {
		t.Errorf("a run on a stopped member: %v, %+v", err, rec)
	}
	if n := rec.Ops["get"].Errors["stopped"]; n == 0 {
		t.Errorf("errors by class %v", rec.Ops["get"].Errors)
	}
	if err := g.Close(); !errors.Is(err, broken) {
		t.Errorf("Close: %v", err)
	}
}

// undrained hides everything of a target but its sessions and the names of its errors.
type undrained struct{ g *Replica }

func (u undrained) Open(ctx context.Context, i int) (bench.Session, error) { return u.g.Open(ctx, i) }
func (u undrained) ErrorClass(err error) string                            { return u.g.ErrorClass(err) }

func TestAReplicatedStoreWithoutSyncsSaysSo(t *testing.T) {
	g, logs := newReplica(t, 1, results.DurabilityNone)
	before := logs[0].syncs.Load()
	s, err := g.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	op := bench.Op{Kind: bench.Put, Key: []byte("key"), Value: []byte("value")}
	if err := s.Do(t.Context(), &op); err != nil {
		t.Fatal(err)
	}
	if n := logs[0].syncs.Load() - before; g.Durability() != results.DurabilityNone || n != 0 {
		t.Errorf("%s, %d syncs", g.Durability(), n)
	}
	if _, err := NewReplica(t.Context(), ReplicaConfig{Members: make([]ReplicaMember, 1), Durability: results.DurabilitySync}); err == nil {
		t.Error("sync was accepted: proposals that wait share one")
	}
}
