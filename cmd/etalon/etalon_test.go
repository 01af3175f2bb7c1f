package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/results"
)

// command runs one command line and returns its exit status and what it wrote.
func command(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status = etalon(t.Context(), args, terminal{in: strings.NewReader(""), out: &stdout, err: &stderr})
	return status, stdout.String(), stderr.String()
}

func TestWrongWordsAreAnsweredWithTheRightOnes(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("name: x\nfactors: {engine: bolt}\noptions:\n  bolt: {pageByte: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"rum"}, `unknown command "rum", did you mean "run"?`},
		{[]string{"run", "quik"}, `did you mean "quick"?`},
		{[]string{"run", "a", "b"}, "run takes one suite"},
		{[]string{"run", "missing.yaml"}, "read suite"},
		{[]string{"run", bad}, `bad.yaml:4:10: unknown bolt option "pageByte", did you mean "pageBytes"?`},
		{[]string{"run", "--only", "engine=bbolt"}, `did you mean "bolt"?`},
		{[]string{"run", "--reps", "0"}, "reps 0, accepted: 1 to 1000"},
		{[]string{"run", "--reps", "many"}, `--reps "many", accepted: a whole number`},
		{[]string{"run", "--rep", "3"}, `unknown flag --rep, did you mean --reps? accepted: those of 'etalon run --help'`},
		{[]string{"run", "--seed", "-1"}, `--seed "-1", accepted: a whole number from 0`},
		{[]string{"bench", "--duration", "10"}, `--duration "10", accepted: a duration such as`},
		{[]string{"bench", "--engin", "bolt"}, `unknown flag --engin, did you mean --engine?`},
		{[]string{"bench", "--batch", "1048576", "--value", "67108864"}, "writes of up to 64.0 TiB, 1024 TiB of all clients at a time, accepted: up to 4.00 GiB"},
		{[]string{"bench", "-x"}, "unknown shorthand flag"},
		{[]string{"bench", "--index", "tbtree"}, "index=tbtree means nothing with target=engine: it is the key index"},
		{[]string{"bench", "--target", "null", "--engine", "bolt"}, "engine=bolt means nothing with target=null"},
		{[]string{"bench", "--policy", "10ops"}, "policy=10ops means nothing with target=engine durability=group"},
		{[]string{"bench", "--target", "mvcc", "--watchers", "3"}, "watchers=3 means nothing with workload=ycsb-a"},
		{[]string{"bench", "--option", "pebble.cacheBytes=1048576"}, "options of pebble mean nothing with target=engine, whose parts with options are: bolt, no others"},
		{[]string{"bench", "--engine", "peble"}, `did you mean "pebble"?`},
		{[]string{"bench", "--clients", "-1"}, `clients "-1", accepted: a whole number from 1`},
		{[]string{"bench", "--duration", "-1s"}, "duration -1s"},
		{[]string{"bench", "--value", "big"}, "factor value"},
		{[]string{"bench", "--rate", "-5"}, "factor rate"},
		{[]string{"bench", "--rate", "0"}, "accepted for a closed loop: max"},
		{[]string{"bench", "--key", "1"}, "a whole number from 8"},
		{[]string{"bench", "--policy", "soon"}, `policy "soon"`},
		{[]string{"bench", "--workload", "get", "--batch", "10"}, "which writes nothing"},
		{[]string{"bench", "--workload", "get", "--records", "0"}, "needs loaded records"},
		{[]string{"bench", "--option", "bolt.pageBytes=3"}, "pageBytes is 3"},
		{[]string{"bench", "--option", "pageBytes=3"}, "accepted: ENGINE.NAME=VALUE"},
		{[]string{"bench", "--workload", "watch"}, "workload=watch with target=engine, which has no revisions: accepted with mvcc"},
		{[]string{"bench", "--workload", "compaction"}, "which has no revisions"},
		{[]string{"bench", "--workload", "range-at-revision"}, "which has no revisions"},
		{[]string{"bench", "--target", "raft", "--workload", "watch"}, "workload=watch with target=raft, which has no revisions"},
		{[]string{"bench", "--target", "mvcc", "--workload", "watch", "--watchers", "0"}, `watchers "0", accepted: a whole number from 1`},
		{[]string{"bench", "--target", "mvcc", "--workload", "watch", "--value", "4"}, "accepted: 8 bytes or more"},
		{[]string{"bench", "--workload", "recreate", "--batch", "2"}, "deletes one key at a time"},
		{[]string{"list", "engine"}, `did you mean "engines"?`},
		{[]string{"report"}, "needs a directory of results"},
		{[]string{"plot", ".", "--format", "gif"}, `unknown format "gif"`},
		{[]string{"export", ".", "--format", "cvs"}, `did you mean "csv"?`},
		{[]string{"compare", "one"}, "BASE and NEW"},
		{[]string{"compare", "a", "b", "--gate", "-5%"}, "gate"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			status, _, errs := command(t, c.args...)
			if status != exitUsage || !strings.Contains(errs, c.want) {
				t.Errorf("status %d, %q; want 2 and %q", status, errs, c.want)
			}
		})
	}
}

func TestAResultsDirectoryThatIsNoneFailsAndStaysAsItIs(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "thesis.tex")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"run", "--out", dir}, {"report", dir}, {"export", dir}, {"report", filepath.Join(dir, "missing")}} {
		if status, _, errs := command(t, args...); status != exitFailed {
			t.Errorf("%v: status %d, %s; want 1", args, status, errs)
		}
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("the directory was changed: %v, %v", names, err)
	}
}

