package results_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/resultstest"
)

// accompanied is a small suite of which one engine had watchers and compactions beside the load.
func accompanied() []*results.Record {
	o := resultstest.Options{Engines: []string{"bolt", "pebble"}, Workloads: []string{"put"}}
	recs := resultstest.Records(o)
	for i, with := range resultstest.WithBackground(resultstest.Records(o)) {
		if with.Factors["engine"] == "pebble" {
			recs[i] = with
		}
	}
	return recs
}

func TestBackgroundWorkIsShownByKindAndInNoTotal(t *testing.T) {
	recs := accompanied()
	var out bytes.Buffer
	if err := results.WriteSummary(&out, recs, nil); err != nil {
		t.Fatal(err)
	}
	golden(t, "kinds.summary", out.Bytes())
	for _, r := range recs {
		if err := r.Check(); err != nil {
			t.Error(err)
		}
		var ops int64
		for _, s := range r.Ops {
			ops += s.Count
		}
		if r.Count() != ops || r.Latency("").Count() != ops {
			t.Errorf("%d operations, %d latencies, want %d", r.Count(), r.Latency("").Count(), ops)
		}
	}
}

func TestBackgroundWorkIsInEveryExport(t *testing.T) {
	recs := accompanied()
	var sheet, bench, hgrm bytes.Buffer
	var with *results.Cell
	for _, c := range results.Group(recs).Cells {
		if c.Factors["engine"] == "pebble" {
			with = c
		}
	}
	if want := []string{"compaction", "event", "put-compacting", "put-quiet"}; !slices.Equal(with.Kinds(), want) {
		t.Fatalf("kinds %v, want %v", with.Kinds(), want)
	}
	err := errors.Join(results.WriteCSV(&sheet, recs), results.WriteBenchfmt(&bench, recs), results.WriteHgrm(&hgrm, with, "event"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&sheet).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{"event-p99-ns", "compaction-p50-ns", "put-compacting-p99.9-ns", "put-quiet-p50-ns"} {
		col := slices.Index(rows[0], unit)
		if col < 0 || !strings.Contains(bench.String(), " "+unit) {
			t.Fatalf("no %s among %v", unit, rows[0])
		}
		for i, r := range recs {
			if (rows[i+1][col] != "") != (len(r.Background) > 0) {
				t.Errorf("%s: %s is %q", r.ID, unit, rows[i+1][col])
			}
		}
		if _, err := results.MetricsByUnit(unit); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(hgrm.String(), "# event, service time") {
		t.Errorf("%.200s", hgrm.String())
	}
	text, err := json.Marshal(with.Runs[0])
	if err != nil {
		t.Fatal(err)
	}
	var again results.Record
	if err := json.Unmarshal(text, &again); err != nil || !again.Latency("event").Equal(with.Runs[0].Latency("event")) || again.Background["event"].Behind != 2 {
		t.Errorf("the record is not what it was: %v", err)
	}
}

func TestWhatIsOwedSaturatesItsKindAlone(t *testing.T) {
	recs := accompanied()
	for _, r := range recs {
		if e := r.Background["event"]; e != nil {
			e.Behind = e.Count / 50
		}
	}
	for _, c := range results.Group(recs).Cells {
		with := c.Factors["engine"] == "pebble"
		if c.SaturatedIn("event") != with || c.SaturatedIn("put-quiet") || c.Saturated() {
			t.Errorf("%s: saturated in event %v, in put %v, in all %v", c.Factors["engine"], c.SaturatedIn("event"), c.SaturatedIn("put-quiet"), c.Saturated())
		}
		if with && (len(c.Sample(results.LatencyQuantile("event", 0.5))) > 0 || len(c.Sample(results.LatencyQuantile("put-quiet", 0.5))) == 0) {
			t.Error("latencies of the saturated kind, or none of the other")
		}
	}
}

func TestWhereAllAreWatchedTheEventsDecide(t *testing.T) {
	recs := resultstest.WithBackground(resultstest.Records(resultstest.Options{Engines: []string{"bolt", "pebble"}, Workloads: []string{"put"}}))
	w := results.Winners(results.Group(recs))
	if len(w) != 1 || w[0].Metric.Unit != "event-p99-ns" || w[0].Names[0] != "pebble" {
		t.Errorf("%+v", w)
	}
	recs = accompanied()
	if w := results.Winners(results.Group(recs)); len(w) != 1 || w[0].Metric.Unit != "ops/s" {
		t.Errorf("%+v", w)
	}
}

func TestAKindIsOfOperationsOrOfBackgroundWork(t *testing.T) {
	r := resultstest.WithBackground(resultstest.Records(resultstest.Options{}))[0]
	for _, s := range r.Ops {
		r.Background["put-quiet"], r.Ops["put-quiet"] = s, s
	}
	if err := r.Check(); !errors.Is(err, results.ErrRecord) {
		t.Errorf("both: %v", err)
	}
	r = resultstest.WithBackground(resultstest.Records(resultstest.Options{}))[0]
	r.Background["event"].Count++
	if err := r.Check(); !errors.Is(err, results.ErrRecord) {
		t.Errorf("a count that is not that of the histogram: %v", err)
	}
	r.Background["event"].Count--
	r.Background["event"].Behind = -1
	if err := r.Check(); !errors.Is(err, results.ErrRecord) {
		t.Errorf("a negative count: %v", err)
	}
}
