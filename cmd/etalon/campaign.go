package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/results"
)

// workDir is where fixtures and data of a campaign live meanwhile. The name tells whose they are: a
// directory of somebody else, or of another campaign on the same disk, is never taken for leftovers.
func workDir(data, out string) (string, error) {
	absolute, err := filepath.Abs(out)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(absolute))
	return filepath.Join(data, "etalon-work-"+hex.EncodeToString(sum[:6])), nil
}

// contentSeed decides the content of values. It is the same for every run, so that runs can share
// fixtures.
const contentSeed = 1

// campaign is one execution of a suite into one directory of results.
type campaign struct {
	suite   suite.Suite
	runs    []suite.Run
	ids     []string // of runs, by index
	out     string
	dataDir string // where fixtures and data go: on the disk that is to be measured

	store    *results.Store
	env      results.Env
	fixtures map[string]fixture // by what they hold
	progress *progress
}

// fixture is a loaded data directory that runs start from a clone of.
type fixture struct {
	dir  string
	hash string
}

// definition is all that makes a run what it is beside its cell and repetition, for its ID.
func definition(s suite.Suite, commit string) (string, error) {
	text, err := json.Marshal(struct {
		Suite            string
		Seed             uint64
		Warmup, Duration time.Duration
		Options          map[string]map[string]any
		Commit           string
	}{s.Name, s.Seed, s.Warmup, s.Duration, s.Options, commit})
	return string(text), err
}

// planRuns lays the suite out and names every run.
func planRuns(s suite.Suite, commit string) ([]suite.Run, []string, error) {
	runs, err := s.Runs(factorTable())
	if err != nil {
		return nil, nil, err
	}
	def, err := definition(s, commit)
	if err != nil {
		return nil, nil, err
	}
	ids := make([]string, len(runs))
	for i, r := range runs {
		if err := checkCell(r.Factors); err != nil {
			return nil, nil, fmt.Errorf("suite %s: cell %s: %w", s.Name, r.Cell, err)
		}
		if err := checkWire(s, r.Factors); err != nil {
			return nil, nil, fmt.Errorf("suite %s: %w", s.Name, err)
		}
		if err := checkSteps(r.Factors["rate"], s.Duration); err != nil {
			return nil, nil, fmt.Errorf("suite %s: %w", s.Name, err)
		}
		ids[i] = results.RunID(r.Factors, r.Rep, def)
	}
	return runs, ids, nil
}

// nextOut finds where the results of a suite go when nothing was said: the last of
// runs/NAME-1, runs/NAME-2, … if that holds part of this very plan, else the next new one.
func nextOut(name string, ids []string) (string, error) {
	for n := 1; ; n++ {
		dir := filepath.Join("runs", fmt.Sprintf("%s-%d", name, n))
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return dir, nil
		} else if err != nil {
			return "", err
		}
		next := filepath.Join("runs", fmt.Sprintf("%s-%d", name, n+1))
		if _, err := os.Stat(next); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		recs, problems, err := results.Load(dir)
		if err != nil {
			continue // not ours, or of another schema: leave it alone
		}
		ours := len(recs)+len(problems) < len(ids)
		for _, r := range recs {
			ours = ours && slices.Contains(ids, r.ID)
		}
		if ours {
			return dir, nil
		}
	}
}

// errRunsFailed says that some runs ended without a record.
var errRunsFailed = errors.New("runs failed")

