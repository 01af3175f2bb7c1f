package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"crypto/sha256"
	"encoding/base64"

	"golang.org/x/net/html"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/report"
	"github.com/etalon-kv/etalon/results/resultstest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func input(records []*results.Record) report.Input {
	return report.Input{
		Records: records, Generated: time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC), Command: "etalon report runs",
		Repeat: func(r *results.Record) string {
			return "etalon run " + r.Suite + " --only engine=" + r.Factors["engine"]
		},
	}
}

func write(t *testing.T, in report.Input) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, in); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// parse returns the root of a page.
func parse(t *testing.T, page []byte) *html.Node {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// content is the text below n.
func content(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// outline lists headings, table rows, warnings, summaries of folds and names with their values.
func outline(root *html.Node) string {
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "h1", "h2", "h3", "summary", "li", "tr", "figcaption", "fieldset", "p", "dt", "dd":
			b.WriteString(n.Data)
			if id := attribute(n, "id"); id != "" {
				b.WriteString("#" + id)
			}
			if n.Data != "tr" {
				b.WriteString(" " + content(n) + "\n")
				continue
			}
			for c := range n.ChildNodes() {
				if c.Type == html.ElementNode {
					b.WriteString(" | " + content(c))
				}
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func TestThePageHasItsPartsInOrder(t *testing.T) {
	recs := resultstest.Records(resultstest.Options{Engines: []string{"mem", "bolt", "pebble"}, Workloads: []string{"get", "ycsb-a"}, Duration: 2 * time.Second})
	recs[0].Warnings = []string{"generator at 61 % of a core"}
	recs[1].Verdicts = append(recs[1].Verdicts, results.Verdict{Name: "read back", Detail: "key 7 has another value"})
	for _, o := range recs[2].Ops {
		o.Errors["timeout"] = 3
	}
	in := input(recs)
	in.Problems = []results.Problem{{File: "runs/run-x.json", Err: errors.New("checksum differs")}}
	// What the page says of the numbers is tested below; here they would only make noise.
	got := regexp.MustCompile(`[0-9][0-9.,]*`).ReplaceAllString(outline(parse(t, write(t, in))), "0")
	golden := filepath.Join("testdata", "outline.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			t.Fatalf("line %d of the outline is\n%s\n%s has\n%s\n(rewrite it with -update and review)", i+1, gotLines[i], golden, wantLines[i])
		}
	}
	if len(gotLines) != len(wantLines) {
		t.Errorf("the outline has %d lines, %s has %d", len(gotLines), golden, len(wantLines))
	}
}

func TestTheSummaryShowsWhatResultsDerive(t *testing.T) {
	recs := resultstest.Records(resultstest.Options{Engines: []string{"bolt"}, Workloads: []string{"ycsb-a"}, Reps: 7})
	for i, r := range recs { // 100, 200, … 700 operations a second
		for k, p := range r.Phases {
			if p.Name == "measure" {
				r.Phases[k].Duration = 5 * time.Second
			}
		}
		for _, o := range r.Ops {
			h := results.NewHistogram()
			for n := range 250 * (i + 1) {
				h.Record(time.Duration(n+1) * time.Microsecond)
			}
			o.Count, o.Service = h.Count(), h
		}
	}
	got := outline(parse(t, write(t, input(recs))))
	// For the median of seven the 95 % interval is from the least to the greatest.
	for _, want := range []string{"| bolt | sync, local | 400 (−75 +75 %) | ", "| 1.75 ms |", "Every row has 7 runs."} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got[:min(len(got), 2000)])
		}
	}
}

