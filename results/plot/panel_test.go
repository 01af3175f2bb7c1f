package plot

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/resultstest"
)

// varied returns one run of each engine for each of n values of the factor clients.
func varied(n int, engines ...string) []*results.Record {
	var recs []*results.Record
	for i := range n {
		for _, r := range resultstest.Records(resultstest.Options{Engines: engines, Workloads: []string{"put"}, Reps: 1}) {
			r.Factors["clients"] = strconv.Itoa(1 << i)
			r.Cell = results.CellText(r.Factors)
			recs = append(recs, r)
		}
	}
	return recs
}

func panelsOf(recs []*results.Record) []Panel { return Panels(results.Group(recs).Cells) }

func labelsIn(p Panel) []string {
	var out []string
	for _, l := range p.Lines {
		out = append(out, l.Label)
	}
	return out
}

func TestFewCellsShareAPanelAndSayWhatDiffers(t *testing.T) {
	panels := panelsOf(varied(2, "bolt", "pebble"))
	want := []string{"bolt clients=1", "bolt clients=2", "pebble clients=1", "pebble clients=2"}
	if len(panels) != 1 || !slices.Equal(labelsIn(panels[0]), want) {
		t.Fatalf("%d panels, lines %q", len(panels), labelsIn(panels[0]))
	}
	lines := panels[0].Lines
	if lines[0].Look != lines[1].Look || lines[0].Variant == lines[1].Variant {
		t.Error("two lines of bolt are to have one colour and two patterns")
	}
}

func TestManyCellsAreSplitByWhatIsNotTheEngine(t *testing.T) {
	panels := panelsOf(varied(3, "mem", "bolt", "pebble", "badger"))
	if len(panels) != 3 {
		t.Fatalf("%d panels, want one for each number of clients", len(panels))
	}
	for i, p := range panels {
		if want := fmt.Sprintf("put, clients=%d", 1<<i); p.Title != want || len(p.Lines) != 4 {
			t.Errorf("panel %d: %q with %q, want %q", i, p.Title, labelsIn(p), want)
		}
	}
}

func TestTitlesAreWithoutFactorsThatMeanNothing(t *testing.T) {
	cells := varied(3, "mem", "bolt", "pebble", "badger")
	for _, r := range cells {
		target := map[string]string{"1": "engine", "2": "mvcc", "4": "server"}[r.Factors["clients"]]
		r.Factors["target"], r.Factors["clients"], r.Factors["index"] = target, "1", "packed"
		if target == "engine" {
			r.Factors["index"] = "-"
		}
	}
	for i, p := range panelsOf(cells) {
		if want := "put, target=" + []string{"engine", "mvcc", "server"}[i]; p.Title != want || labelsIn(p)[0] != "mem (none)" {
			t.Errorf("panel %d: %q with %q, want %q", i, p.Title, labelsIn(p), want)
		}
	}
}

func TestEtcdStandsBesideOurServers(t *testing.T) {
	for _, below := range []string{"server", "mvcc"} { // floors of ours, with one below the server or none
		recs := varied(3, "bolt", "pebble", "etcd")
		for _, r := range recs {
			r.Factors["target"], r.Durability = "server", results.DurabilityGroup
			switch r.Factors["engine"] {
			case "etcd":
				r.Factors["target"], r.Factors["engine"] = "etcd", "-"
			case "pebble":
				r.Factors["target"] = below
			}
		}
		found := 0
		for _, p := range panelsOf(recs) {
			if names := labelsIn(p); slices.Contains(names, "bolt") && slices.Contains(names, "etcd") {
				found++
			} else if slices.Contains(names, "etcd") {
				t.Errorf("beside a %s, %q has %q", below, p.Title, names)
			}
		}
		if found != 3 {
			t.Errorf("beside a %s, etcd stands beside bolt in %d of 3", below, found)
		}
	}
}

func TestNoPanelHasMoreLinesThanCanBeToldApart(t *testing.T) {
	engines := make([]string, 2*MaxLines+1)
	for i := range engines {
		engines[i] = fmt.Sprintf("engine%02d", i)
	}
	total := 0
	for _, p := range panelsOf(varied(1, engines...)) {
		total += len(p.Lines)
		if len(p.Lines) > MaxLines {
			t.Errorf("%q has %d lines", p.Title, len(p.Lines))
		}
	}
	if total != len(engines) {
		t.Errorf("%d lines of %d engines", total, len(engines))
	}
}

func TestLinesOfOneEngineHaveDifferentColours(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range panelsOf(varied(4, "bolt"))[0].Lines {
		seen[l.Look.Hex()] = true
	}
	if len(seen) != 4 {
		t.Errorf("%d colours for 4 lines", len(seen))
	}
}

func TestDifferentDurabilityIsSaidInEveryName(t *testing.T) {
	p := panelsOf(resultstest.Records(resultstest.Options{Engines: []string{"mem", "bolt"}, Workloads: []string{"put"}, Reps: 1}))[0]
	if want := []string{"mem (none)", "bolt (sync)"}; !slices.Equal(labelsIn(p), want) {
		t.Errorf("lines %q, want %q", labelsIn(p), want)
	}
	if want := "durability as in brackets; reads local; N = 1"; p.Labels != want {
		t.Errorf("labels %q, want %q", p.Labels, want)
	}
}

func TestAnUnknownEngineHasALookOfItsOwnThatStays(t *testing.T) {
	look := LookOf("lmdb")
	if look != LookOf("lmdb") {
		t.Error("the look changes")
	}
	for _, known := range []string{"mem", "bolt", "pebble", "badger", "etcd", "zookeeper"} {
		if look.Color == LookOf(known).Color {
			t.Errorf("lmdb looks like %s", known)
		}
	}
}

func TestALineOfASaturatedRunSaysSo(t *testing.T) {
	recs := resultstest.Records(resultstest.Options{Engines: []string{"bolt", "pebble"}, Workloads: []string{"put"}, Rate: 1000})
	for _, r := range recs {
		if r.Factors["engine"] == "bolt" {
			r.Ops["put"].Dropped = r.Count()
		}
	}
	for _, l := range Panels(results.Group(recs).Cells)[0].Lines {
		if got, want := strings.Contains(l.Label, "saturated"), l.Cell.Factors["engine"] == "bolt"; got != want {
			t.Errorf("label %q: saturated is %v, want %v", l.Label, got, want)
		}
	}
}
