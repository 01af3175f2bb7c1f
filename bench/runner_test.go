package bench

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sleepClock waits by sleeping alone, for the fake time of synctest, which stands still for whoever
// spins.
type sleepClock struct{ start time.Time }

func newSleepClock() *sleepClock { return &sleepClock{start: time.Now()} }

func (c *sleepClock) now() time.Duration { return time.Since(c.start) }

func (c *sleepClock) waitUntil(ctx context.Context, t time.Duration) {
	select {
	case <-time.After(t - c.now()):
	case <-ctx.Done():
	}
}

func mustWorkload(t testing.TB, s Spec) *Mix {
	t.Helper()
	m, err := NewWorkload(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestEveryWorkloadRunsFromLoadToVerify(t *testing.T) {
	for _, name := range Workloads() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				target := newMapTarget()
				target.before = func(context.Context, *Op) error { time.Sleep(time.Millisecond); return nil }
				r := &Runner{
					Source:  mustWorkload(t, Spec{Workload: name, Records: 2000, ValueSize: "uniform:20-100", CheckEvery: 1}),
					Target:  target,
					Workers: 8,
					Warmup:  time.Second,
					Measure: 3 * time.Second,
					clock:   newSleepClock(),
				}
				rec, err := r.Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if !rec.Valid() {
					t.Errorf("verdicts: %+v", rec.Verdicts)
				}
				var ops int64
				for _, o := range rec.Ops {
					ops += o.Count
				}
				if ops != 8*3000 {
					t.Errorf("%d operations, want 8 workers × 3000 of 1 ms", ops)
				}
				var stored int64
				for k, v := range target.data {
					stored += int64(len(k) + len(v))
				}
				if d := rec.Bytes.Dataset; max(d-stored, stored-d) > stored/20 {
					t.Errorf("dataset of %d bytes, the target holds %d", d, stored)
				}
				if len(rec.Series) != 3 {
					t.Errorf("%d intervals, want 3", len(rec.Series))
				}
				var phases []string
				for _, p := range rec.Phases {
					phases = append(phases, p.Name)
				}
				want := []string{"fixture", "load", "warmup", "measure", "drain", "verify"}
				if name == "watch" || name == "compaction" {
					want = slices.Insert(want, 2, "beside")
				}
				if !slices.Equal(phases, want) {
					t.Errorf("phases %v, want %v", phases, want)
				}
				if len(rec.Warnings) > 0 {
					t.Errorf("warnings %q", rec.Warnings)
				}
			})
		})
	}
}
