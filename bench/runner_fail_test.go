package bench

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// inBubble runs r in fake time, on target, and returns what Run does.
func inBubble(t *testing.T, r *Runner, prepare func(*Runner), check func(*testing.T, *results.Record, error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r.clock = newSleepClock()
		if r.Source == nil {
			r.Source = mustWorkload(t, Spec{Workload: "ycsb-a", Records: 500, ValueSize: "32", CheckEvery: 1})
		}
		if prepare != nil {
			prepare(r)
		}
		rec, err := r.Run(t.Context())
		check(t, rec, err)
	})
}

func verdictOf(rec *results.Record, name string) results.Verdict {
	for _, v := range rec.Verdicts {
		if v.Name == name {
			return v
		}
	}
	return results.Verdict{Name: name, Detail: "missing"}
}

func warned(rec *results.Record, word string) bool {
	for _, w := range rec.Warnings {
		if strings.HasPrefix(w, word+":") {
			return true
		}
	}
	return false
}

func slow(d time.Duration) func(context.Context, *Op) error {
	return func(ctx context.Context, _ *Op) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestWrongAnswersMakeARunInvalid(t *testing.T) {
	var puts int
	for name, spoil := range map[string]func(op *Op) bool{
		"a lost write":    func(op *Op) bool { puts++; return op.Kind != Put || puts%10 != 0 },
		"an altered byte": func(op *Op) bool { puts++; op.Value = alter(op, puts); return true },
		"a lost record":   func(op *Op) bool { puts++; return op.Kind != Insert || puts > 1 },
	} {
		t.Run(name, func(t *testing.T) {
			puts = 0
			target := newMapTarget()
			target.before, target.spoil = slow(time.Millisecond), spoil
			inBubble(t, &Runner{Target: target, Workers: 4, Measure: 2 * time.Second, LoadBatch: 100}, nil, func(t *testing.T, rec *results.Record, err error) {
				if err != nil {
					t.Fatal(err)
				}
				v := verdictOf(rec, "answers")
				if v.OK || rec.Valid() {
					t.Errorf("the run is valid: %+v", rec.Verdicts)
				}
				if !strings.Contains(v.Detail, "user") {
					t.Errorf("no key in %q", v.Detail)
				}
			})
		})
	}
}

func alter(op *Op, n int) []byte {
	if op.Kind == Put && n%10 == 0 {
		op.Value[len(op.Value)-1] ^= 1
	}
	return op.Value
}

func TestErrorsAreClassedAndMakeARunInvalid(t *testing.T) {
	boom := errors.New("boom")
	target := classed{newMapTarget()}
	var n atomic.Int64
	target.before = func(ctx context.Context, op *Op) error {
		time.Sleep(time.Millisecond)
		if op.Kind == Put && n.Add(1)%3 == 0 {
			return boom
		}
		return nil
	}
	inBubble(t, &Runner{Target: target, Workers: 4, Measure: time.Second}, nil, func(t *testing.T, rec *results.Record, err error) {
		if err != nil {
			t.Fatal(err)
		}
		put := rec.Ops["put"]
		if put.Errors["boom"] == 0 || put.Failed == nil || put.Failed.Count() != put.Errors["boom"] || put.Service.Count() != put.Count {
			t.Errorf("put: %+v", put)
		}
		if v := verdictOf(rec, "errors"); v.OK {
			t.Errorf("%+v", v)
		}
		if v := verdictOf(rec, "answers"); !v.OK {
			t.Errorf("failed writes are no wrong answers: %+v", v)
		}
	})
}

type classed struct{ *mapTarget }

func (classed) ErrorClass(err error) string { return err.Error() }

func TestAnOperationTimeoutIsAnErrorOfItsClass(t *testing.T) {
	target := newMapTarget()
	var stall atomic.Bool
	target.before = func(ctx context.Context, op *Op) error {
		if !stall.Load() {
			return slow(time.Millisecond)(ctx, op)
		}
		return slow(time.Hour)(ctx, op)
	}
	m := &Runner{Target: target, Workers: 1, Measure: time.Second, OpTimeout: 100 * time.Millisecond, Interval: 450 * time.Millisecond}
	m.Progress = func(p Progress) { stall.Store(p.Phase == "measure" && p.Elapsed == 0) }
	inBubble(t, m, nil, func(t *testing.T, rec *results.Record, err error) {
		if err != nil {
			t.Fatal(err)
		}
		var timeouts int64
		for _, o := range rec.Ops {
			timeouts += o.Errors[ClassTimeout]
		}
		if timeouts != 5 {
			t.Errorf("%d timeouts, want the 5 of 100 ms that began in the first 450 ms", timeouts)
		}
	})
}

func TestAnOverloadedTargetSaturatesAndDrops(t *testing.T) {
	target := newMapTarget()
	target.before = slow(10 * time.Millisecond)
	r := &Runner{Target: target, Workers: 2, Schedule: Constant{PerSec: 1000}, Warmup: time.Second, Measure: 2 * time.Second}
	inBubble(t, r, nil, func(t *testing.T, rec *results.Record, err error) {
		if err != nil {
			t.Fatal(err)
		}
		var done, dropped, late int64
		for _, o := range rec.Ops {
			done, dropped, late = done+o.Count, dropped+o.Dropped, late+o.Late
		}
		// 2 workers × 100/s × 2 s; nothing of the warm-up's backlog.
		if done != 400 || dropped != 1600 {
			t.Errorf("%d done, %d dropped, want 400 and 1600", done, dropped)
		}
		if late < 390 {
			t.Errorf("%d late", late)
		}
		if !warned(rec, WarnSaturated) || warned(rec, WarnGenerator) {
			t.Errorf("warnings %q", rec.Warnings)
		}
	})
}

func TestASlowClockIsTheGeneratorsFault(t *testing.T) {
	target := newMapTarget()
	r := &Runner{Target: target, Workers: 2, Schedule: Constant{PerSec: 100}, Measure: 2 * time.Second}
	inBubble(t, r, func(r *Runner) { r.clock = oversleeper{newSleepClock()} }, func(t *testing.T, rec *results.Record, err error) {
		if err != nil {
			t.Fatal(err)
		}
		if !warned(rec, WarnGenerator) || warned(rec, WarnSaturated) {
			t.Errorf("warnings %q", rec.Warnings)
		}
	})
}

// oversleeper wakes 3 ms late.
type oversleeper struct{ *sleepClock }

func (c oversleeper) waitUntil(ctx context.Context, t time.Duration) {
	c.sleepClock.waitUntil(ctx, t+3*time.Millisecond)
}

func TestAStallIsChargedToEveryOperationThatWasDue(t *testing.T) {
	target := newMapTarget()
	var from time.Time
	target.before = func(ctx context.Context, _ *Op) error {
		if at := time.Since(from); !from.IsZero() && at >= time.Second && at < 3*time.Second {
			return slow(3*time.Second-at)(ctx, nil)
		}
		return nil
	}
	r := &Runner{Target: target, Workers: 3, Schedule: Constant{PerSec: 1000}, Measure: 4 * time.Second}
	r.Progress = func(p Progress) {
		if p.Phase == "measure" && p.Elapsed == 0 {
			from = time.Now()
		}
	}
	inBubble(t, r, nil, func(t *testing.T, rec *results.Record, err error) {
		if err != nil {
			t.Fatal(err)
		}
		all := results.NewHistogram()
		for _, o := range rec.Ops {
			all.Merge(o.Response)
		}
		for q, want := range map[float64]time.Duration{0.25: 0, 0.75: time.Second, 0.9: 1600 * time.Millisecond, 1: 2 * time.Second} {
			if got, _ := all.Quantile(q); (got - want).Abs() > 3*time.Millisecond {
				t.Errorf("p%v is %v, want %v", 100*q, got, want)
			}
		}
		if warned(rec, WarnSaturated) || warned(rec, WarnGenerator) {
			t.Errorf("warnings %q", rec.Warnings)
		}
		if v := verdictOf(rec, "littles-law"); !v.OK {
			t.Errorf("workers that waited half of the time: %+v", v)
		}
	})
}

func TestReadsBesideDeletesAskForWhatIsThere(t *testing.T) {
	target := newMapTarget()
	target.before = slow(time.Millisecond)
	m := mustWorkload(t, Spec{Workload: "delete", Records: 1000, ValueSize: "32", Mix: map[string]float64{"delete": 1, "insert": 1, "get": 2}})
	r := &Runner{Source: m, Target: target, Measure: 3 * time.Second}
	inBubble(t, r, nil, func(t *testing.T, rec *results.Record, err error) {
		if err != nil {
			t.Fatal(err)
		}
		if get := rec.Ops["get"]; get.Items != get.Count || !rec.Valid() {
			t.Errorf("%d of %d reads found their key; %+v", get.Items, get.Count, rec.Verdicts)
		}
	})
}

func TestCancelEndsARunInEveryPhase(t *testing.T) {
	for _, phase := range []string{"load", "warmup", "measure", "verify"} {
		t.Run(phase, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				target := newMapTarget()
				target.before = slow(100 * time.Millisecond)
				start := time.Time{}
				r := &Runner{
					Source: mustWorkload(t, Spec{Workload: "get", Records: 5000, ValueSize: "32"}), Target: target,
					Workers: 4, Warmup: time.Second, Measure: 10 * time.Second, LoadBatch: 100, clock: newSleepClock(),
					Progress: func(p Progress) {
						if p.Phase == phase && start.IsZero() {
							start = time.Now()
							time.AfterFunc(350*time.Millisecond, cancel)
						}
					},
				}
				if rec, err := r.Run(ctx); !errors.Is(err, context.Canceled) || rec != nil {
					t.Fatalf("Run: %v, %v", rec, err)
				}
				if took := time.Since(start); took > 400*time.Millisecond {
					t.Errorf("Run returned %v after the phase began, want 350 ms", took)
				}
			})
		})
	}
}

