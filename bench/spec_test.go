package bench

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/internal/seedtest"
)

func TestASpecSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{Workload: "ycsb-g"}, `bench: unknown workload "ycsb-g", did you mean "ycsb-a"?`},
		{Spec{Workload: "overwirte"}, `did you mean "overwrite"?`},
		{Spec{Workload: "get", Distribution: "zipfain"}, `did you mean "zipfian"?`},
		{Spec{Workload: "get", Distribution: "zipfian:-1"}, `parameter "-1", accepted: above 0 up to 10`},
		{Spec{Workload: "get", Distribution: "hotspot:0.1"}, `1 parameters, want 2`},
		{Spec{Workload: "get", KeyBytes: 4}, `key of 4 bytes, accepted: 8 to 32768`},
		{Spec{Workload: "get", KeyBytes: 1 << 20}, `key of 1048576 bytes`},
		{Spec{Workload: "get", KeyOrder: "orderd"}, `did you mean "ordered"?`},
		{Spec{Workload: "get", ValueSize: "uniformly:1-2"}, `did you mean "uniform"?`},
		{Spec{Workload: "scan", ScanLength: "0"}, `accepted: 1 key or more`},
		{Spec{Workload: "get", Compressibility: 1.5}, `compressibility: 1.5`},
		{Spec{Workload: "get", Batch: -1}, `batch of -1`},
		{Spec{Workload: "get", CheckEvery: -1}, `check every -1`},
		{Spec{Workload: "get", Mix: map[string]float64{"gets": 1}}, `did you mean "get"?`},
		{Spec{Workload: "get", Mix: map[string]float64{"get": -1}}, `mix: get: -1`},
		{Spec{Workload: "get", Mix: map[string]float64{"get": 0}}, `all proportions are 0`},
		{Spec{Workload: "watch", Watchers: -1}, `-1 watchers, accepted: 0 to 1000000`},
		{Spec{Workload: "watch", ValueSize: "uniform:4-20"}, `"uniform:4-20" with watchers, accepted: 8 bytes or more`},
		{Spec{Workload: "watch", Mix: map[string]float64{"put": 1, "delete": 1}}, `deletes with watchers`},
		{Spec{Workload: "compaction", CompactEvery: -1}, `compaction every -1ns`},
		{Spec{Workload: "recreate", Batch: 2}, `batch of 2 pairs with recreate`},
		{Spec{Workload: "recreate", Mix: map[string]float64{"put": 1}}, `recreate needs deletes and inserts`},
		{Spec{Workload: "put", Mix: map[string]float64{"get": 1}}, `needs loaded records`},
	} {
		if err := c.spec.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v\nwant …%s…", c.spec, err, c.want)
		}
	}
}

func TestDistributionsAreReadAndWrittenAlike(t *testing.T) {
	for _, name := range Distributions() {
		d, err := parseDistribution(name)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseDistribution(d.String())
		if err != nil || again.String() != d.String() {
			t.Errorf("%q became %q: %v", d, again, err)
		}
	}
}

func FuzzParseDistribution(f *testing.F) {
	for _, s := range []string{"zipfian:0.9", "hotspot:0.2,0.8", "latest", "exponential:95,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDistribution(text)
		if err != nil {
			return
		}
		if again, err := parseDistribution(d.String()); err != nil || again.String() != d.String() {
			t.Fatalf("%q became %q, then %v, %v", text, d, again, err)
		}
	})
}

func TestEqualSeedsGiveEqualSequences(t *testing.T) {
	for _, name := range Workloads() {
		var ops [2][]string
		for i := range ops {
			batch := 3
			if name == "recreate" { // which takes one at a time
				batch = 1
			}
			m := mustWorkload(t, Spec{Workload: name, Records: 100, ValueSize: "uniform:10-50", Batch: batch})
			w, r := m.Worker(1), rand.New(rand.NewPCG(5, 1))
			var op Op
			for range 500 {
				w.Next(r, &op)
				text := op.Kind.String() + " " + string(op.Key) + " " + string(op.Value)
				for _, p := range op.More {
					text += " " + string(p.Key) + " " + string(p.Value)
				}
				ops[i] = append(ops[i], text)
				op.Items = 1
				w.Acknowledged(&op, nil)
			}
		}
		for i := range ops[0] {
			if ops[0][i] != ops[1][i] {
				t.Fatalf("%s: operation %d is %q and %q", name, i, ops[0][i], ops[1][i])
			}
		}
	}
}

func TestTheTrackerAcceptsExactlyWhatNoLaterWriteReplaced(t *testing.T) {
	r := rand.New(rand.NewPCG(seedtest.Of(t), 6))
	for round := range 2000 {
		tr := newTracker(1, 1)
		var all []write
		for i := range 1 + r.IntN(12) {
			start := time.Duration(r.IntN(40))
			all = append(all, write{stamp: Stamp(i), start: start, end: start + time.Duration(r.IntN(15)), acked: r.IntN(5) > 0, deletes: r.IntN(6) == 0})
		}
		for _, i := range r.Perm(len(all)) {
			tr.note(0, all[i])
		}
		anyAcked := false
		for _, w := range all {
			anyAcked = anyAcked || w.acked
		}
		for _, w := range all {
			want := true
			for _, later := range all {
				want = want && !(w.acked && later.acked && later.start > w.end)
			}
			if w.deletes {
				if got, known := tr.final(0, 0, true); known && want && !got {
					t.Fatalf("round %d: %+v may be the last of %+v", round, w, all)
				}
				continue
			}
			if got, known := tr.final(0, w.stamp, false); known && got != want || !known && anyAcked {
				t.Fatalf("round %d: %+v: final %v, known %v, want %v of %+v", round, w, got, known, want, all)
			}
		}
	}
}
