package selftest

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/results"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// timed makes the tests of checks that measure the machine of the moment, which other tests may be
// using: set ETALON_TIMED=1 on an idle machine, or run etalon selftest.
func timed() bool { return os.Getenv("ETALON_TIMED") != "" }

func TestARightHarnessPasses(t *testing.T) {
	for _, c := range checks() {
		if c.tries > 1 && !timed() {
			continue
		}
		v, err := c.verdict(t.Context(), realHarness())
		if err != nil {
			t.Fatal(err)
		}
		if !v.OK {
			t.Errorf("%s: %s", v.Name, v.Detail)
		}
		t.Logf("%s: %s", v.Name, v.Detail)
	}
}

func TestRunMakesEveryCheckAndReportsProgress(t *testing.T) {
	h := realHarness()
	h.run = func(context.Context, *bench.Runner) (*results.Record, error) { // nothing is ever measured
		return &results.Record{Phases: []results.Phase{{Name: "measure", Duration: 1, Ops: 1}},
			Ops: map[string]*results.OpStats{"get": {Service: results.NewHistogram()}, "insert": {}}}, nil
	}
	reports := 0
	verdicts, err := Run(t.Context(), Options{harness: h, Progress: func(done, total int, _ string) {
		if done != reports || total != len(checks()) {
			t.Errorf("%d of %d after %d reports", done, total, reports)
		}
		reports++
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(verdicts) != len(checks()) || reports != len(checks()) {
		t.Errorf("%d verdicts and %d reports of %d checks", len(verdicts), reports, len(checks()))
	}
	for _, v := range verdicts {
		if v.Detail == "" {
			t.Errorf("%s says nothing", v.Name)
		}
	}
}

// biased chooses item 7 one time in a hundred more than it should.
type biased struct{ bench.Chooser }

func (b biased) Choose(r *rand.Rand, n uint64) uint64 {
	if r.IntN(100) == 0 {
		return 7
	}
	return b.Chooser.Choose(r, n)
}

// altered runs r and then lets spoil change the record.
func altered(spoil func(*results.Record)) func(*harness) {
	return func(h *harness) {
		h.run = func(ctx context.Context, r *bench.Runner) (*results.Record, error) {
			rec, err := r.Run(ctx)
			if err == nil {
				spoil(rec)
			}
			return rec, err
		}
	}
}

// remap records every duration of h again, through f.
func remap(h *results.Histogram, f func(time.Duration) time.Duration) *results.Histogram {
	out := results.NewHistogram()
	for b := range h.Buckets() {
		for range b.Count {
			out.Record(f(b.Hi))
		}
	}
	return out
}

func TestABrokenHarnessIsFoundOut(t *testing.T) {
	anyRead := func(rec *results.Record) *results.OpStats { return rec.Ops["get"] }
	for _, c := range []struct {
		name   string // what is broken
		check  string // the check that must fail
		damage func(*harness)
	}{
		{"response measured from send", "open-loop-stall", altered(func(r *results.Record) { anyRead(r).Response = anyRead(r).Service })},
		{"histogram clamped at 100 ms", "open-loop-stall", altered(func(r *results.Record) {
			o := anyRead(r)
			o.Response = remap(o.Response, func(d time.Duration) time.Duration { return min(d, 100*time.Millisecond) })
		})},
		{"stall charged to all in a closed loop", "closed-loop-stall", altered(func(r *results.Record) {
			o := anyRead(r)
			o.Service = results.NewHistogram()
			for i := range 100 {
				o.Service.Record(time.Duration(i) * stallFor / 100)
			}
		})},
		{"latencies read 3 % too short", "known-delay", altered(func(r *results.Record) {
			o := anyRead(r)
			o.Service = remap(o.Service, func(d time.Duration) time.Duration { return d * 97 / 100 })
		})},
		{"a tenth of the outcomes lost", "littles-law", altered(func(r *results.Record) {
			o := anyRead(r)
			o.Count -= o.Count / 10
		})},
		{"dropped operations", "open-loop-on-time", altered(func(r *results.Record) { anyRead(r).Dropped += 1000 })},
		{"an allocation an operation", "null-ceiling", altered(func(r *results.Record) { r.Resources.AllocObjects += 1_000_000 })},
		{"merge forgets the overflow", "histogram-merge", func(h *harness) {
			merge := h.merge
			h.merge = func(p []*results.Histogram) *results.Histogram {
				return remap(merge(p), func(d time.Duration) time.Duration { return d })
			}
		}},
		{"merge forgets a part", "recording-keeps-all", func(h *harness) {
			merge := h.merge
			h.merge = func(p []*results.Histogram) *results.Histogram {
				byCount := func(a, b *results.Histogram) int { return int(a.Count() - b.Count()) }
				return merge(slices.SortedFunc(slices.Values(p), byCount)[:len(p)-1])
			}
		}},
		{"proportions of B in A", "operation-mix", func(h *harness) {
			h.source = func(s bench.Spec) (*bench.Mix, error) {
				if s.Workload == "ycsb-a" {
					s.Workload = "ycsb-b"
				}
				return bench.NewWorkload(s)
			}
		}},
		{"scans of 1 to 99 keys", "operation-mix", func(h *harness) {
			h.source = func(s bench.Spec) (*bench.Mix, error) {
				s.ScanLength = "uniform:1-99"
				return bench.NewWorkload(s)
			}
		}},
		{"values compress better than declared", "compressibility", func(h *harness) {
			h.values = func(v *bench.Values) compressible { return squeezed{v} }
		}},
		{"verdict on answers always right", "lost-write-is-found", altered(func(r *results.Record) {
			for i := range r.Verdicts {
				r.Verdicts[i].OK = true
			}
		})},
		{"verdict on answers always wrong", "altered-value-is-found", altered(func(r *results.Record) {
			for i := range r.Verdicts {
				r.Verdicts[i].OK = false
			}
		})},
		{"answers not verified", "latest-is-acknowledged", altered(func(r *results.Record) { r.Verdicts = nil })},
	} {
		t.Run(c.name, func(t *testing.T) { mustFail(t, c.check, c.damage) })
	}
	for _, d := range distributions() {
		t.Run("biased keys "+d.name, func(t *testing.T) {
			mustFail(t, "keys-"+d.name, func(h *harness) {
				h.chooser = func(_ string, c bench.Chooser) bench.Chooser { return biased{c} }
			})
		})
	}
}

type squeezed struct{ compressible }

func (s squeezed) CompressedShare() (float64, error) {
	share, err := s.compressible.CompressedShare()
	return share * 0.93, err
}

func mustFail(t *testing.T, name string, damage func(*harness)) {
	t.Helper()
	h := realHarness()
	damage(h)
	for _, c := range checks() {
		if c.name == name {
			ok, detail, err := c.run(t.Context(), h)
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				t.Errorf("%s passed: %s", name, detail)
			}
			t.Log(detail)
			return
		}
	}
	t.Fatalf("no check %s", name)
}

func TestACanceledSelftestStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Options{}); err == nil {
		t.Error("no error")
	}
}
