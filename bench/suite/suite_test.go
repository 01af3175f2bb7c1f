package suite

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/internal/nearest"
)

func oneOf(kind string, accepted ...string) func(string) error {
	return func(v string) error {
		if slices.Contains(accepted, v) {
			return nil
		}
		return nearest.Error(kind, v, accepted)
	}
}

func testFactors() []Factor {
	return []Factor{
		{Name: "target", Default: "engine", Check: oneOf("target", "engine", "null")},
		{Name: "engine", Default: "bolt", Doc: "where data is kept", Check: oneOf("engine", "mem", "bolt", "pebble"),
			Applies: func(c map[string]string) bool { return c["target"] != "null" }},
		{Name: "workload", Default: "put", Check: oneOf("workload", "put", "get", "scan")},
		{Name: "clients", Default: "1", Check: func(v string) error {
			if n, err := strconv.Atoi(v); err != nil || n < 1 {
				return fmt.Errorf("clients %q, accepted: a whole number from 1", v)
			}
			return nil
		}},
	}
}

func testSuite() Suite {
	return Suite{Name: "t", Seed: 7, Reps: 3, Duration: time.Second, Factors: map[string][]string{
		"engine": {"mem", "bolt", "pebble"}, "workload": {"put", "get"},
	}}
}

func TestEveryBlockHoldsEveryCellOnce(t *testing.T) {
	s := testSuite()
	runs, err := s.Runs(testFactors())
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) != 18 {
		t.Fatalf("%d runs, want 18", len(runs))
	}
	var orders []string
	for rep := range 3 {
		cells := make(map[string]bool)
		var order []string
		for _, r := range runs[rep*6 : rep*6+6] {
			cells[r.Cell] = true
			order = append(order, r.Cell)
			if r.Rep != rep+1 || r.Order != rep*6+len(order)-1 {
				t.Errorf("run %d: rep %d, order %d", rep*6+len(order)-1, r.Rep, r.Order)
			}
			if r.Seed != runs[rep*6].Seed {
				t.Errorf("runs of repetition %d have different seeds", rep+1)
			}
		}
		if len(cells) != 6 {
			t.Errorf("repetition %d has %d different cells, want 6", rep+1, len(cells))
		}
		orders = append(orders, strings.Join(order, "\n"))
	}
	if orders[0] == orders[1] && orders[1] == orders[2] {
		t.Error("the three blocks have one order: they are not shuffled")
	}
}

func TestEqualSeedsGiveEqualOrders(t *testing.T) {
	s := testSuite()
	a, _ := s.Runs(testFactors())
	b, _ := s.Runs(testFactors())
	if !slices.EqualFunc(a, b, func(x, y Run) bool { return x.Cell == y.Cell && x.Seed == y.Seed }) {
		t.Error("two plans of one suite differ")
	}
	s.Seed++
	c, _ := s.Runs(testFactors())
	if slices.EqualFunc(a, c, func(x, y Run) bool { return x.Cell == y.Cell }) {
		t.Error("another seed gave the same order of 18 runs")
	}
}

func TestAFactorThatDoesNotApplyMergesCells(t *testing.T) {
	s := testSuite()
	s.Factors["target"] = []string{"engine", "null"}
	cells, err := s.Cells(testFactors())
	if err != nil {
		t.Fatal(err)
	}
	if len(cells) != 3*2+2 {
		t.Errorf("%d cells, want 6 of the engine target and 2 of the null target", len(cells))
	}
	for _, c := range cells {
		if (c["target"] == "null") != (c["engine"] == NotApplicable) {
			t.Errorf("cell %v", c)
		}
	}
}

func TestExclusionsDropCells(t *testing.T) {
	s := testSuite()
	s.Exclude = []map[string]string{{"engine": "mem"}, {"engine": "bolt", "workload": "get"}}
	cells, err := s.Cells(testFactors())
	if err != nil || len(cells) != 3 {
		t.Errorf("%d cells, %v; want 3", len(cells), err)
	}
	s.Exclude = []map[string]string{{"workload": "put"}, {"workload": "get"}}
	if _, err := s.Cells(testFactors()); err == nil {
		t.Error("a suite without cells was accepted")
	}
}

