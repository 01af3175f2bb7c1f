package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strconv"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// Runner carries out one run: fixture → load → warmup → measure → drain → verify. Set the fields,
// call Run once.
type Runner struct {
	// Source is the workload. Target is what it is applied to; if Fixture is set, Target is ignored.
	Source Source
	Target Target
	// Fixture makes the system ready and returns it: a copied directory, an opened engine, a started
	// cluster. loaded says that it holds the Source's records already. The caller closes what it
	// opened after Run has returned.
	Fixture func(ctx context.Context) (t Target, loaded bool, err error)

	// Schedule says when operations are sent; nil = closed loop.
	Schedule Schedule
	// Workers send operations, each one at a time. 0 = 1. In an open loop they bound how many can be
	// under way.
	Workers int
	// Warmup is like the measured phase, and not counted. 0 = none.
	Warmup time.Duration
	// Measure is the length of the measured phase. 0 = that of the Schedule if it ends by itself,
	// else 10 s; or none if Ops is set.
	Measure time.Duration
	// Ops ends the measured phase after so many operations, spread over the workers. 0 = no such end.
	Ops uint64
	// Interval of the time series. 0 = 1 s.
	Interval time.Duration

	// OpTimeout is each operation's deadline; 0 = none (a deadline costs an allocation).
	OpTimeout time.Duration
	// Grace is how long operations under way may take after the end of their phase before their
	// contexts end, and then again before Run gives up with ErrStuck. 0 = 10 s.
	Grace time.Duration
	// DrainTimeout bounds each wait for background work. 0 = 5 minutes.
	DrainTimeout time.Duration

	// LoadBatch is the records a write of the load phase takes. 0 = as many as make 1 MiB, at most 1000.
	LoadBatch int
	// Seed decides the order of operations.
	Seed uint64
	// VerifySample is how many records are read back at the end. 0 = 1000.
	VerifySample int
	// Alone leaves out the watchers and compactions of the Source: what is measured is the workers.
	Alone bool
	// NoVerify is for targets that keep nothing, such as a null target: no answer is judged.
	NoVerify bool
	// MaxErrorRate is the share of failed operations above which the run is invalid. 0 = 0.01.
	MaxErrorRate float64
	// Ceiling is the rate in operations a second that the generator reaches on a null target with
	// this workload and as many workers (see Ceiling); the run carries a warning if it came within a
	// third. 0 = unknown.
	Ceiling float64

	// Progress, if set, is called by Run's goroutine when a phase begins and every Interval.
	Progress func(Progress)
	// Log takes the beginnings of phases and what is unusual; nil discards it.
	Log *slog.Logger

	clock clock // nil = the machine's
}

// Progress is how far a run is.
type Progress struct {
	Phase   string
	Elapsed time.Duration // since the phase began
	Length  time.Duration // planned; 0 = unknown
	Done    uint64        // load: records written; else operations done in the phase
	Total   uint64        // load: records to write; else 0
}

