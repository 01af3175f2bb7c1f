package results_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/perf/benchfmt"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/resultstest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if runtime.GOARCH != "amd64" {
		return // the synthetic figures differ in the last digit where the compiler fuses multiply and add
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; go test -update rewrites it. Got:\n%s", file, got)
	}
}

// gallery is a small suite with everything that a reporter has to show.
func gallery() []*results.Record {
	recs := resultstest.Records(resultstest.Options{Engines: []string{"mem", "bolt", "pebble"}, Workloads: []string{"put", "ycsb-a"}})
	recs[0].Verdicts = append(recs[0].Verdicts, results.Verdict{Name: "read back", Detail: "key 7 holds another value"})
	recs[1].Warnings = append(recs[1].Warnings, "the machine was busy: load 3.1 on 2 cores")
	recs[2].Bytes.EngineWritten = -1
	return recs
}

func TestBenchfmtIsReadByItsOwnReader(t *testing.T) {
	var out bytes.Buffer
	if err := results.WriteBenchfmt(&out, gallery()); err != nil {
		t.Fatal(err)
	}
	golden(t, "gallery.bench", out.Bytes())
	lines, units := readBenchfmt(t, out.Bytes())
	if len(lines) != 17 || units < 15 {
		t.Fatalf("%d lines of 17 valid runs, %d units", len(lines), units)
	}
	for _, l := range lines {
		if _, ok := l.Value("p99-sec"); !ok {
			t.Errorf("%s has no p99", l.Name)
		}
		if l.GetConfig("durability-label") == "" {
			t.Errorf("%s has no durability label", l.Name)
		}
	}
}

func readBenchfmt(t *testing.T, data []byte) (lines []*benchfmt.Result, units int) {
	t.Helper()
	r := benchfmt.NewReader(bytes.NewReader(data), "test")
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.Result:
			lines = append(lines, rec.Clone())
		case *benchfmt.SyntaxError:
			t.Errorf("syntax: %v", rec)
		case *benchfmt.UnitMetadata:
			units++
		}
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	return lines, units
}

func TestHostileTextStaysInert(t *testing.T) {
	recs := resultstest.Hostile()
	recs[3].Verdicts[0].OK = false
	recs[3].Verdicts[0].Name = recs[8].Factors["engine"]
	var bench, table, sheet, series, lines, hgrm bytes.Buffer
	g := results.Group(recs)
	for name, err := range map[string]error{
		"benchfmt": results.WriteBenchfmt(&bench, recs),
		"summary":  results.WriteSummary(&table, recs, []results.Problem{{File: "\x1b[2J\n.json", Err: results.ErrDamaged}}),
		"csv":      results.WriteCSV(&sheet, recs),
		"series":   results.WriteSeriesCSV(&series, recs),
		"jsonl":    results.WriteJSONL(&lines, recs),
		"hgrm":     results.WriteHgrm(&hgrm, g.Cells[0], resultstest.HostileStrings()[8]),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, out := range map[string]*bytes.Buffer{"benchfmt": &bench, "summary": &table, "csv": &sheet, "series": &series, "jsonl": &lines, "hgrm": &hgrm} {
		for _, r := range out.String() {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Errorf("%s lets %U through", name, r)
				break
			}
		}
	}
	if got, _ := readBenchfmt(t, bench.Bytes()); len(got) != len(recs)-1 {
		t.Errorf("benchfmt has %d lines of %d valid runs", len(got), len(recs)-1)
	}
	for name, out := range map[string]*bytes.Buffer{"csv": &sheet, "series": &series} {
		rows, err := csv.NewReader(out).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
					t.Errorf("%s has the formula %q", name, cell)
				}
			}
		}
	}
	for _, c := range g.Cells {
		if name := c.FileName("=cmd/../x\x00"); filepath.Base(name) != name || strings.ContainsAny(name, "./\\\x00") || len(name) > 100 {
			t.Errorf("file name %q", name)
		}
	}
}

func TestCSVHasARowARunAndTheSeriesARowASecond(t *testing.T) {
	recs := gallery()
	var out, series bytes.Buffer
	if err := results.WriteCSV(&out, recs); err != nil {
		t.Fatal(err)
	}
	if err := results.WriteSeriesCSV(&series, recs[:2]); err != nil {
		t.Fatal(err)
	}
	golden(t, "gallery.csv", out.Bytes())
	golden(t, "gallery-series.csv", series.Bytes())
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(rows) != len(recs)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	col := func(name string) int { return slices.Index(rows[0], name) }
	for i, r := range recs {
		row := rows[i+1]
		want, _ := results.Throughput().Of(r)
		if got, err := strconv.ParseFloat(row[col("ops/s")], 64); err != nil || got != want {
			t.Errorf("%s: %v ops/s, want %v", r.ID, got, want)
		}
		if row[col("factor.engine")] != r.Factors["engine"] || row[col("valid")] != strconv.FormatBool(r.Valid()) {
			t.Errorf("row %v of %s", row, r.ID)
		}
	}
	if got := rows[3][col("engine-B/op")]; got != "" {
		t.Errorf("an unknown figure is %q", got)
	}
}

