package selftest

import (
	"context"
	"fmt"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/results"
)

// Options of Run. The zero Options are right.
type Options struct {
	// Progress, if set, is called before each check: how many are done, of how many, and its name.
	Progress func(done, total int, name string)
	// SkipTimed leaves out the checks that need a machine which keeps time.
	SkipTimed bool

	harness *harness // nil = the real one
}

// harness is what is under test; its tests put broken parts in their place.
type harness struct {
	run     func(ctx context.Context, r *bench.Runner) (*results.Record, error)
	merge   func(parts []*results.Histogram) *results.Histogram
	chooser func(name string, c bench.Chooser) bench.Chooser
	source  func(s bench.Spec) (*bench.Mix, error)
	values  func(v *bench.Values) compressible
}

// compressible is a source of values whose compressed share can be told.
type compressible interface{ CompressedShare() (float64, error) }

func realHarness() *harness {
	return &harness{
		run: func(ctx context.Context, r *bench.Runner) (*results.Record, error) { return r.Run(ctx) },
		merge: func(parts []*results.Histogram) *results.Histogram {
			all := results.NewHistogram()
			for _, p := range parts {
				all.Merge(p)
			}
			return all
		},
		chooser: func(_ string, c bench.Chooser) bench.Chooser { return c },
		source:  bench.NewWorkload,
		values:  func(v *bench.Values) compressible { return v },
	}
}

// check is one experiment. An error means that it could not be carried out.
type check struct {
	name  string
	tries int // of a check that needs the machine to keep time
	run   func(ctx context.Context, h *harness) (ok bool, detail string, err error)
}

func checks() []check {
	all := []check{
		{"null-ceiling", 3, nullCeiling},
		{"known-delay", 3, knownDelay},
		{"open-loop-on-time", 3, onTime},
		{"open-loop-stall", 3, openLoopStall},
		{"closed-loop-stall", 3, closedLoopStall},
		{"littles-law", 3, littlesLaw},
		{"histogram-merge", 1, histogramMerge},
		{"recording-keeps-all", 1, recordingKeepsAll},
	}
	for _, d := range distributions() {
		all = append(all, check{"keys-" + d.name, 1, d.check})
	}
	return append(all,
		check{"value-sizes", 1, valueSizes},
		check{"poisson-arrivals", 1, poissonArrivals},
		check{"operation-mix", 1, operationMix},
		check{"compressibility", 1, compressibility},
		check{"latest-is-acknowledged", 1, latestIsAcknowledged},
		check{"lost-write-is-found", 1, lostWriteIsFound},
		check{"altered-value-is-found", 1, alteredValueIsFound},
	)
}

// Run makes all checks, one after the other, in some ten seconds, and returns a verdict for each. It
// returns an error, with the verdicts so far, if a check could not be carried out or ctx has ended.
func Run(ctx context.Context, o Options) ([]results.Verdict, error) {
	h := o.harness
	if h == nil {
		h = realHarness()
	}
	list := checks()
	var verdicts []results.Verdict
	for i, c := range list {
		if o.SkipTimed && c.tries > 1 {
			continue
		}
		if o.Progress != nil {
			o.Progress(i, len(list), c.name)
		}
		v, err := c.verdict(ctx, h)
		if err != nil {
			return verdicts, fmt.Errorf("selftest: %s: %w", c.name, err)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, nil
}

func (c check) verdict(ctx context.Context, h *harness) (results.Verdict, error) {
	v := results.Verdict{Name: c.name}
	for try := 1; try <= c.tries; try++ {
		if err := ctx.Err(); err != nil {
			return v, err
		}
		ok, detail, err := c.run(ctx, h)
		if err != nil {
			return v, err
		}
		v.OK, v.Detail = ok, detail
		if ok && try > 1 {
			v.Detail += fmt.Sprintf(" (try %d)", try)
		}
		if ok {
			break
		}
	}
	return v, nil
}
