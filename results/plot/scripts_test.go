package plot

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/resultstest"
)

func TestTheScriptsUseTheSameColours(t *testing.T) {
	for _, file := range []string{"plot.py", "plot.gnuplot"} {
		script, err := os.ReadFile("../../scripts/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, engine := range []string{"mem", "bolt", "pebble", "badger", "etcd", "zookeeper"} {
			line := regexp.MustCompile(`(?m)^.*\b` + engine + `\b.*` + LookOf(engine).Hex())
			if !line.Match(script) {
				t.Errorf("%s has no line that gives %s the colour %s", file, engine, LookOf(engine).Hex())
			}
		}
	}
}

// exported is a directory of exports: engines under a workload on two targets, one of which tells stages.
func exported(t *testing.T) string {
	t.Helper()
	recs := resultstest.WithStages(resultstest.Records(resultstest.Options{Workloads: []string{"ycsb-a"}}))
	for _, r := range recs {
		r.Factors["target"], r.Factors["index"] = "engine", "-"
		r.Stages[0].Doc = "until the leader's log takes it (rounded up)"
	}
	for _, r := range resultstest.Records(resultstest.Options{Workloads: []string{"ycsb-a"}, Seed: 2}) {
		r.Factors["target"], r.Factors["index"] = "mvcc", "packed"
		r.ID += "-mvcc"
		recs = append(recs, r)
	}
	dir := t.TempDir()
	write := func(name string, to func(*bytes.Buffer) error) {
		var text bytes.Buffer
		if err := to(&text); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("runs.csv", func(b *bytes.Buffer) error { return results.WriteCSV(b, recs) })
	write("series.csv", func(b *bytes.Buffer) error { return results.WriteSeriesCSV(b, recs) })
	for i, c := range results.Group(recs).Cells {
		for _, kind := range c.Kinds() {
			write(fmt.Sprintf("%d-%s.hgrm", i, kind), func(b *bytes.Buffer) error { return results.WriteHgrm(b, c, kind) })
		}
		for _, s := range c.Stages() {
			write(fmt.Sprintf("%d-stage-%s.hgrm", i, s.Name), func(b *bytes.Buffer) error { return results.WriteStageHgrm(b, c, s) })
		}
	}
	return dir
}

// script runs a script, and returns the files that it made and what it said.
func script(t *testing.T, out, name string, args ...string) (files, said string) {
	t.Helper()
	text, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %v: %v\n%s", name, args, err, text)
	}
	made, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range made {
		made[i] = filepath.Base(path)
	}
	return strings.Join(made, " "), string(text)
}

func TestThePythonScriptDrawsEachTargetByItself(t *testing.T) {
	const python = "python3"
	if exec.Command(python, "-c", "import matplotlib, pandas").Run() != nil {
		t.Skip("no python3 with matplotlib and pandas")
	}
	out := t.TempDir()
	files, said := script(t, out, python, "-W", "error::UserWarning", "../../scripts/plot.py", exported(t), "--out", out, "--format", "svg")
	want := "bytes.svg latency-ycsb-a-target-engine-get.svg latency-ycsb-a-target-engine-put.svg " +
		"latency-ycsb-a-target-mvcc-get.svg latency-ycsb-a-target-mvcc-put.svg throughput.svg time-ycsb-a-target-engine.svg time-ycsb-a-target-mvcc.svg"
	if files != want {
		t.Errorf("drawn  %s\nwanted %s\n%s", files, want, said)
	}
}

func TestTheGnuplotScriptDrawsEachTargetByItself(t *testing.T) {
	if _, err := exec.LookPath("gnuplot"); err != nil {
		t.Skip("no gnuplot")
	}
	out, dir := t.TempDir(), exported(t)
	files, said := script(t, out, "gnuplot", "-c", "../../scripts/plot.gnuplot", dir, out, "ycsb-a", "svg")
	want := "bytes-ycsb-a-engine.svg bytes-ycsb-a-mvcc.svg latency-ycsb-a-engine-get.svg latency-ycsb-a-engine-put.svg " +
		"latency-ycsb-a-mvcc-get.svg latency-ycsb-a-mvcc-put.svg throughput-ycsb-a-engine.svg throughput-ycsb-a-mvcc.svg time-ycsb-a-engine.svg time-ycsb-a-mvcc.svg"
	if files != want || said != "" {
		t.Errorf("drawn  %s\nwanted %s\n%s", files, want, said)
	}
	runs := filepath.Join(dir, "runs.csv")
	text, err := os.ReadFile(runs)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(runs, bytes.Replace(text, []byte(",packed,"), []byte(",gbtree,"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("gnuplot", "-c", "../../scripts/plot.gnuplot", dir, out, "ycsb-a").CombinedOutput(); !strings.Contains(string(text), "several cells of an engine for ycsb-a, target=mvcc") {
		t.Errorf("two indexes in one bar: %v, %s", err, text)
	}
}