func TestJSONLinesAreWholeRecords(t *testing.T) {
	recs := gallery()
	var out bytes.Buffer
	if err := results.WriteJSONL(&out, recs); err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(&out)
	for _, r := range recs {
		var got results.Record
		if err := dec.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if err := got.Check(); err != nil || got.ID != r.ID || !got.Latency("").Equal(r.Latency("")) {
			t.Errorf("%s came back as %s: %v", r.ID, got.ID, err)
		}
	}
}

func TestHgrmSaysWhatTheLibrarySays(t *testing.T) {
	c := results.Group(gallery()).Cells[0]
	var out bytes.Buffer
	if err := results.WriteHgrm(&out, c, ""); err != nil {
		t.Fatal(err)
	}
	golden(t, "gallery.hgrm", out.Bytes())
	lib := hdr.New(1, int64(results.HistogramMax), results.HistogramDigits)
	for b := range c.Latency("").Buckets() {
		if err := lib.RecordValues(int64(b.Hi), b.Count); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for line := range strings.Lines(out.String()) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] == "Value" || strings.HasPrefix(line, "#") {
			continue
		}
		n++
		value, errV := strconv.ParseFloat(f[0], 64)
		pct, errP := strconv.ParseFloat(f[1], 64)
		if errV != nil || errP != nil {
			t.Fatal(line)
		}
		if want := float64(lib.ValueAtPercentile(pct*100)) / 1e3; pct < 1 && (value < want*0.995 || value > want*1.005) {
			t.Errorf("%v at %v, the library says %v", value, pct, want)
		}
	}
	if n < 30 {
		t.Errorf("%d lines", n)
	}
}

func TestTheSummaryLabelsEveryRowAndHidesNothing(t *testing.T) {
	var out bytes.Buffer
	problems := []results.Problem{{File: "runs/x.json", Err: results.ErrDamaged}}
	if err := results.WriteSummary(&out, gallery(), problems); err != nil {
		t.Fatal(err)
	}
	golden(t, "gallery.summary", out.Bytes())
	for _, want := range []string{"none", "sync", "key 7 holds another value", "the machine was busy", "runs/x.json"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not said", want)
		}
	}
	out.Reset()
	if err := results.WriteSummary(&out, nil, nil); err != nil || !strings.Contains(out.String(), "no valid run") {
		t.Errorf("empty: %q %v", out.String(), err)
	}
}

func TestTheComparisonIsPrinted(t *testing.T) {
	slow := puts(2, 8, 0.8)
	for _, r := range slow {
		r.Env.Kernel = "7.0.0"
	}
	c := compare(t, puts(1, 8, 1), slow, results.CompareOptions{Gate: 0.05})
	var out bytes.Buffer
	if err := results.WriteComparison(&out, c); err != nil {
		t.Fatal(err)
	}
	golden(t, "compare.txt", out.Bytes())
}

func TestWhatIsCountedAsTheShortestIsSaidToBeAtMostThat(t *testing.T) {
	h := results.NewHistogram()
	h.Record(results.HistogramMin)
	if d, _ := h.Quantile(0.5); h.Floored(d) {
		t.Errorf("%v is exact", d)
	}
	h.RecordN(40, 1000)
	h.Record(2 * results.HistogramMin)
	if d, ok := h.Quantile(0.5); !ok || d != results.HistogramMin || !h.Floored(d) {
		t.Errorf("p50 is %v, %v", d, ok)
	}
	if h.Floored(h.Min()) || h.Floored(h.Max()) {
		t.Error("least and greatest are exact")
	}
	recs := resultstest.Records(resultstest.Options{Engines: []string{"mem"}, Workloads: []string{"get"}})
	for _, r := range recs {
		for _, o := range r.Ops {
			o.Service, o.Count = h, h.Count()
		}
	}
	var text strings.Builder
	if err := results.WriteSummary(&text, recs, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "  ≤100 ns  ≤100 ns  ") {
		t.Errorf("the summary says\n%s", &text)
	}
}