func TestATargetThatIgnoresItsContextDoesNotHangTheRun(t *testing.T) {
	release := make(chan struct{})
	synctest.Test(t, func(t *testing.T) {
		release = make(chan struct{})
		target := newMapTarget()
		target.before = func(_ context.Context, op *Op) error {
			if op.Kind != Insert {
				<-release
			}
			return nil
		}
		r := &Runner{Source: mustWorkload(t, Spec{Workload: "get", Records: 10}), Target: target, Measure: time.Second, clock: newSleepClock()}
		start := time.Now()
		_, err := r.Run(t.Context())
		if !errors.Is(err, ErrStuck) {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(start); took != 21*time.Second {
			t.Errorf("Run took %v, want the second and twice the grace of 10 s", took)
		}
		close(release)
		synctest.Wait()
	})
}

func TestAFailedBatchOfTheLoadIsTriedAgainAndThenNamed(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		failures int64
		want     string
	}{{2, ""}, {1000, "bench: load: records 0 to 49, tried 3 times: boom"}} {
		target := newMapTarget()
		var left atomic.Int64
		left.Store(c.failures)
		target.before = func(_ context.Context, op *Op) error {
			time.Sleep(time.Millisecond)
			if op.Kind == Insert && left.Add(-1) >= 0 {
				return boom
			}
			return nil
		}
		inBubble(t, &Runner{Target: target, Measure: time.Second, LoadBatch: 50}, nil, func(t *testing.T, rec *results.Record, err error) {
			if c.want != "" {
				if err == nil || err.Error() != c.want || !errors.Is(err, boom) {
					t.Errorf("Run: %v, want %s", err, c.want)
				}
				return
			}
			if err != nil || !rec.Valid() {
				t.Fatal(err)
			}
			if p := rec.Phases[1]; p.Name != "load" || p.Ops != 500 || p.Errors != 2 {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestARunnerRefusesNonsense(t *testing.T) {
	m := mustWorkload(t, Spec{Workload: "get", Records: 10})
	for _, r := range []*Runner{
		{}, {Source: m}, {Source: m, Target: hollow{}, Workers: -1}, {Source: m, Target: hollow{}, Warmup: -1},
		{Source: m, Target: hollow{}, LoadBatch: -1}, {Source: m, Target: hollow{}, Workers: 1 << 20},
	} {
		if _, err := r.Run(t.Context()); err == nil {
			t.Errorf("%+v was accepted", r)
		}
	}
}

func TestTheWaitingClockIsPunctualAndHearsItsContext(t *testing.T) {
	c := newWallClock()
	for _, d := range []time.Duration{0, 10 * time.Microsecond, 300 * time.Microsecond, 3 * time.Millisecond} {
		due := c.now() + d
		c.waitUntil(t.Context(), due)
		if c.now() < due {
			t.Errorf("woke before %v", d)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.waitUntil(ctx, c.now()+time.Hour)
}
