package results_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/resultstest"
)

// rated are runs of one engine whose throughputs are the given ones.
func rated(engine string, opsPerSecond ...float64) []*results.Record {
	recs := resultstest.Records(resultstest.Options{Engines: []string{engine}, Workloads: []string{"put"}, Reps: len(opsPerSecond)})
	for i, r := range recs {
		for p := range r.Phases {
			if r.Phases[p].Name == "measure" {
				r.Phases[p].Duration = time.Duration(float64(r.Count()) / opsPerSecond[i] * float64(time.Second))
			}
		}
	}
	return recs
}

func TestTheWinnerIsToldInOneSentence(t *testing.T) {
	for name, c := range map[string]struct {
		a, b []float64 // pebble, badger
		want string
	}{
		"apart": {[]float64{200, 210, 220}, []float64{100, 100, 110},
			"put (sync, local): pebble wins, with 2.00 times the throughput of badger (90 % interval 1.82 to 2.20, 3 runs each)."},
		"overlapping": {[]float64{100, 110, 120}, []float64{105, 99, 100},
			"put (sync, local): no winner at 3 runs each: pebble has 1.10 times the throughput of badger, but the 90 % interval 0.95 to 1.21 includes 1."},
		"one run": {[]float64{100}, []float64{200},
			"put (sync, local): no winner at 1 run each, which are too few for a verdict; badger has 2.00 times the throughput of pebble."},
		"two runs": {[]float64{200, 200}, []float64{100, 100},
			"put (sync, local): no winner at 2 runs each, which are too few for a verdict; pebble has 2.00 times the throughput of badger."},
	} {
		t.Run(name, func(t *testing.T) {
			ws := results.Winners(results.Group(append(rated("pebble", c.a...), rated("badger", c.b...)...)))
			if len(ws) != 1 || ws[0].String() != c.want {
				t.Errorf("got  %v\nwant %s", ws, c.want)
			}
		})
	}
}

func TestDifferentDurabilityIsNeverRankedTogether(t *testing.T) {
	ws := results.Winners(results.Group(resultstest.Records(resultstest.Options{})))
	if len(ws) != 3 {
		t.Fatalf("%d winners of 3 workloads: %v", len(ws), ws)
	}
	for _, w := range ws {
		for _, name := range w.Names {
			if name == "mem" {
				t.Errorf("mem, without durability, is ranked: %s", w)
			}
		}
		if !strings.Contains(w.String(), "not ranked with these: mem (none, local)") {
			t.Errorf("mem is not mentioned: %s", w)
		}
	}
}

func TestManyContendersUnderAnotherLabelAreCounted(t *testing.T) {
	var recs []*results.Record
	for _, index := range []string{"gbtree", "tbtree"} {
		for _, watchers := range []string{"-", "10", "20"} {
			for _, r := range resultstest.Records(resultstest.Options{Workloads: []string{"put"}}) {
				r.Factors["index"], r.Factors["watchers"] = index, watchers
				recs = append(recs, r)
			}
		}
	}
	var got []string
	for _, w := range results.Winners(results.Group(recs)) {
		got = append(got, w.Title+": "+strings.Join(w.Unranked, "; "))
	}
	slices.Sort(got)
	want := []string{
		"put watchers=10: 6 others (sync, local)", "put watchers=10: mem gbtree, mem tbtree (none, local)",
		"put watchers=20: 6 others (sync, local)", "put watchers=20: mem gbtree, mem tbtree (none, local)",
		"put: 6 others (sync, local)", "put: mem gbtree, mem tbtree (none, local)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestOpenLoopsAreJudgedByLatency(t *testing.T) {
	ws := results.Winners(results.Group(resultstest.Records(resultstest.Options{Rate: 2000, Workloads: []string{"put"}})))
	if len(ws) != 1 || ws[0].Metric.Unit != "p99-ns" || ws[0].Names[0] != "pebble" || ws[0].Ratio.Center < 1 {
		t.Errorf("%v", ws)
	}
}

// The interval promises to hold the true ratio with its confidence, whatever the distribution. Drawn
// from a heavily skewed one with a known ratio, it must do so about as often as it says.
func TestTheIntervalHoldsTheTrueRatioAsOftenAsItSays(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for _, n := range []int{3, 5, 10} {
		const truth, rounds = 1.3, 1500
		held, claimed := 0, 0.0
		for range rounds {
			var xs, ys []float64
			for range n {
				xs = append(xs, 1000*truth*math.Exp(0.1*rng.ExpFloat64()))
				ys = append(ys, 1000*math.Exp(0.1*rng.ExpFloat64()))
			}
			r, ok := results.RatioOf(xs, ys)
			if !ok {
				t.Fatal("no ratio")
			}
			claimed = r.Confidence
			if r.Lo <= truth && truth <= r.Hi {
				held++
			}
		}
		share := float64(held) / rounds
		// Three standard errors of the share.
		if slack := 3 * math.Sqrt(claimed*(1-claimed)/rounds); math.Abs(share-claimed) > slack {
			t.Errorf("%d runs: the interval of %.3f held the truth in %.3f of %d rounds", n, claimed, share, rounds)
		}
		if n >= 5 && claimed < 0.95 {
			t.Errorf("%d runs: confidence %v", n, claimed)
		}
	}
	if _, ok := results.RatioOf([]float64{0}, []float64{1}); ok {
		t.Error("a ratio with 0")
	}
}

func TestALayerIsNotTheRivalOfTheEngineBelowIt(t *testing.T) {
	under := func(target string, recs []*results.Record) []*results.Record {
		for _, r := range recs {
			r.Factors["target"] = target
			r.ID = results.RunID(r.Factors, r.Rep, "")
		}
		return recs
	}
	pebble := append(under("engine", rated("pebble", 900, 900, 900)), under("mvcc", rated("pebble", 200, 200, 200))...)
	badger := append(under("engine", rated("badger", 300, 300, 300)), under("mvcc", rated("badger", 400, 400, 400))...)
	ws := results.Winners(results.Group(append(pebble, badger...)))
	if len(ws) != 2 || ws[0].Names[0] != "pebble" || ws[1].Names[0] != "badger" {
		t.Errorf("want pebble on the bare engine and badger under mvcc, got %v", ws)
	}
	ws = results.Winners(results.Group(pebble))
	if len(ws) != 1 || ws[0].Names[0] != "engine" {
		t.Errorf("where only the target varies its values are compared; got %v", ws)
	}
}

func TestAllAreComparedWithEtcdWhereItIsRanked(t *testing.T) {
	ours := append(rated("pebble", 210, 210, 210), rated("bolt", 300, 300, 300)...)
	theirs := rated("-", 100, 100, 100)
	for _, recs := range [][]*results.Record{ours, theirs} {
		for _, r := range recs {
			r.Factors["target"] = "server"
			if r.Factors["engine"] == "-" {
				r.Factors["target"] = "etcd"
			}
			r.ID = results.RunID(r.Factors, r.Rep, "")
		}
	}
	told := func(recs ...*results.Record) string {
		ws := results.Winners(results.Group(recs))
		if len(ws) != 1 {
			t.Fatalf("%v", ws)
		}
		return ws[0].String()
	}
	if s := told(append(ours, theirs...)...); !strings.HasSuffix(s, "3 runs each); times that of etcd: bolt 3.00, pebble 2.10.") {
		t.Error(s)
	}
	for name, recs := range map[string][]*results.Record{"without etcd": ours, "with etcd and one of ours": append(ours[:3:3], theirs...)} {
		if s := told(recs...); strings.Contains(s, "times that of etcd:") {
			t.Errorf("%s: %s", name, s)
		}
	}
}