func TestTheHeadNamesAMachineOnceAndWhatOfItsMountsMatters(t *testing.T) {
	recs := resultstest.Records(resultstest.Options{Engines: []string{"bolt"}, Workloads: []string{"ycsb-a"}, Reps: 2})
	recs[0].Env.FileSystem, recs[1].Env.FileSystem = "ext4 rw,discard,nobarrier,data=writeback", "ext4 rw,discard,nobarrier,data=writeback"
	recs[1].Env.DiskSyncP50 *= 2 // measured again when the suite was taken up
	got := outline(parse(t, write(t, input(recs))))
	want := "ext4 nobarrier data=writeback on virtio disk, not rotational · go1.26.0 · build unknown · disk sync 180 µs to 360 µs median, 900 µs p99\n"
	if strings.Count(got, " nobarrier data=writeback on ") != 1 || !strings.Contains(got, want) {
		t.Errorf("no %q, or twice, in\n%s", want, got[:min(len(got), 2000)])
	}
}

func TestTheSummarysHeadSaysWhatTheLinesAre(t *testing.T) {
	for _, x := range []struct {
		name          string
		engines, logs []string // of one line each; "": none
		want          string
	}{
		{"engines", []string{"bolt", "mem"}, []string{"wal", "wal"}, "Engine"},
		{"logs of a target without engines", []string{"-", "-"}, []string{"wal", "bolt"}, "Log"},
		{"neither", []string{"none", ""}, []string{"", "-"}, "Target"},
		{"an engine and a log", []string{"bolt", "-"}, []string{"-", "wal"}, "Subject"},
	} {
		recs := resultstest.Records(resultstest.Options{Engines: []string{"a", "b"}, Workloads: []string{"put"}})
		for _, r := range recs {
			i := 0
			if r.Factors["engine"] == "b" {
				i = 1
			}
			r.Factors["engine"], r.Factors["log"] = x.engines[i], x.logs[i]
		}
		if got := outline(parse(t, write(t, input(recs)))); !strings.Contains(got, "| Workload | "+x.want+" |") {
			t.Errorf("%s: no head %q in\n%s", x.name, x.want, got[:min(len(got), 1500)])
		}
	}
}

func TestThePageIsTheSameEachTime(t *testing.T) {
	o := resultstest.Options{Reps: 2}
	if !bytes.Equal(write(t, input(resultstest.Records(o))), write(t, input(resultstest.Records(o)))) {
		t.Error("two pages of equal records differ")
	}
}

func TestHostileNamesAddNoElementAndNoAttribute(t *testing.T) {
	in := input(resultstest.Hostile())
	in.Title, in.Command = resultstest.HostileStrings()[0], resultstest.HostileStrings()[3]
	for _, s := range resultstest.HostileStrings() {
		in.Problems = append(in.Problems, results.Problem{File: s, Err: errors.New(s)})
	}
	allowed := map[string]bool{}
	for n := range parse(t, write(t, input(resultstest.Records(resultstest.Options{})))).Descendants() {
		allowed[n.Data] = allowed[n.Data] || n.Type == html.ElementNode
	}
	allowed["br"] = true // between several machines
	scripts := 0
	for n := range parse(t, write(t, in)).Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if !allowed[n.Data] {
			t.Errorf("element <%s> came from a name", n.Data)
		}
		if n.Data == "script" {
			scripts++
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" || a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
				t.Errorf("attribute %s=%q on <%s>", a.Key, a.Val, n.Data)
			}
		}
	}
	if scripts != 2 {
		t.Errorf("%d scripts, want the data and the program", scripts)
	}
}

