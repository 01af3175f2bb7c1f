package results_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/resultstest"
)

func compare(t *testing.T, base, new []*results.Record, o results.CompareOptions) *results.Comparison {
	t.Helper()
	c, err := results.Compare(base, new, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func puts(seed uint64, reps int, speed float64) []*results.Record {
	return resultstest.Records(resultstest.Options{Seed: seed, Engines: []string{"bolt", "pebble"}, Workloads: []string{"put"}, Reps: reps, Speed: speed})
}

func TestARealSlowdownMissesTheGate(t *testing.T) {
	c := compare(t, puts(1, 10, 1), puts(2, 10, 0.8), results.CompareOptions{Gate: 0.05, Metrics: []results.Metric{results.Throughput(), results.LatencyQuantile("", 0.5)}})
	if len(c.Rows) != 4 {
		t.Fatalf("%d rows", len(c.Rows))
	}
	for _, r := range c.Rows {
		if r.Change != results.ChangeWorse || !r.Missed || r.Adjusted > 0.05 || r.Adjusted < r.P {
			t.Errorf("%v %s: %+v", r.Factors, r.Metric.Unit, r)
		}
		if (r.Delta < 0) != (r.Metric.Better == results.HigherBetter) {
			t.Errorf("%s changed by %v", r.Metric.Unit, r.Delta)
		}
	}
	if ok, why := c.GateOK(); ok || len(why) != 4 {
		t.Errorf("gate %v %q", ok, why)
	}
	// The same the other way round is an improvement, and a gate of 50 % is not reached.
	c = compare(t, puts(2, 10, 0.8), puts(1, 10, 1), results.CompareOptions{Gate: 0.05})
	if ok, why := c.GateOK(); !ok {
		t.Errorf("improvement misses the gate: %q", why)
	}
	c = compare(t, puts(1, 10, 1), puts(2, 10, 0.8), results.CompareOptions{Gate: 0.5})
	if ok, why := c.GateOK(); !ok {
		t.Errorf("a fifth misses the gate of a half: %q", why)
	}
}

// The A/A check: equal speeds, many seeds; Holm keeps the chance of any false alarm in a comparison
// at alpha, so that of 40 about 2 may have one.
func TestEqualRunsRaiseAlarmNoOftenerThanAlpha(t *testing.T) {
	if testing.Short() {
		t.Skip("draws 80 suites")
	}
	alarms := 0
	const rounds = 40
	for seed := range uint64(rounds) {
		c := compare(t, puts(2*seed, 8, 1), puts(2*seed+1, 8, 1), results.CompareOptions{})
		for _, r := range c.Rows {
			if r.Change != results.ChangeNone {
				alarms++
				break
			}
		}
	}
	if alarms > 7 { // 2 expected; more than 7 has a chance of 1 in 800
		t.Errorf("%d of %d comparisons of equal runs show a change", alarms, rounds)
	}
}

func TestAGateThatCannotFireIsNotPassed(t *testing.T) {
	c := compare(t, puts(1, 3, 1), puts(2, 3, 0.3), results.CompareOptions{Gate: 0.05})
	for _, r := range c.Rows {
		if r.Metric.Unit == "ops/s" && r.Change != results.ChangeUndecided {
			t.Errorf("%s after 3 runs: %s", r.Metric.Unit, r.Change)
		}
	}
	ok, why := c.GateOK()
	if ok || !strings.Contains(strings.Join(why, "\n"), "at least 6 a side are needed for 14 rows together") {
		t.Errorf("gate %v %q", ok, why)
	}
}

func TestUndeclaredDifferencesAreSaidOrRefused(t *testing.T) {
	other := func() []*results.Record {
		recs := puts(2, 6, 1)
		for _, r := range recs {
			r.Env.Kernel = "7.0.0"
			r.Env.Commit = "abc"
			r.Options["runner"]["warmup"] = "9s"
		}
		return recs
	}
	c := compare(t, puts(1, 6, 1), other(), results.CompareOptions{})
	want := []string{"base and new differ in environment kernel: 6.12.0, 7.0.0", "base and new differ in option runner.warmup: 1s, 9s"}
	if !slices.Equal(c.Warnings, want) || !slices.Equal(c.Notes, []string{"software commit: abc, unknown"}) {
		t.Errorf("warnings %q, notes %q", c.Warnings, c.Notes)
	}
	if _, err := results.Compare(puts(1, 6, 1), other(), results.CompareOptions{Strict: true}); !errors.Is(err, results.ErrNotComparable) {
		t.Errorf("strict: %v", err)
	}

	weaker := puts(2, 6, 1)
	for _, r := range weaker {
		r.Durability = results.DurabilityInterval
	}
	_, err := results.Compare(puts(1, 6, 1), weaker, results.CompareOptions{})
	if !errors.Is(err, results.ErrNotComparable) || !strings.Contains(err.Error(), "durability sync and interval") {
		t.Errorf("other durability: %v", err)
	}
	c = compare(t, puts(1, 6, 1), weaker, results.CompareOptions{Ignore: []string{"durability"}})
	for _, r := range c.Rows {
		if !slices.Contains(r.Warnings, "label durability: interval, sync") {
			t.Errorf("declared, but not said: %q", r.Warnings)
		}
	}
}

func TestCellsWithoutCounterpartAreNamed(t *testing.T) {
	base := resultstest.Records(resultstest.Options{Engines: []string{"bolt", "mem"}, Workloads: []string{"put"}})
	new := resultstest.Records(resultstest.Options{Engines: []string{"bolt", "pebble"}, Workloads: []string{"put"}})
	new[0].Verdicts = []results.Verdict{{Name: "read back"}}
	c := compare(t, base, new, results.CompareOptions{})
	if len(c.OnlyBase) != 1 || !strings.Contains(c.OnlyBase[0], "engine=mem") || len(c.OnlyNew) != 1 ||
		!strings.Contains(c.OnlyNew[0], "engine=pebble") || len(c.Invalid) != 1 {
		t.Errorf("only base %q, only new %q, invalid %d", c.OnlyBase, c.OnlyNew, len(c.Invalid))
	}
	_, err := results.Compare(base[:0], new, results.CompareOptions{})
	if !errors.Is(err, results.ErrNotComparable) {
		t.Errorf("nothing in base: %v", err)
	}
	for _, o := range []results.CompareOptions{{Alpha: -1}, {Alpha: 1}, {Gate: -1}, {Gate: math.Inf(1)}, {Gate: math.NaN()}, {Alpha: math.NaN()}} {
		if _, err := results.Compare(base, new, o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

func TestEnginesAreComparedWhenTheFactorIsIgnored(t *testing.T) {
	var bolt, pebble []*results.Record
	for _, r := range puts(1, 8, 1) {
		if r.Factors["engine"] == "bolt" {
			bolt = append(bolt, r)
		} else {
			pebble = append(pebble, r)
		}
	}
	c := compare(t, bolt, pebble, results.CompareOptions{Ignore: []string{"engine"}, Metrics: []results.Metric{results.Throughput()}})
	if len(c.Rows) != 1 || c.Rows[0].Change != results.ChangeBetter || c.Rows[0].Delta < 0.5 {
		t.Errorf("%+v", c.Rows)
	}
	if len(c.Warnings) != 0 { // not of the engines' own options, which are bound to differ
		t.Errorf("what was declared is a warning: %q", c.Warnings)
	}
}

func TestHolmsCorrection(t *testing.T) {
	got := results.Holm([]float64{0.04, 0.01, 0.03, 0.5})
	want := []float64{0.09, 0.04, 0.09, 0.5}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-12 {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}
