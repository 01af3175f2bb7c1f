package results_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/resultstest"
)

// staged is a small suite whose target timed itself in all cells but one.
func staged() []*results.Record {
	recs := resultstest.WithStages(resultstest.Records(resultstest.Options{Engines: []string{"bolt", "pebble"}, Workloads: []string{"put", "get"}}))
	for _, r := range recs {
		if r.Factors["engine"] == "pebble" && r.Factors["workload"] == "get" {
			r.Stages = nil
		}
	}
	return recs
}

func TestStagesAreShownBesideTheFigures(t *testing.T) {
	var out bytes.Buffer
	if err := results.WriteSummary(&out, staged(), nil); err != nil {
		t.Fatal(err)
	}
	golden(t, "stages.summary", out.Bytes())
	if strings.Contains(out.String(), "compaction") {
		t.Error("a stage in which nothing was counted is shown")
	}
}

func TestAStageThatIsNotTheSameEverywhereIsToldForEachTarget(t *testing.T) {
	recs := staged()
	for _, r := range recs {
		if r.Factors["engine"] == "pebble" {
			r.Factors["target"] = "server"
			for i := range r.Stages {
				if r.Stages[i].Name == "queue" {
					r.Stages[i].Doc = "asked of the leader until it is in a batch"
				}
			}
		}
	}
	var out bytes.Buffer
	if err := results.WriteSummary(&out, recs, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n  queue of engine: asked until it is in a batch\n  queue of server: asked of the leader until it is in a batch\n",
		"\n  sync: written until durable\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

func TestStagesOfACellAreMergedFromItsRuns(t *testing.T) {
	c := results.Group(staged()).Cells[0]
	stages := c.Stages()
	if len(stages) != 2 || stages[0].Name != "queue" || stages[1].Name != "sync" {
		t.Fatalf("stages %+v", stages)
	}
	want := results.NewHistogram()
	for _, r := range c.Runs {
		want.Merge(r.Stage("sync").Times)
	}
	if len(c.Runs) < 2 || !stages[1].Times.Equal(want) {
		t.Errorf("%d counted, the %d runs have %d", stages[1].Times.Count(), len(c.Runs), want.Count())
	}
}

func TestStagesAreMetrics(t *testing.T) {
	recs := staged()
	ms, err := results.MetricsByUnit("stage-sync-p99-ns", "stage-compaction-p50-ns")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		got, ok := ms[0].Of(r)
		if s := r.Stage("sync"); s == nil {
			if ok {
				t.Errorf("%s has no stages, and p99 %v", r.ID, got)
			}
		} else if want, _ := s.Times.Quantile(0.99); !ok || got != float64(want) {
			t.Errorf("%s: %v %v, want %v", r.ID, got, ok, want)
		}
		if _, ok := ms[1].Of(r); ok {
			t.Errorf("%s has a median of nothing", r.ID)
		}
	}
	var sheet, bench bytes.Buffer
	if err := errors.Join(results.WriteCSV(&sheet, recs), results.WriteBenchfmt(&bench, recs)); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&sheet).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	col := slices.Index(rows[0], "stage-sync-p99-ns")
	want, _ := ms[0].Of(recs[0])
	if col < 0 || rows[1][col] != strconv.FormatFloat(want, 'f', -1, 64) {
		t.Errorf("column %d of %v", col, rows[0])
	}
	lines, _ := readBenchfmt(t, bench.Bytes())
	if _, ok := lines[0].Value("stage-sync-p99-sec"); !ok {
		t.Error("benchfmt has no stages")
	}
}

func TestAStageIsAPercentileFile(t *testing.T) {
	c := results.Group(staged()).Cells[0]
	s := c.Stages()[1]
	var out bytes.Buffer
	if err := results.WriteStageHgrm(&out, c, s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"stage sync (written until durable) in microseconds, 3 runs merged", strconv.FormatInt(s.Times.Count(), 10) + "]"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestContradictoryStagesAreRefused(t *testing.T) {
	good := func() results.Stage { return results.Stage{Name: "sync", Times: results.NewHistogram()} }
	r := staged()[0]
	for name, stages := range map[string][]results.Stage{
		"no name":       {{Times: results.NewHistogram()}},
		"a hostile one": {{Name: "sync p99", Times: results.NewHistogram()}},
		"one twice":     {good(), good()},
		"no histogram":  {{Name: "sync"}},
		"too many":      slices.Repeat([]results.Stage{good()}, 65),
	} {
		r.Stages = stages
		if err := r.Check(); !errors.Is(err, results.ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.Stages = []results.Stage{good()}
	r.Stages[0].Times.Record(time.Second)
	if err := r.Check(); err != nil {
		t.Error(err)
	}
}
