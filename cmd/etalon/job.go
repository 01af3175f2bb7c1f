package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/targets"
)

// ceilingTime is how long a child measures what the generator itself can do, before its run.
const ceilingTime = 50 * time.Millisecond

// job is what a measuring process is asked to do.
type job struct {
	Run              suite.Run
	Warmup, Duration time.Duration
	Options          map[string]map[string]any
	Dir              string // for the data of this run; does not exist yet
	// Fixture is a loaded directory to start from a clone of, FixtureHash the hash of its content;
	// "" = load in the run itself.
	Fixture, FixtureHash string
	// Build asks to load Fixture, instead of a run.
	Build bool
}

// jobResult is its answer: one of a failure, a record, a fixture's hash.
type jobResult struct {
	Failure     *jobFailure
	Record      *results.Record
	FixtureHash string
}

// jobFailure is an error that crossed from the child to the parent.
type jobFailure struct {
	Text string
	Disk bool // the disk is full or read-only: the next run would fail too
}

func (f *jobFailure) Error() string { return f.Text }

// do carries the job out.
func (j job) do(ctx context.Context) jobResult {
	var r jobResult
	var err error
	if j.Build {
		r.FixtureHash, err = j.build(ctx)
	} else {
		r.Record, err = j.measure(ctx)
	}
	if err != nil {
		return jobResult{Failure: &jobFailure{Text: err.Error(), Disk: isDiskTrouble(err)}}
	}
	return r
}

// open opens the engine of the cell in dir, Buffered if the durability is interval.
func (j job) open(dir string, d results.Durability) (engine.Backend, error) {
	f := j.Run.Factors
	b, err := openEngine(f["engine"], dir, j.Options[f["engine"]], nil)
	if err != nil {
		return nil, err
	}
	if d != results.DurabilityInterval {
		return b, nil
	}
	return behind(b, f["policy"])
}

// build loads the fixture with the engine's fastest durable writes, lets its background work end,
// and returns the hash of its content.
func (j job) build(ctx context.Context) (hash string, err error) {
	// What is loaded must survive: an engine is synced in the end, a log holds what its machine does not.
	d := results.DurabilityNone
	if replicated(j.Run.Factors) {
		d = results.DurabilityGroup
	}
	s, err := j.openStack(ctx, j.Fixture, d)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	source, err := j.source("get") // which changes nothing: what is loaded stays as it is
	if err != nil {
		return "", err
	}
	runner := bench.Runner{Source: source, Target: s.target, Ops: 1, LoadBatch: j.loadBatch(source)}
	rec, err := runner.Run(ctx)
	if err != nil {
		return "", err
	}
	if !rec.Valid() {
		return "", fmt.Errorf("the fixture cannot be trusted: %+v", rec.Verdicts)
	}
	return s.hash(ctx)
}

// measure carries out the run.
func (j job) measure(ctx context.Context) (rec *results.Record, err error) {
	f := j.Run.Factors
	source, err := j.source(f["workload"])
	if err != nil {
		return nil, err
	}
	runner := bench.Runner{Source: source, Warmup: j.Warmup, Measure: j.Duration, Seed: j.Run.Seed}
	if runner.Schedule, err = bench.ParseSchedule(f["rate"], j.Run.Seed); err != nil {
		return nil, err
	}
	if runner.Workers, err = strconv.Atoi(f["clients"]); err != nil {
		return nil, err
	}
	runner.Interval = min(time.Second, max(j.Duration/10, 50*time.Millisecond))
	if f["target"] == "null" {
		runner.NoVerify, runner.Alone = true, true
		runner.Fixture = func(context.Context) (bench.Target, bool, error) { return targets.Null{}, true, nil }
		return runner.Run(ctx)
	}
	runner.LoadBatch = j.loadBatch(source)
	keepsNothing := f["target"] == "raft" // there is nothing to load, and no answer to judge
	runner.NoVerify = keepsNothing
	if runner.Ceiling, err = j.ceiling(ctx, runner); err != nil {
		return nil, err
	}
	var opened stack
	defer func() { err = errors.Join(err, opened.Close()) }()
	runner.Fixture = func(ctx context.Context) (_ bench.Target, loaded bool, err error) {
		opened, err = j.prepare(ctx)
		return opened.target, j.Fixture != "" || keepsNothing, err
	}
	if rec, err = runner.Run(ctx); err != nil {
		return nil, err
	}
	asked := map[string]string{}
	for _, component := range components(f) {
		for name, v := range askedText(j.Options[component]) {
			asked[component+"."+name] = v
		}
	}
	if len(asked) > 0 {
		rec.Options[askedOptions] = asked
	}
	rec.Options["fixture"] = map[string]string{"cloned": strconv.FormatBool(j.Fixture != ""), "hash": j.FixtureHash}
	return rec, nil
}

// loadBatch is how many records are loaded at a time; 0 = as many as the runner thinks.
func (j job) loadBatch(source *bench.Mix) int {
	if t := j.Run.Factors["target"]; t != "server" && t != "etcd" || source.Records() == 0 {
		return 0
	}
	record := max(source.DatasetBytes()/int64(source.Records()), 1)
	return int(min(max(1<<20/record, 1), mostTxnOps)) // a request over the wire has bounds
}

// prepare opens what the cell names in the run's own directory.
func (j job) prepare(ctx context.Context) (stack, error) {
	if j.Fixture != "" {
		if _, err := targets.Clone(ctx, j.Dir, j.Fixture); err != nil {
			return stack{}, err
		}
	}
	return j.openStack(ctx, j.Dir, results.Durability(j.Run.Factors["durability"]))
}

// ceiling measures what the generator does with this workload when the target does nothing.
func (j job) ceiling(ctx context.Context, like bench.Runner) (float64, error) {
	source, err := j.source(j.Run.Factors["workload"])
	if err != nil {
		return 0, err
	}
	null := bench.Runner{
		Source: source, Workers: like.Workers, Measure: ceilingTime, Seed: like.Seed, NoVerify: true, Alone: true,
		Fixture: func(context.Context) (bench.Target, bool, error) { return targets.Null{}, true, nil },
	}
	rec, err := null.Run(ctx)
	if err != nil {
		return 0, fmt.Errorf("measure the generator's ceiling: %w", err)
	}
	phase, _ := rec.Measured()
	return float64(rec.Count()) / phase.Duration.Seconds(), nil
}

// source makes the cell's workload, or another one over the same records.
func (j job) source(workload string) (*bench.Mix, error) {
	spec, err := cellSpec(j.Run.Factors, contentSeed)
	if err != nil {
		return nil, err
	}
	if spec.Workload != workload {
		spec = bench.Spec{
			Workload: workload, Records: spec.Records, KeyBytes: spec.KeyBytes, ValueSize: spec.ValueSize,
			Compressibility: spec.Compressibility, Seed: spec.Seed,
		}
	}
	return bench.NewWorkload(spec)
}