// execute makes every run that has no record yet. It returns errRunsFailed if some could not be
// made, ctx's error if it was stopped.
func (c *campaign) execute(ctx context.Context) error {
	done, err := c.finished()
	if err != nil {
		return err
	}
	work, err := workDir(c.dataDir, c.out)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(work); err != nil { // of a campaign into c.out that was killed; c.store has the lock
		return fmt.Errorf("remove leftovers: %w", err)
	}
	if err := os.MkdirAll(work, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	defer os.RemoveAll(work)
	c.fixtures = make(map[string]fixture)
	c.env = results.CollectEnv(ctx, work)
	failed := 0
	for i, run := range c.runs {
		if done[c.ids[i]] {
			continue
		}
		name := runName(run)
		c.progress.begin(name)
		rec, err := c.measure(ctx, run, c.ids[i], work)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = c.store.Write(rec)
		}
		var failure *jobFailure
		if isDiskTrouble(err) || errors.As(err, &failure) && failure.Disk {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err != nil {
			failed++
			c.progress.say("%s failed: %v", name, err)
			c.progress.end(name, "failed")
			continue
		}
		c.progress.end(name, outcome(rec))
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d %w", failed, len(c.runs), errRunsFailed)
	}
	return nil
}

// finished tells which runs have an intact record already.
func (c *campaign) finished() (map[string]bool, error) {
	recs, _, err := c.store.Load()
	if err != nil {
		return nil, err
	}
	done := make(map[string]bool)
	for _, r := range recs {
		done[r.ID] = true
	}
	return done, nil
}

// measure carries out one run in a child process and completes its record.
func (c *campaign) measure(ctx context.Context, run suite.Run, id, work string) (*results.Record, error) {
	j := job{Run: run, Warmup: c.suite.Warmup, Duration: c.suite.Duration, Options: c.suite.Options, Dir: filepath.Join(work, "run")}
	defer os.RemoveAll(j.Dir)
	if j.usesFixture() {
		f, err := c.fixture(ctx, j, work)
		if err != nil {
			return nil, fmt.Errorf("load fixture: %w", err)
		}
		j.Fixture, j.FixtureHash = f.dir, f.hash
	}
	answer, err := runChild(ctx, j)
	if err != nil {
		return nil, err
	}
	rec := answer.Record
	if rec == nil {
		return nil, errors.New("the measuring process answered without a record")
	}
	rec.Schema, rec.ID = results.Schema, id
	rec.Suite, rec.Cell, rec.Rep, rec.Order = run.Suite, run.Cell, run.Rep, run.Order
	rec.Factors = run.Factors
	rec.Seed, rec.SuiteSeed = run.Seed, c.suite.Seed
	rec.Env = c.env
	return rec, nil
}

// fixture returns the loaded directory that a run starts from, and loads it if it is the first to
// need it.
func (c *campaign) fixture(ctx context.Context, j job, work string) (fixture, error) {
	key, err := fixtureKey(j)
	if err != nil {
		return fixture{}, err
	}
	if f, ok := c.fixtures[key]; ok {
		return f, nil
	}
	j.Build, j.Fixture = true, filepath.Join(work, "fixture-"+key)
	answer, err := runChild(ctx, j)
	if err != nil {
		os.RemoveAll(j.Fixture)
		return fixture{}, err
	}
	f := fixture{dir: j.Fixture, hash: answer.FixtureHash}
	c.fixtures[key] = f
	return f, nil
}

// fixtureKey names what a fixture holds and how it is stored: runs with equal keys share it.
func fixtureKey(j job) (string, error) {
	f := j.Run.Factors
	parts := []any{f["target"], f["engine"], f["records"], f["key"], f["value"], f["compress"], j.Options[f["engine"]]}
	if replicated(f) { // then the log is part of it
		parts = append(parts, f["log"], f["nodes"], j.Options[f["log"]], j.Options[etcdComponent])
	}
	text, err := json.Marshal(parts)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6]), nil
}

// replicated tells whether a cell's store stands on a Raft log.
func replicated(cell map[string]string) bool {
	return slices.Contains([]string{"replica", "server", "etcd"}, cell["target"])
}

// usesFixture tells whether a run starts from a loaded directory; what is in memory only is loaded by
// the run itself, and what keeps nothing is not loaded. Processes of a group know each other by their
// ports, which are others each time.
func (j job) usesFixture() bool {
	f := j.Run.Factors
	switch t := f["target"]; {
	case t == "null", t == "raft", f["records"] == "0":
		return false
	case t == "etcd" && j.Options[etcdComponent]["endpoints"] != nil:
		return false
	case (t == "server" || t == "etcd") && f["nodes"] != "1":
		return false
	default:
		return f["engine"] != "mem" && f["log"] != "mem"
	}
}

// runName is how a run is called in progress lines: what is varied, in a few words.
func runName(r suite.Run) string {
	what := r.Factors["target"]
	for _, part := range []string{r.Factors["engine"], r.Factors["index"], r.Factors["log"], r.Factors["nodes"]} {
		if part != suite.NotApplicable {
			what += " " + part
		}
	}
	return fmt.Sprintf("%s %s rep %d", what, r.Factors["workload"], r.Rep)
}

// outcome is a run in one line.
func outcome(r *results.Record) string {
	phase, _ := r.Measured()
	line := fmt.Sprintf("%.0f op/s", float64(r.Count())/phase.Duration.Seconds())
	if r.Saturated() {
		line += ", saturated"
	} else if h := r.Latency(""); h.Count() > 0 {
		if p99, ok := h.Quantile(0.99); ok && h.Floored(p99) {
			line += fmt.Sprintf(", p99 ≤%v", p99)
		} else if ok {
			line += fmt.Sprintf(", p99 %v", threeDigits(p99))
		}
	}
	if !r.Valid() {
		line += ", INVALID"
	}
	return line
}

// threeDigits is d as exactly as a histogram knows it.
func threeDigits(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}
