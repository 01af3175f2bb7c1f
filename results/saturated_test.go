package results_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/resultstest"
)

// overloaded are open-loop runs of three engines; one run of bolt dropped a tenth of its operations.
func overloaded() []*results.Record {
	recs := resultstest.Records(resultstest.Options{Engines: []string{"bolt", "pebble", "badger"}, Workloads: []string{"put"}, Rate: 2000})
	for _, r := range recs {
		if r.Factors["engine"] == "bolt" && r.Rep == 2 {
			r.Ops["put"].Dropped = r.Count() / 9
		}
	}
	return recs
}

func TestASaturatedRunHasThroughputAndNoHeadlineLatency(t *testing.T) {
	for _, c := range results.Group(overloaded()).Cells {
		bolt := c.Factors["engine"] == "bolt"
		if c.Saturated() != bolt {
			t.Errorf("%s: saturated %v", c.Factors["engine"], c.Saturated())
		}
		for unit, want := range map[string]int{"ops/s": 3, "p50-ns": 3, "p99-ns": 3, "put-p99-ns": 3, "max-ns": 3} {
			if bolt && unit != "ops/s" {
				want = 0 // not even of the runs that kept up
			}
			ms, err := results.MetricsByUnit(unit)
			if err != nil {
				t.Fatal(err)
			}
			if n := c.Summary(ms[0]).N; n != want {
				t.Errorf("%s %s: %d runs, want %d", c.Factors["engine"], unit, n, want)
			}
		}
	}
}

func TestOneHundredthDroppedIsNotSaturated(t *testing.T) {
	r := overloaded()[0]
	for k, want := range map[int64]bool{0: false, 99: false, 98: true} {
		r.Ops["put"].Dropped = 0
		if k > 0 {
			r.Ops["put"].Dropped = r.Count() / k
		}
		if r.Saturated() != want {
			t.Errorf("%d done, %d dropped: saturated %v, want %v", r.Count(), r.Ops["put"].Dropped, r.Saturated(), want)
		}
	}
}

func TestTheSummaryShowsNoLatencyOfASaturatedRow(t *testing.T) {
	var out bytes.Buffer
	if err := results.WriteSummary(&out, overloaded(), nil); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		dashes := strings.Count(line, "–")
		if f := strings.Fields(line); len(f) > 2 && f[0] == "put" && (dashes >= 4) != (f[1] == "bolt") {
			t.Errorf("%d unknown figures in: %s", dashes, line)
		}
	}
	if !strings.Contains(out.String(), "has no latency") {
		t.Errorf("the reason is not told:\n%s", &out)
	}
}

func TestASaturatedContenderIsNamedAndNotRanked(t *testing.T) {
	ws := results.Winners(results.Group(overloaded()))
	if len(ws) != 1 || len(ws[0].Ranked) != 2 || !slices.Equal(ws[0].Unranked, []string{"bolt (saturated)"}) {
		t.Errorf("%v", ws)
	}
}

func TestAComparisonLeavesTheLatenciesOfSaturatedRunsOut(t *testing.T) {
	c, err := results.Compare(overloaded(), overloaded(), results.CompareOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var of []string
	for _, r := range c.Rows {
		if r.Factors["engine"] == "bolt" {
			of = append(of, r.Metric.Unit)
		}
	}
	if !slices.Contains(of, "ops/s") || slices.Contains(of, "p99-ns") {
		t.Errorf("rows of the saturated cell: %v", of)
	}
	if !slices.ContainsFunc(c.Warnings, func(w string) bool { return strings.Contains(w, "saturated") }) {
		t.Errorf("it is not said: %v", c.Warnings)
	}
}
