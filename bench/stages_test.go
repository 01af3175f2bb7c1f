package bench

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// stagedTarget takes a millisecond for every operation, and says so.
type stagedTarget struct {
	*mapTarget
	*Stages
}

// runStaged puts for two seconds with four workers, after one of warm-up.
func runStaged(t *testing.T, target Target) *results.Record {
	t.Helper()
	r := &Runner{
		Source: mustWorkload(t, Spec{Workload: "put", Records: 100}), Target: target,
		Workers: 4, Warmup: time.Second, Measure: 2 * time.Second, clock: newSleepClock(),
	}
	rec, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestStagesAreThoseOfTheMeasuredPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := stagedTarget{newMapTarget(), NewStages(results.Stage{Name: "work", Doc: "all of it"}, results.Stage{Name: "rest"})}
		target.before = func(context.Context, *Op) error {
			time.Sleep(time.Millisecond)
			target.Record(0, time.Millisecond, 2)
			return nil
		}
		rec := runStaged(t, target)
		if len(rec.Stages) != 2 || rec.Stages[0].Name != "work" || rec.Stages[0].Doc != "all of it" || rec.Stages[1].Name != "rest" {
			t.Fatalf("stages %+v", rec.Stages)
		}
		work := rec.Stages[0].Times
		if n := work.Count(); n != 2*4*2000 || work.Sum() != time.Duration(n)*time.Millisecond || rec.Stages[1].Times.Count() != 0 {
			t.Errorf("%d counted in %v, want 16000 in 16 s: load and warm-up do not count", n, work.Sum())
		}
	})
}

// slowStages takes a second to tell its stages.
type slowStages struct{ stagedTarget }

func (s slowStages) TakeStages() []results.Stage {
	time.Sleep(time.Second)
	return s.stagedTarget.TakeStages()
}

func TestATargetThatIsSlowToTellItsStagesIsNotMadeSlowerByIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := slowStages{stagedTarget{newMapTarget(), NewStages(results.Stage{Name: "work"})}}
		target.before = func(context.Context, *Op) error {
			time.Sleep(time.Millisecond)
			return nil
		}
		rec := runStaged(t, target)
		if rate, ok := results.Throughput().Of(rec); !ok || rate != 4000 {
			t.Errorf("%v op/s, want 4000: four workers, a millisecond an operation", rate)
		}
		var sampled time.Duration
		for _, s := range rec.Series {
			sampled += s.Duration
		}
		phase, _ := rec.Measured()
		if warmup := rec.Phases[len(rec.Phases)-4]; phase.Duration != 2*time.Second || sampled != phase.Duration || phase.Start < warmup.Start+warmup.Duration+time.Second {
			t.Errorf("measured %+v after %+v, intervals of %v together", phase, warmup, sampled)
		}
	})
}
