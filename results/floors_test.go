package results_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/resultstest"
)

// climbed are runs of some targets: each has a count a third of that of the one before.
func climbed(targets ...string) []*results.Record {
	var all []*results.Record
	for i, target := range targets {
		for _, engine := range []string{"bolt", "pebble"} {
			for _, r := range resultstest.Records(resultstest.Options{}) {
				if r.Factors["engine"] != engine || r.Factors["workload"] != "put" || r.Durability != "group" && r.Durability != "sync" {
					continue
				}
				r.ID += "-" + target
				r.Factors["target"], r.Factors["log"], r.Factors["nodes"] = target, "-", "-"
				if target == "server" || target == "etcd" {
					r.Factors["log"], r.Factors["nodes"] = "wal", "1"
				}
				if target == "etcd" {
					r.Factors["engine"], r.Factors["log"] = "-", "-"
				}
				for j := range r.Phases {
					if r.Phases[j].Name == "measure" {
						for range i {
							r.Phases[j].Duration *= 3
						}
					}
				}
				r.Cell = results.CellText(r.Factors)
				all = append(all, r)
			}
		}
	}
	return all
}

func TestALadderIsClimbedFromTheGroundUp(t *testing.T) {
	g := results.Group(climbed("server", "mvcc", "engine")) // in this order each has a third of the one before
	if slices.Contains(g.Varying, "log") || slices.Contains(g.Varying, "nodes") || g.Common["log"] != "wal" {
		t.Errorf("varying %v, common %v: what means nothing on a floor is no other value of it", g.Varying, g.Common)
	}
	ladders := results.Ladders(g)
	if len(ladders) != 2 {
		t.Fatalf("%d ladders, want one an engine: %+v", len(ladders), ladders)
	}
	for _, l := range ladders {
		var climbed []string
		for _, s := range l.Steps {
			climbed = append(climbed, s.Target)
		}
		if strings.Join(climbed, " ") != "engine mvcc server" || l.Steps[0].Ratio.NA != 0 {
			t.Fatalf("steps %v, the lowest with a ratio of %+v", climbed, l.Steps[0].Ratio)
		}
		for _, s := range l.Steps[1:] {
			if r := s.Ratio; r.Center < 2 || r.Center > 4.5 || r.Lo > r.Center || r.Hi < r.Center {
				t.Errorf("%s %s: %+v, want about 3", l.Subject, s.Target, r)
			}
		}
	}
	sentences := results.FloorSentences(ladders)
	if len(sentences) != 1 || !strings.Contains(sentences[0], "mvcc has") || !strings.Contains(sentences[0], "times the throughput of mvcc.") {
		t.Errorf("sentences %q", sentences)
	}
	var text strings.Builder
	if err := results.WriteSummary(&text, climbed("server", "mvcc", "engine"), nil); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "Floors, throughput, and × that of the floor below (median over all pairs of runs):") {
		t.Errorf("no floors in\n%s", text.String())
	}
}

func TestOneFloorIsNoLadder(t *testing.T) {
	if l := results.Ladders(results.Group(climbed("mvcc"))); l != nil {
		t.Errorf("%+v", l)
	}
	if l := results.Ladders(results.Group(climbed("server", "etcd"))); len(l) != 0 {
		t.Errorf("two servers are two floors: %+v", l)
	}
}

func TestSomebodyElsesServerIsARivalOfOurs(t *testing.T) {
	var found bool
	for _, w := range results.Winners(results.Group(climbed("server", "etcd"))) {
		found = found || slices.Contains(w.Names, "etcd") && slices.Contains(w.Names, "pebble server")
	}
	if !found {
		t.Errorf("%v", results.Winners(results.Group(climbed("server", "etcd"))))
	}
}
