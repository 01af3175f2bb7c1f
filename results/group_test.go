package results_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/resultstest"
)

func TestRepetitionsShareACellAndHistogramsMerge(t *testing.T) {
	recs := resultstest.Records(resultstest.Options{})
	g := results.Group(recs)
	if len(g.Cells) != 12 || len(g.Invalid) != 0 || len(g.Warnings) != 0 {
		t.Fatalf("%d cells, %d invalid, warnings %v", len(g.Cells), len(g.Invalid), g.Warnings)
	}
	if want := []string{"durability", "engine", "workload"}; !slices.Equal(g.Varying, want) {
		t.Errorf("varying %v, want %v", g.Varying, want)
	}
	for _, c := range g.Cells {
		if len(c.Runs) != 3 || len(c.Warnings) != 0 {
			t.Errorf("%s: %d runs, warnings %v", c.Name(), len(c.Runs), c.Warnings)
		}
		want := results.NewHistogram()
		for _, r := range c.Runs {
			for _, s := range r.Ops {
				want.Merge(s.Service)
			}
		}
		if !c.Latency("").Equal(want) {
			t.Errorf("%s: the merged histogram is not that of all operations", c.Name())
		}
	}
}

func TestInvalidRunsAreInNoCell(t *testing.T) {
	recs := some(3)
	recs[1].Verdicts = append(recs[1].Verdicts, results.Verdict{Name: "read back", Detail: "key 7 has another value"})
	g := results.Group(recs)
	if len(g.Cells) != 1 || len(g.Cells[0].Runs) != 2 || len(g.Invalid) != 1 || g.Invalid[0] != recs[1] {
		t.Fatalf("%+v", g)
	}
}

func TestNothingIsPooledInSilence(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*results.Record)
		want   string
	}{
		"option":      {func(r *results.Record) { r.Options["engine"]["cacheBytes"] = "1" }, "runs differ in option engine.cacheBytes: 1, 67108864"},
		"absent":      {func(r *results.Record) { delete(r.Options, "runner") }, "runs differ in option runner.duration: (none), 5s"},
		"environment": {func(r *results.Record) { r.Env.Kernel = "7.0\x1b[31m" }, `runs differ in environment kernel: 6.12.0, 7.0\x1b[31m`},
		"software":    {func(r *results.Record) { r.Env.Commit = "abc" }, "runs differ in software commit: abc, unknown"},
		"warning":     {func(r *results.Record) { r.Warnings = []string{"clock was\nslow"} }, `clock was\nslow (1 of 3 runs)`},
	} {
		t.Run(name, func(t *testing.T) {
			recs := some(3)
			c.change(recs[2])
			if got := results.Group(recs).Cells[0].Warnings; !slices.Contains(got, c.want) {
				t.Errorf("warnings %q, want %q", got, c.want)
			}
		})
	}
	t.Run("factor that is not named", func(t *testing.T) {
		recs := resultstest.Records(resultstest.Options{Engines: []string{"bolt", "pebble"}, Workloads: []string{"put"}})
		g := results.Group(recs, "workload")
		if len(g.Cells) != 1 || !slices.Contains(g.Cells[0].Warnings, "runs differ in factor engine: bolt, pebble") {
			t.Errorf("%d cells, warnings %v", len(g.Cells), g.Cells[0].Warnings)
		}
	})
	t.Run("labels are never pooled", func(t *testing.T) {
		recs := resultstest.Records(resultstest.Options{Engines: []string{"bolt", "mem"}, Workloads: []string{"put"}})
		if g := results.Group(recs, "workload"); len(g.Cells) != 2 {
			t.Errorf("%d cells of sync and none", len(g.Cells))
		}
	})
}

func TestSummaryIsTheMedianOverRunsAndSaysWhenRunsAreTooFew(t *testing.T) {
	c := results.Group(some(3)).Cells[0]
	xs := c.Sample(results.Throughput())
	slices.Sort(xs)
	s := c.Summary(results.Throughput())
	if s.N != 3 || s.Center != xs[1] || s.Bounded || s.Lo != xs[0] || s.Hi != xs[2] || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "6") {
		t.Errorf("%+v of %v", s, xs)
	}
	s = results.Group(some(6)).Cells[0].Summary(results.Throughput())
	if s.N != 6 || !s.Bounded || len(s.Warnings) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestMetricsAreFoundByUnit(t *testing.T) {
	r := resultstest.Records(resultstest.Options{Workloads: []string{"ycsb-a"}})[0]
	ms, err := results.MetricsByUnit("ops/s", "p99.9-ns", "put-p99-ns", "p99.99-ns", "space-amp")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range ms {
		if x, ok := m.Of(r); !ok || !(x > 0) {
			t.Errorf("%s is %v, %v", m.Unit, x, ok)
		}
	}
	for _, bad := range []string{"", "ops", "p-ns", "p101-ns", "pNaN-ns", "p099-ns", "upp99-ns", "p99-ms"} {
		if _, err := results.MetricsByUnit(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	for _, m := range results.Metrics() {
		if x, ok := m.Of(&results.Record{}); ok && (math.IsNaN(x) || math.IsInf(x, 0)) {
			t.Errorf("%s of an empty record is %v", m.Unit, x)
		}
	}
}
