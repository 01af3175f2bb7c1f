package main

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/results"
)

// cellOf is the one cell of the given factors.
func cellOf(t *testing.T, factors map[string]string) map[string]string {
	t.Helper()
	s := suite.Suite{Name: "x", Reps: 1, Factors: map[string][]string{}}
	for name, v := range factors {
		s.Factors[name] = []string{v}
	}
	cells, err := s.Cells(factorTable())
	if err != nil || len(cells) != 1 {
		t.Fatalf("%v: %d cells, %v", factors, len(cells), err)
	}
	return cells[0]
}

func TestEveryTargetEngineAndIndexCanBeOpenedAndOpenedAgain(t *testing.T) {
	for _, target := range []string{"engine", "mvcc"} {
		for _, engine := range engineNames {
			for _, index := range indexNames {
				if target == "engine" && index != indexNames[0] {
					continue
				}
				t.Run(target+"/"+engine+"/"+index, func(t *testing.T) {
					j := job{Run: suite.Run{Factors: cellOf(t, map[string]string{"target": target, "engine": engine, "index": index, "durability": "interval"})}}
					dir := filepath.Join(t.TempDir(), "data")
					for range 2 {
						s, err := j.openStack(t.Context(), dir, results.DurabilityInterval)
						if err != nil {
							t.Fatal(err)
						}
						if err := s.Close(); err != nil {
							t.Fatal(err)
						}
					}
				})
			}
		}
	}
}

func TestAFixtureIsSharedByWhatIsStoredTheSameWay(t *testing.T) {
	base := map[string]string{"target": "mvcc", "engine": "bolt", "workload": "ycsb-a"}
	key := func(change ...string) string {
		f := maps.Clone(base)
		for i := 0; i < len(change); i += 2 {
			f[change[i]] = change[i+1]
		}
		key, err := fixtureKey(job{Run: suite.Run{Factors: cellOf(t, f)}})
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	for _, same := range [][]string{{"index", "gbtree"}, {"workload", "ycsb-c"}, {"clients", "3"}, {"durability", "interval"}} {
		if key(same...) != key() {
			t.Errorf("another %s, and the fixture is another", same[0])
		}
	}
	for _, other := range [][]string{{"target", "engine"}, {"engine", "pebble"}, {"records", "7"}, {"key", "32"}, {"value", "100"}, {"compress", "1"}} {
		if key(other...) == key() {
			t.Errorf("another %s, and the fixture is the same", other[0])
		}
	}
}

func TestAnUnknownIndexIsAnsweredWithTheNearest(t *testing.T) {
	status, _, errs := command(t, "bench", "--target", "mvcc", "--index", "pakced")
	if want := `did you mean "packed"?`; status != exitUsage || !strings.Contains(errs, want) {
		t.Errorf("status %d, %q; want 2 and %s", status, errs, want)
	}
}

func TestCompareAndPutWantsATargetThatCompares(t *testing.T) {
	status, _, errs := command(t, "bench", "--workload", "compare-and-put")
	if want := "cannot compare: accepted with mvcc"; status != exitUsage || !strings.Contains(errs, want) {
		t.Errorf("status %d, %q; want 2 and %s", status, errs, want)
	}
}
