package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/resultstest"
)

func render(t *testing.T, f Figure, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.WriteTo(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// texts parses an SVG and returns what it writes; a broken one fails the test.
func texts(t *testing.T, svg []byte) string {
	t.Helper()
	var out strings.Builder
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return strings.Join(strings.Fields(out.String()), " ")
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		switch v := token.(type) {
		case xml.StartElement:
			if n := v.Name.Local; n != "svg" && n != "g" && n != "path" && n != "text" {
				t.Errorf("element %q in a figure", n)
			}
		case xml.CharData:
			out.Write(v)
			out.WriteByte('\n')
		}
	}
}

func TestEveryFigureSaysItsLabelsAndIsDrawnAlikeEachTime(t *testing.T) {
	o := resultstest.Options{Engines: []string{"bolt", "pebble"}, Workloads: []string{"get", "ycsb-a"}, Reps: 2}
	figures, again := All(resultstest.Records(o)), All(resultstest.Records(o))
	var names []string
	for i, f := range figures {
		names = append(names, f.Name)
		svg := render(t, f, "svg")
		if !bytes.Equal(svg, render(t, again[i], "svg")) {
			t.Errorf("%s.svg differs between two calls", f.Name)
		}
		if got := texts(t, svg); !strings.Contains(got, "durability sync; reads local; N = 2") || !strings.Contains(got, f.Title) {
			t.Errorf("%s does not say its title, durability, consistency and runs:\n%s", f.Name, got)
		}
	}
	want := "headline throughput bytes latency-get-get time-get latency-ycsb-a-all latency-ycsb-a-get latency-ycsb-a-put time-ycsb-a"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("figures\n%s, want\n%s", got, want)
	}
	first := render(t, figures[0], "png")
	if !bytes.Equal(first, render(t, again[0], "png")) {
		t.Error("headline.png differs between two calls")
	}
	if img, err := png.Decode(bytes.NewReader(first)); err != nil || img.Bounds().Dx() < 1600 {
		t.Errorf("headline.png: %v, %v", img.Bounds(), err)
	}
}

func TestAnOpenLoopShowsResponseTime(t *testing.T) {
	for rate, want := range map[int]string{0: "service time", 2000: "response time"} {
		recs := resultstest.Records(resultstest.Options{Rate: rate, Engines: []string{"bolt"}, Workloads: []string{"put"}, Reps: 1})
		for _, f := range All(recs) {
			if got := texts(t, render(t, f, "svg")); strings.HasPrefix(f.Name, "latency") && !strings.Contains(got, want) {
				t.Errorf("rate %d: %s does not say %q", rate, f.Name, want)
			}
		}
	}
}

func TestHostileNamesStayTextInSafeFiles(t *testing.T) {
	safe := regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
	seen := map[string]bool{}
	for _, f := range All(resultstest.Hostile()) {
		if !safe.MatchString(f.Name) || seen[f.Name] || len(f.Name) > 100 {
			t.Errorf("file name %q", f.Name)
		}
		seen[f.Name] = true
		texts(t, render(t, f, "svg"))
	}
}

func TestInvalidRunsAreInNoFigure(t *testing.T) {
	recs := resultstest.Records(resultstest.Options{Engines: []string{"bolt"}, Workloads: []string{"put"}})
	for _, r := range recs[1:] {
		r.Verdicts = append(r.Verdicts, results.Verdict{Name: "read back", Detail: "key 7 has another value"})
	}
	if got := texts(t, render(t, All(recs)[1], "svg")); !strings.Contains(got, "N = 1") {
		t.Errorf("one valid run, but:\n%s", got)
	}
	recs[0].Verdicts = recs[1].Verdicts
	if figures := All(recs); figures != nil {
		t.Errorf("%d figures of invalid runs", len(figures))
	}
}

func TestAnUnknownFormatIsNamedWithTheAcceptedOnes(t *testing.T) {
	f := Figure{Name: "x"}
	if err := f.WriteTo(io.Discard, "jpeg"); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), `"jpeg", accepted are png, svg`) {
		t.Error(err)
	}
}
