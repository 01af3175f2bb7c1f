package selftest

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/results"
)

// run carries out r with a workload and returns its record.
func (h *harness) record(ctx context.Context, spec bench.Spec, r *bench.Runner) (*results.Record, error) {
	m, err := h.source(spec)
	if err != nil {
		return nil, err
	}
	r.Source = m
	return h.run(ctx, r)
}

// total merges the operations of all kinds.
func total(rec *results.Record) *results.OpStats {
	sum := &results.OpStats{Service: results.NewHistogram(), Response: results.NewHistogram()}
	for _, o := range rec.Ops {
		sum.Count += o.Count
		sum.Late += o.Late
		sum.Dropped += o.Dropped
		sum.Service.Merge(o.Service)
		sum.Response.Merge(o.Response)
	}
	return sum
}

// Bounds of the null ceiling: wide enough for a slow machine. What a good one reaches is shown by
// go test -bench Generator ./bench.
const (
	ceilingNS     = 2000
	ceilingAllocs = 0.01
)

// nullCeiling: what the generator itself takes and allocates for an operation.
func nullCeiling(ctx context.Context, h *harness) (bool, string, error) {
	const ops = 1_000_000
	rec, err := h.record(ctx, bench.Spec{Workload: "ycsb-a", Records: 100_000, ValueSize: "256"},
		&bench.Runner{Target: fake{}, Ops: ops, NoVerify: true})
	if err != nil {
		return false, "", err
	}
	phase, _ := rec.Measured()
	ns := float64(phase.Duration) / float64(phase.Ops)
	allocs := float64(rec.Resources.AllocObjects) / float64(phase.Ops)
	return ns <= ceilingNS && allocs <= ceilingAllocs,
		fmt.Sprintf("%.0f ns and %.4f allocations an operation, accepted: up to %d and %v", ns, allocs, ceilingNS, ceilingAllocs), nil
}

// knownDelay: a target that takes a known time is read within 2 %.
func knownDelay(ctx context.Context, h *harness) (bool, string, error) {
	var detail []string
	ok := true
	for _, delay := range []time.Duration{20 * time.Microsecond, 200 * time.Microsecond, 2 * time.Millisecond} {
		target := fake{do: func(context.Context, *bench.Op) error { spin(delay); return nil }}
		rec, err := h.record(ctx, bench.Spec{Workload: "get"},
			&bench.Runner{Target: target, Fixture: ready(target), Measure: 200 * time.Millisecond, NoVerify: true})
		if err != nil {
			return false, "", err
		}
		median, _ := total(rec).Service.Quantile(0.5)
		off := float64(median)/float64(delay) - 1
		ok = ok && math.Abs(off) <= 0.02
		detail = append(detail, fmt.Sprintf("%v read as %v (%+.2f %%)", delay, median, 100*off))
	}
	return ok, strings.Join(detail, ", ") + ", accepted: ±2 %", nil
}

// onTime: an open loop sends its operations when they are due.
func onTime(ctx context.Context, h *harness) (bool, string, error) {
	const rate = 20_000
	rec, err := h.record(ctx, bench.Spec{Workload: "ycsb-a", Records: 10_000, ValueSize: "256"},
		&bench.Runner{Target: fake{}, Schedule: bench.Constant{PerSec: rate}, Workers: 8, Measure: 500 * time.Millisecond, NoVerify: true})
	if err != nil {
		return false, "", err
	}
	sum := total(rec)
	late := float64(sum.Late+sum.Dropped) / float64(sum.Count+sum.Dropped)
	return late <= 0.01 && sum.Count+sum.Dropped == rate/2,
		fmt.Sprintf("%d operations at %d/s, %.2f %% sent more than %v late, accepted: up to 1 %%",
			sum.Count+sum.Dropped, rate, 100*late, bench.LateAfter), nil
}

// The stalling target stands still for the middle half of a run of stallRun.
const (
	stallRun = 1200 * time.Millisecond
	stallFor = stallRun / 2
)

// openLoopStall: half of all operations are due during the stall, the first waits for all of it and
// the last for none. So the share q of operations, q >= 1/2, is done within (2q-1) × stall of the
// time due; the maximum is the stall.
func openLoopStall(ctx context.Context, h *harness) (bool, string, error) {
	rec, err := h.record(ctx, bench.Spec{Workload: "get"}, &bench.Runner{
		Fixture: ready(stalling()), Schedule: bench.Constant{PerSec: 2000}, Workers: 8, Measure: stallRun, NoVerify: true})
	if err != nil {
		return false, "", err
	}
	sum := total(rec)
	ok := sum.Count == int64(2000*stallRun.Seconds())
	detail := []string{fmt.Sprintf("a stall of %v in %v:", stallFor, stallRun)}
	for _, q := range []float64{0.5, 0.75, 0.9, 0.99, 1} {
		got, _ := sum.Response.Quantile(q)
		want := time.Duration((2*q - 1) * float64(stallFor))
		ok = ok && (got-want).Abs() <= stallFor/50
		detail = append(detail, fmt.Sprintf("p%g %v, want %v;", 100*q, got.Round(time.Millisecond), want))
	}
	return ok, strings.Join(detail, " ") + fmt.Sprintf(" accepted: ±%v", stallFor/50), nil
}

// closedLoopStall: one worker meets the same stall with a single operation, so only the maximum
// shows it; this is why a closed loop's latencies are no answer to what a user waits.
func closedLoopStall(ctx context.Context, h *harness) (bool, string, error) {
	rec, err := h.record(ctx, bench.Spec{Workload: "get"}, &bench.Runner{
		Fixture: ready(stalling()), Measure: stallRun, NoVerify: true})
	if err != nil {
		return false, "", err
	}
	sum := total(rec)
	p99, _ := sum.Service.Quantile(0.99)
	longest := sum.Service.Max()
	ok := p99 < stallFor/50 && (longest-stallFor).Abs() <= stallFor/50
	for _, o := range rec.Ops {
		ok = ok && o.Response == nil
	}
	return ok, fmt.Sprintf("a stall of %v in %v: p99 %v, want next to nothing; max %v, want %v", stallFor, stallRun, p99,
		longest.Round(time.Millisecond), stallFor), nil
}

// littlesLaw: throughput × mean service time is the number of workers, if they have nothing else to
// do.
func littlesLaw(ctx context.Context, h *harness) (bool, string, error) {
	const workers = 16
	target := fake{do: func(context.Context, *bench.Op) error { time.Sleep(2 * time.Millisecond); return nil }}
	rec, err := h.record(ctx, bench.Spec{Workload: "get"},
		&bench.Runner{Fixture: ready(target), Workers: workers, Measure: 400 * time.Millisecond, NoVerify: true})
	if err != nil {
		return false, "", err
	}
	phase, _ := rec.Measured()
	sum := total(rec)
	rate := float64(sum.Count) / phase.Duration.Seconds()
	inFlight := rate * sum.Service.Mean().Seconds()
	ok := math.Abs(inFlight/workers-1) <= 0.02
	for _, v := range rec.Verdicts {
		ok = ok && (v.OK || v.Name != "littles-law")
	}
	return ok, fmt.Sprintf("%.0f/s × %v = %.2f in flight, want %d ±2 %%", rate, sum.Service.Mean(), inFlight, workers), nil
}