func TestThePolicyAllowsExactlyItsOwnStyleAndScript(t *testing.T) {
	root := parse(t, write(t, input(resultstest.Records(resultstest.Options{Reps: 1}))))
	var policy string
	var inline []string
	for n := range root.Descendants() {
		switch {
		case n.Data == "meta" && attribute(n, "http-equiv") == "Content-Security-Policy":
			policy = attribute(n, "content")
		case n.Data == "style", n.Data == "script" && attribute(n, "type") == "":
			sum := sha256.Sum256([]byte(n.FirstChild.Data))
			inline = append(inline, n.Data+"-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
		}
	}
	if len(inline) != 2 || !strings.HasPrefix(policy, "default-src 'none'; ") {
		t.Fatalf("%d inline sources, policy %q", len(inline), policy)
	}
	for _, want := range inline {
		if !strings.Contains(policy, want+";") {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("policy %q", policy)
	}
}

func TestNothingOnThePageIsFetched(t *testing.T) {
	page := write(t, input(resultstest.Records(resultstest.Options{Reps: 1})))
	// The two names of XML namespaces are never fetched.
	rest := regexp.MustCompile(`"http://www\.w3\.org/(1999/xhtml|2000/svg)"`).ReplaceAll(page, nil)
	for _, sign := range []string{"http:", "https:", "//cdn", "@import", "url(", "fetch(", "XMLHttpRequest", "innerHTML", "eval("} {
		if bytes.Contains(rest, []byte(sign)) {
			t.Errorf("the page contains %q", sign)
		}
	}
}

func TestTheDataIsJSONAndThePageModest(t *testing.T) {
	page := write(t, input(resultstest.Records(resultstest.Options{Rate: 2000, Duration: 10 * time.Minute})))
	if len(page) > 1<<20 {
		t.Errorf("36 runs of ten minutes make %d bytes, want less than 1 MiB", len(page))
	}
	for n := range parse(t, page).Descendants() {
		if n.Data != "script" || attribute(n, "id") != "data" {
			continue
		}
		var data struct {
			Panels []struct {
				Lines []struct {
					Latency map[string]struct{ Service, Response [][2]float64 }
					Runs    []struct{ Seconds [][5]float64 }
				}
			}
		}
		if err := json.Unmarshal([]byte(n.FirstChild.Data), &data); err != nil {
			t.Fatal(err)
		}
		if len(data.Panels) != 3 || len(data.Panels[0].Lines) != 4 {
			t.Fatalf("%d panels", len(data.Panels))
		}
		line := data.Panels[2].Lines[1]
		if len(line.Runs) != 3 || len(line.Runs[0].Seconds) != 200 || len(line.Latency["put"].Response) < 40 {
			t.Errorf("%d runs of %d intervals, a curve of %d points", len(line.Runs), len(line.Runs[0].Seconds), len(line.Latency["put"].Response))
		}
		return
	}
	t.Error("no data on the page")
}

func TestWithoutValidRunsThePageSaysSo(t *testing.T) {
	if got := outline(parse(t, write(t, input(nil)))); !strings.Contains(got, "There is no valid run to summarise.") {
		t.Error(got)
	}
}

func TestAFailedWriteIsReported(t *testing.T) {
	if err := report.Write(full{}, input(nil)); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

var errFull = errors.New("disk is full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestStagesHaveATableInTheirCell(t *testing.T) {
	recs := resultstest.WithStages(resultstest.Records(resultstest.Options{Engines: []string{"bolt"}, Workloads: []string{"put"}}))
	page := string(write(t, input(recs)))
	for _, want := range []string{"Stages, runs merged", "<th scope=\"row\">sync</th>", "written until durable"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	if strings.Contains(page, ">compaction<") {
		t.Error("a stage in which nothing was counted is on the page")
	}
	if page := string(write(t, input(resultstest.Records(resultstest.Options{})))); strings.Contains(page, "Stages") {
		t.Error("a table of stages where there are none")
	}
}

func TestWhatGoesOnBesideTheClientsHasATable(t *testing.T) {
	recs := resultstest.WithBackground(resultstest.Records(resultstest.Options{Engines: []string{"pebble"}, Workloads: []string{"put"}}))
	got := outline(parse(t, write(t, input(recs))))
	for _, want := range []string{"By kind, where work goes on", "tr | put | pebble | sync, local | event | ", "tr | put | pebble | sync, local | compaction | ", "until a watcher had it"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got[:min(len(got), 3000)])
		}
	}
	if page := string(write(t, input(resultstest.Records(resultstest.Options{})))); strings.Contains(page, "By kind, where") {
		t.Error("a table of nothing")
	}
}