func TestOnlyNarrows(t *testing.T) {
	s := testSuite()
	if err := s.Only([]string{"engine=bolt", "engine=mem", "workload=get"}, testFactors()); err != nil {
		t.Fatal(err)
	}
	if cells, _ := s.Cells(testFactors()); len(cells) != 2 {
		t.Errorf("%d cells, want 2", len(cells))
	}
	for _, bad := range []struct{ pair, want string }{
		{"engine", "accepted: FACTOR=VALUE"},
		{"engin=bolt", `did you mean "engine"`},
		{"engine=bbolt", `did you mean "bolt"`},
		{"workload=scan", "it has put, get"},
	} {
		s := testSuite()
		if err := s.Only([]string{bad.pair}, testFactors()); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("only %s: %v, want %q", bad.pair, err, bad.want)
		}
	}
}

const goodYAML = `# a suite
name: mine
seed: 42
reps: 5
warmup: 500ms
duration: 2s
factors:
  engine: [bolt, pebble]
  workload: put   # one value needs no list
  clients: [1, 16]
exclude:
  - {engine: bolt, clients: 16}
options:
  pebble: {memTableBytes: 16777216, wal: true, levels: [1, 2]}
`

func TestParseReadsEveryField(t *testing.T) {
	s, err := Parse("mine.yaml", []byte(goodYAML), Suite{}, testFactors(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "mine" || s.Seed != 42 || s.Reps != 5 || s.Warmup != 500*time.Millisecond || s.Duration != 2*time.Second {
		t.Errorf("%+v", s)
	}
	if got := fmt.Sprint(s.Factors); got != "map[clients:[1 16] engine:[bolt pebble] workload:[put]]" {
		t.Errorf("factors %s", got)
	}
	if len(s.Exclude) != 1 || !maps.Equal(s.Exclude[0], map[string]string{"engine": "bolt", "clients": "16"}) {
		t.Errorf("exclude %v", s.Exclude)
	}
	if got := fmt.Sprint(s.Options["pebble"]); got != "map[levels:[1 2] memTableBytes:16777216 wal:true]" {
		t.Errorf("options %s", got)
	}
}

func TestParseNamesPlaceAndRightWord(t *testing.T) {
	refuse := func(component string, options map[string]any) error {
		if err := oneOf("component", "pebble")(component); err != nil {
			return err
		}
		for name := range options {
			if err := oneOf("option", "a", "b")(name); err != nil {
				return err
			}
		}
		if len(options) == 2 {
			return errors.New("a and b together")
		}
		return nil
	}
	for _, c := range []struct{ name, yaml, want string }{
		{"an unknown field", "name: x\nrep: 3\n", `f:2:1: unknown field "rep", did you mean "reps"?`},
		{"an unknown factor", "name: x\nfactors:\n  engin: bolt\n", `f:3:3: unknown factor "engin", did you mean "engine"?`},
		{"an unknown value in a list", "name: x\nfactors:\n  engine: [bolt, peble]\n", `f:3:18: factor engine: unknown engine "peble", did you mean "pebble"?`},
		{"a value twice", "name: x\nfactors:\n  engine: [bolt, bolt]\n", `f:3:18: factor engine has "bolt" twice`},
		{"an empty list", "name: x\nfactors:\n  engine: []\n", `factor engine has no values`},
		{"a negative number", "name: x\nreps: -1\n", `f:2:7: reps -1, accepted: 1 to 1000`},
		{"an absurd number", "name: x\nreps: 1e9\n", `f:2:7: "1e9", accepted: 1 to 1000`},
		{"a duration without unit", "name: x\nduration: 10\n", `f:2:11: "10", accepted: a duration such as`},
		{"a negative duration", "name: x\nduration: -1s\n", `f:2:11: duration -1s, accepted:`},
		{"a field twice", "name: x\nname: y\n", `f:2:1`},
		{"a list for a field", "name: [x]\n", `f:1:7: a plain value is wanted here`},
		{"a scalar for the factors", "name: x\nfactors: 3\n", `f:2:10: factors must be a mapping`},
		{"an unknown component", "name: x\noptions:\n  peble: {a: 1}\n", `f:3:3: unknown component "peble", did you mean "pebble"?`},
		{"an infinite option", "name: x\noptions:\n  pebble: {a: .inf}\n", `f:3:15: .inf, accepted: a finite number`},
		{"an unknown option", "name: x\noptions:\n  pebble:\n    a: 1\n    aa: 1\n", `f:5:5: unknown option "aa", did you mean "a"?`},
		{"options that do not go together", "name: x\noptions:\n  pebble:\n    a: 1\n    b: 1\n", `f:3:3: a and b together`},
		{"an option without value", "name: x\noptions:\n  pebble: {a: null}\n", `f:3:15: a plain value is wanted here`},
		{"a factor without value", "name: x\nfactors:\n  engine: ~\n", `f:3:11: a plain value is wanted here`},
		{"a factor with nothing behind it", "name: x\nfactors:\n  engine:\n  workload: put\n", `f:3:10: a plain value is wanted here`},
		{"null for what has no such value", "name: x\nfactors: {engine: null}\n", `f:2:19: factor engine: unknown engine "null"`},
		{"a factor that means nothing", "name: x\nfactors:\n  target: 'null'\n  engine: [bolt, mem]\n", `f:4:3: factor engine (where data is kept) means nothing in any cell`},
		{"no cell", "name: x\nfactors: {engine: mem}\nexclude: [{engine: mem}]\n", `f:1:1: suite: x has no cells left`},
		{"an unknown factor in an exclusion", "name: x\nexclude: [{engin: foo}]\n", `f:2:12: unknown factor "engin"`},
		{"an unknown exclusion", "name: x\nexclude: [{engine: foo}]\n", `f:2:20: factor engine: unknown engine "foo"`},
		{"bad syntax", "name: x\n\tfactors: y\n", `f:2:`},
		{"no name", "reps: 3\n", `f:1:1: suite: no name given`},
		{"a path as name", "name: ../x\n", `f:1:7: name "../x"`},
		{"nothing", "", `no suite in it`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("f", []byte(c.yaml), Suite{Reps: 1, Duration: time.Second}, testFactors(), refuse)
			var pos *PositionError
			if !errors.As(err, &pos) {
				t.Fatalf("got %v, want a PositionError", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
		})
	}
}

func TestATargetMayBeCalledNull(t *testing.T) {
	s, err := Parse("f", []byte("name: x\nfactors: {target: [null, engine]}\n"), Suite{Reps: 1, Duration: time.Second}, testFactors(), nil)
	if err != nil || !slices.Equal(s.Factors["target"], []string{"null", "engine"}) {
		t.Errorf("%v, %v", s.Factors, err)
	}
}

func TestAHugeCrossProductIsRefused(t *testing.T) {
	s := testSuite()
	for i := range 30_000 {
		s.Factors["clients"] = append(s.Factors["clients"], strconv.Itoa(i+1))
	}
	if _, err := s.Cells(testFactors()); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(goodYAML))
	f.Add([]byte("name: x\nfactors: {engine: &a [bolt], workload: *a}\n"))
	f.Add([]byte("? {a: b}\n: !!binary x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("f", data, Suite{Reps: 1, Duration: time.Second}, testFactors(), nil)
		var pos *PositionError
		if err != nil && !errors.As(err, &pos) {
			t.Fatalf("error without a place: %v", err)
		}
		if err == nil && s.Validate(testFactors()) != nil {
			t.Fatalf("accepted, but not valid: %+v", s)
		}
	})
}