func TestTheQuickSuiteAsAFileIsTheBuiltInOne(t *testing.T) {
	s, err := findSuite(filepath.Join("..", "..", "scripts", "quick.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if want := builtinSuites()["quick"]; !reflect.DeepEqual(s, want) {
		t.Errorf("scripts/quick.yaml:\n%+v\nbuilt in:\n%+v", s, want)
	}
}

func TestEveryBuiltInSuiteAndEveryExampleCanBePlanned(t *testing.T) {
	suites := builtinSuites()
	files, err := filepath.Glob(filepath.Join("..", "..", "scripts", "*.yaml"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if suites[file], err = findSuite(file); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := planRuns(suites["etcd"], "unknown"); !errors.Is(err, errNoEtcd) {
		t.Errorf("the suite etcd without one: %v", err)
	}
	for name, s := range suites {
		if name == "etcd" {
			if err := (&etcdFlags{binary: "/bin/true"}).into(&s); err != nil {
				t.Fatal(err)
			}
		}
		runs, ids, err := planRuns(s, "unknown")
		if err != nil || len(runs) == 0 {
			t.Errorf("%s: %d runs, %v", name, len(runs), err)
		}
		seen := make(map[string]bool)
		for i, id := range ids {
			if seen[id] {
				t.Errorf("%s: %s has the ID of another run, %s", name, runs[i].Cell, id)
			}
			seen[id] = true
		}
	}
}

func TestTheMVCCSuiteWatchesAtARateAndMeasuresTheRestInAClosedLoop(t *testing.T) {
	runs, _, err := planRuns(builtinSuites()["mvcc"], "unknown")
	if err != nil {
		t.Fatal(err)
	}
	cells := map[string]int{}
	for _, r := range runs {
		f := r.Factors
		if r.Rep == 1 {
			cells[f["workload"]+" "+f["rate"]+" "+f["watchers"]]++
		}
	}
	for _, want := range []string{"watch 1000 1", "watch 1000 10", "watch 1000 100", "compaction max -", "range-at-revision max -", "recreate max -", "compare-and-put max -", "ycsb-f max -"} {
		if cells[want] != 12 {
			t.Errorf("%s: %d cells, want 4 engines × 3 indexes", want, cells[want])
		}
	}
	if len(cells) != 11 {
		t.Errorf("cells %v", cells)
	}
}

func TestRunIDsChangeWithWhatARunIs(t *testing.T) {
	base := builtinSuites()["quick"]
	_, want, _ := planRuns(base, "c1")
	for name, change := range map[string]func(*suite.Suite){
		"duration": func(s *suite.Suite) { s.Duration += time.Second },
		"warm-up":  func(s *suite.Suite) { s.Warmup += time.Second },
		"seed":     func(s *suite.Suite) { s.Seed++ },
		"options":  func(s *suite.Suite) { s.Options = map[string]map[string]any{"bolt": {"pageBytes": 8192}} },
	} {
		s := base
		change(&s)
		_, got, err := planRuns(s, "c1")
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range got {
			for _, old := range want {
				if id == old {
					t.Fatalf("another %s, and the run keeps its ID %s", name, id)
				}
			}
		}
	}
}

func TestPolicies(t *testing.T) {
	for _, c := range []struct {
		text string
		want engine.Policy
		ok   bool
	}{
		{"10000ops/100ms", engine.Policy{MaxOps: 10000, Interval: 100 * time.Millisecond}, true},
		{"5ms", engine.Policy{Interval: 5 * time.Millisecond}, true},
		{"4MiB/1ops", engine.Policy{MaxOps: 1, MaxBytes: 4 << 20}, true},
		{"", engine.Policy{}, false},
		{"5ms/5ms", engine.Policy{}, false},
		{"-5ms", engine.Policy{}, false},
		{"0ops", engine.Policy{}, false},
		{"99999999999999999999ops", engine.Policy{}, false},
		{"100", engine.Policy{}, false},
	} {
		got, err := parsePolicy(c.text)
		if (err == nil) != c.ok || c.ok && got != c.want {
			t.Errorf("parsePolicy(%q) = %+v, %v", c.text, got, err)
		}
	}
}

func TestTheCommandToRepeatACellGivesTheCell(t *testing.T) {
	s := suite.Suite{Name: "x", Seed: 9, Reps: 1, Duration: time.Second, Factors: map[string][]string{
		"engine": {"pebble"}, "rate": {"steps:1000x10s,2000x10s"}, "clients": {"3"},
	}}
	cells, err := s.Cells(factorTable())
	if err != nil {
		t.Fatal(err)
	}
	line := repeatCommand(&results.Record{Factors: cells[0], SuiteSeed: 9})
	want := "etalon bench --engine=pebble --clients=3 --rate=steps:1000x10s,2000x10s --seed=9"
	if line != want {
		t.Errorf("got  %s\nwant %s", line, want)
	}
	if got := shellWord("a'b $x"); got != `'a'\''b $x'` {
		t.Errorf("shellWord: %s", got)
	}
}

func TestWithoutOutTheLastUnfinishedDirectoryIsTakenUp(t *testing.T) {
	t.Chdir(t.TempDir())
	ids := []string{"run-a", "run-b"}
	expect := func(want string) {
		t.Helper()
		if got, err := nextOut("s", ids); err != nil || got != filepath.Join("runs", want) {
			t.Errorf("got %s, %v; want runs/%s", got, err, want)
		}
	}
	expect("s-1")
	store, err := results.Create(filepath.Join("runs", "s-1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	expect("s-1") // empty: nothing of another plan in it
	if err := os.MkdirAll(filepath.Join("runs", "s-2"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("runs", "s-2", "foreign"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expect("s-3") // the last one is not ours
}

func TestAWrittenFileIsWholeOrNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.html")
	broken := errors.New("broken")
	err := writeFile(path, func(w io.Writer) error {
		if _, err := w.Write([]byte("half")); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