// Validate fills in the defaults and refuses what makes no sense.
func (r *Runner) Validate() error {
	switch {
	case r.Source == nil:
		return errors.New("bench: Runner has no Source")
	case r.Target == nil && r.Fixture == nil:
		return errors.New("bench: Runner has neither Target nor Fixture")
	case r.Workers < 0 || r.Workers > loader-1:
		return fmt.Errorf("bench: %d workers, accepted: 1 to %d", r.Workers, loader-1)
	case r.Warmup < 0 || r.Measure < 0 || r.Interval < 0 || r.OpTimeout < 0 || r.Grace < 0 || r.DrainTimeout < 0:
		return errors.New("bench: Runner has a negative duration")
	case r.LoadBatch < 0 || r.VerifySample < 0 || !(r.MaxErrorRate >= 0) || !(r.Ceiling >= 0):
		return errors.New("bench: Runner has a negative number")
	}
	r.Workers = max(r.Workers, 1)
	steps, stepped := r.Schedule.(Steps)
	switch {
	case r.Measure == 0 && r.Ops == 0 && stepped:
		r.Measure = steps.Length()
	case r.Measure == 0 && r.Ops == 0:
		r.Measure = 10 * time.Second
	case r.Measure > 0 && steps.Length() > r.Measure:
		return fmt.Errorf("bench: the steps of %s take %v, and Measure cuts them off after %v", steps, steps.Length(), r.Measure)
	}
	setDefault(&r.Interval, time.Second)
	setDefault(&r.Grace, 10*time.Second)
	setDefault(&r.DrainTimeout, 5*time.Minute)
	setDefault(&r.VerifySample, 1000)
	setDefault(&r.MaxErrorRate, 0.01)
	if r.LoadBatch == 0 {
		r.LoadBatch = 1000
		if n := r.Source.Records(); n > 0 {
			record := max(r.Source.DatasetBytes()/int64(n), 1)
			r.LoadBatch = int(min(max(1<<20/record, 1), 1000))
		}
	}
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	if r.clock == nil {
		r.clock = newWallClock()
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Run carries out the run and returns its Record, in which the caller fills in what places it
// (ID, Suite, Cell, Rep, Order, SuiteSeed, Factors, Env). A run whose figures cannot be trusted has
// a Verdict that is not OK; one that could not be carried out is an error and has no Record: a
// fixture, load or drain that failed, ErrStuck, or ctx's error soon after it has ended. All
// goroutines have ended when Run returns, except with ErrStuck.
func (r *Runner) Run(ctx context.Context) (*results.Record, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	run := &run{Runner: r, record: &results.Record{
		Schema:   results.Schema,
		Seed:     r.Seed,
		Start:    time.Now().UTC(),
		Options:  map[string]map[string]string{},
		Warnings: []string{},
		Verdicts: []results.Verdict{},
	}}
	run.began = r.clock.now()
	err := run.all(ctx)
	if closeErr := run.closeSessions(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	return run.record, nil
}

// run is the state of one Run.
type run struct {
	*Runner
	record  *results.Record
	began   time.Duration
	target  Target
	loaded  bool
	workers []*worker
	beside  *beside // nil if there is nothing
	stuck   bool
}

// all carries out the phases in order.
func (r *run) all(ctx context.Context) error {
	if err := r.phase(ctx, "fixture", 0, r.fixture); err != nil {
		return err
	}
	if err := r.openSessions(ctx); err != nil {
		return err
	}
	if !r.loaded {
		if err := r.phase(ctx, "load", 0, r.load); err != nil {
			return err
		}
	}
	runtime.GC() // every run begins with a heap that holds only what is alive
	if r.wantsBeside() {
		if err := r.phase(ctx, "beside", 0, r.beginBeside); err != nil {
			return err
		}
		defer r.dismiss() // where all goes well it was done before
	}
	if r.Warmup > 0 {
		if err := r.phase(ctx, "warmup", r.Warmup, r.warmup); err != nil {
			return err
		}
	}
	m := &measurement{run: r}
	if err := r.phase(ctx, "measure", r.Measure, m.measure); err != nil {
		return err
	}
	m.bound()
	if err := r.phase(ctx, "drain", 0, m.drain); err != nil {
		return err
	}
	if !r.NoVerify {
		if err := r.phase(ctx, "verify", 0, r.verify); err != nil {
			return err
		}
	}
	m.conclude()
	r.describe()
	return nil
}

// counts are what a phase did.
type counts struct{ ops, errors int64 }

// phase carries out one phase and enters it in the record.
func (r *run) phase(ctx context.Context, name string, length time.Duration, do func(context.Context) (counts, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.Log.Debug("phase", "name", name)
	r.progress(Progress{Phase: name, Length: length})
	start := r.clock.now()
	n, err := do(ctx)
	if err != nil {
		if ctx.Err() != nil && !errors.Is(err, ErrStuck) {
			return ctx.Err()
		}
		return fmt.Errorf("bench: %s: %w", name, err)
	}
	r.record.Phases = append(r.record.Phases, results.Phase{
		Name:     name,
		Start:    start - r.began,
		Duration: r.clock.now() - start,
		Ops:      n.ops,
		Errors:   n.errors,
	})
	return nil
}

func (r *run) progress(p Progress) {
	if r.Progress != nil {
		r.Progress(p)
	}
}

func (r *run) fixture(ctx context.Context) (n counts, err error) {
	r.target = r.Target
	if r.Fixture != nil {
		r.target, r.loaded, err = r.Fixture(ctx)
	}
	if err == nil && r.target == nil {
		err = errors.New("no target")
	}
	return n, err
}

func (r *run) openSessions(ctx context.Context) error {
	for i := range r.Workers {
		s, err := r.target.Open(ctx, i)
		if err != nil {
			return fmt.Errorf("bench: open session %d: %w", i, err)
		}
		r.workers = append(r.workers, &worker{
			session: s,
			load:    r.Source.Worker(i),
			rand:    rand.New(rand.NewPCG(r.Seed, uint64(i))),
		})
	}
	return nil
}

// closeSessions closes what openSessions opened; sessions that a worker is stuck in stay open.
func (r *run) closeSessions() error {
	if r.stuck {
		return nil
	}
	var errs []error
	for i, w := range r.workers {
		if err := w.session.Close(); err != nil {
			errs = append(errs, fmt.Errorf("bench: close session %d: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// drainTarget waits for the target's background work.
func (r *run) drainTarget(ctx context.Context) error {
	d, ok := r.target.(Drainer)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.DrainTimeout)
	defer cancel()
	return d.Drain(ctx)
}

func (r *run) gauges() Gauges {
	if g, ok := r.target.(Gauger); ok {
		return g.Gauges()
	}
	return unknownGauges()
}

// usage is what the target has used: that of this process, unless it works elsewhere.
func (r *run) usage() usage {
	if t, ok := r.target.(Remote); ok {
		return usageOf(t)
	}
	return readUsage()
}

func (r *run) takeStages() []results.Stage {
	if s, ok := r.target.(Staged); ok {
		return s.TakeStages()
	}
	return nil
}

// describe enters the labels and all effective options.
func (r *run) describe() {
	if l, ok := r.target.(Labeled); ok {
		r.record.Durability, r.record.Consistency = l.Durability(), l.Consistency()
	}
	if d, ok := r.target.(Described); ok {
		for component, options := range d.Options() {
			r.record.Options[component] = options
		}
	}
	r.record.Options["workload"] = r.Source.Options()
	r.record.Options["runner"] = map[string]string{
		"schedule":     ScheduleString(r.Schedule),
		"workers":      strconv.Itoa(r.Workers),
		"warmup":       r.Warmup.String(),
		"measure":      r.Measure.String(),
		"ops":          strconv.FormatUint(r.Ops, 10),
		"interval":     r.Interval.String(),
		"alone":        strconv.FormatBool(r.Alone),
		"opTimeout":    r.OpTimeout.String(),
		"grace":        r.Grace.String(),
		"loadBatch":    strconv.Itoa(r.LoadBatch),
		"verifySample": strconv.Itoa(r.VerifySample),
		"verify":       strconv.FormatBool(!r.NoVerify),
		"maxErrorRate": strconv.FormatFloat(r.MaxErrorRate, 'g', -1, 64),
	}
}
