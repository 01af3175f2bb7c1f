package bench

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// Warnings of a Record begin with one of these words, by which a reader of records can tell them.
const (
	// WarnSaturated: the target did less than 99 % of what was offered. Its latencies depend on how
	// long the run lasted, and are not to be a headline.
	WarnSaturated = "saturated"
	// WarnGenerator: more than 1 % of the operations were sent late although a worker was free.
	WarnGenerator = "generator-limited"
	// WarnHeadroom: the rate is above a third of what the generator can do at all.
	WarnHeadroom = "headroom"
	// WarnCPU: a closed loop had more workers than cores and kept these busy, so that service times
	// hold waits for a core: those of a target in this process say as much of the Go scheduler.
	WarnCPU = "cpu-bound"
)

// Limits of the verdicts and warnings.
const (
	lateAbove    = 0.01
	headroom     = 3
	cpuBusy      = 0.9
	littleWithin = 0.01
)

func shardsFor(workers int) int { return min(workers, runtime.GOMAXPROCS(0)) }

// conclude enters the figures, warnings and verdicts of the measured phase in the record.
func (m *measurement) conclude() {
	r := m.record
	r.Ops = m.rec.Stats()
	shareDropped(r.Ops, m.droppedBy)
	r.Resources = m.before.since(m.after, m.maxRSS)
	m.warn()
	r.Verdicts = append(r.Verdicts, m.errorRate(), m.littlesLaw())
	if m.beside != nil {
		m.beside.enter(r, m.Schedule != nil)
	}
	if v, ok := m.Source.(Verifier); ok && !m.NoVerify {
		r.Verdicts = append(r.Verdicts, answers(v))
	}
	if t, ok := m.target.(Judged); ok {
		r.Verdicts = append(r.Verdicts, t.Verdicts()...)
	}
}

// shareDropped spreads operations that were never sent, and so never got a kind, over the kinds in
// proportion to those that were.
func shareDropped(ops map[string]*results.OpStats, dropped int64) {
	if dropped == 0 {
		return
	}
	var total, given int64
	sent := func(o *results.OpStats) int64 {
		n := o.Count
		for _, e := range o.Errors {
			n += e
		}
		return n
	}
	for _, o := range ops {
		total += sent(o)
	}
	var largest *results.OpStats
	for _, name := range kindNames {
		o := ops[name]
		if o == nil {
			continue
		}
		o.Dropped = int64(float64(dropped) * float64(sent(o)) / float64(total))
		given += o.Dropped
		if largest == nil || sent(o) > sent(largest) {
			largest = o
		}
	}
	if largest == nil { // nothing was sent at all
		largest = &results.OpStats{Errors: map[string]int64{}, Service: results.NewHistogram()}
		ops[Get.String()] = largest
	}
	largest.Dropped += dropped - given
}

func (m *measurement) warn() {
	done := m.sum.Ops + m.sum.Errors
	add := func(word, format string, args ...any) {
		m.record.Warnings = append(m.record.Warnings, word+": "+fmt.Sprintf(format, args...))
	}
	if m.Schedule != nil {
		if offered := done + m.droppedBy; offered > 0 && float64(done) < results.SaturatedBelow*float64(offered) {
			add(WarnSaturated, "%d of %d operations that were due were sent (%.1f %%); the latencies depend on the length of the run",
				done, offered, 100*float64(done)/float64(offered))
		}
		if done > 0 && float64(m.sum.Idle) > lateAbove*float64(done) {
			add(WarnGenerator, "%.1f %% of the operations were sent more than %v late although a worker was free",
				100*float64(m.sum.Idle)/float64(done), LateAfter)
		}
	}
	if rate := float64(done) / m.duration.Seconds(); m.Ceiling > 0 && rate > m.Ceiling/headroom {
		add(WarnHeadroom, "%.0f operations a second are above a third of the generator's own ceiling of %.0f", rate, m.Ceiling)
	}
	if cores := runtime.GOMAXPROCS(0); m.Schedule == nil && m.Workers > cores {
		used, share := m.busy()
		if busy := used.Seconds() / m.duration.Seconds() / float64(cores); busy >= cpuBusy {
			add(WarnCPU, "%d clients kept %d cores %.0f %% busy%s; latencies hold waits for a core", m.Workers, cores, 100*busy, share)
		}
	}
}

// busy is the CPU that target and load generator have used together, and whose it was if they are two.
func (m *measurement) busy() (used time.Duration, share string) {
	used = m.record.Resources.UserCPU + m.record.Resources.SystemCPU
	if own := m.record.Generator; own != nil {
		generator := own.UserCPU + own.SystemCPU
		used = max(used, 0) + generator
		share = fmt.Sprintf(" (%.0f %% of that the load generator's own)", 100*generator.Seconds()/max(used.Seconds(), 1e-9))
	}
	return used, share
}

func (m *measurement) errorRate() results.Verdict {
	done := m.sum.Ops + m.sum.Errors
	v := results.Verdict{Name: "errors", OK: done > 0}
	if done == 0 {
		v.Detail = "no operation was done"
		return v
	}
	rate := float64(m.sum.Errors) / float64(done)
	v.OK = rate <= m.MaxErrorRate
	v.Detail = fmt.Sprintf("%d of %d operations failed (%.3g %%), accepted: up to %.3g %%",
		m.sum.Errors, done, 100*rate, 100*m.MaxErrorRate)
	return v
}

// littlesLaw compares what the histograms say with what the workers' clocks say. In a closed loop
// throughput × mean service time is the mean number of operations in flight, and that is the number
// of workers less the share of time they spent outside Do, which they measured themselves: if
// outcomes were lost, doubled or clamped, the two differ. In an open loop it cannot be above the
// number of workers.
func (m *measurement) littlesLaw() results.Verdict {
	var life, idle, service time.Duration
	for _, w := range m.workers {
		life += w.life
		idle += w.idle
	}
	var done int64
	for _, o := range m.record.Ops {
		service += o.Service.Sum()
		done += o.Service.Count()
		if o.Failed != nil {
			service += o.Failed.Sum()
			done += o.Failed.Count()
		}
	}
	inFlight := service.Seconds() / m.duration.Seconds()
	want := (life - idle).Seconds() / m.duration.Seconds()
	v := results.Verdict{Name: "littles-law"}
	off := math.Abs(inFlight-want) / max(want, 1e-9)
	v.OK = done > 0 && (off <= littleWithin || math.Abs(inFlight-want) < 1e-6)
	v.Detail = fmt.Sprintf("%.0f/s × %v mean service = %.3f in flight; %d workers, %.1f %% of their time outside the target, make %.3f",
		float64(done)/m.duration.Seconds(), (service / time.Duration(max(done, 1))).Round(time.Nanosecond),
		inFlight, m.Workers, 100*idle.Seconds()/max(life.Seconds(), 1e-9), want)
	return v
}

func answers(v Verifier) results.Verdict {
	wrong, checked, first := v.Wrong()
	if wrong == 0 {
		return results.Verdict{Name: "answers", OK: true, Detail: fmt.Sprintf("%d answers were checked, all right", checked)}
	}
	return results.Verdict{Name: "answers", Detail: fmt.Sprintf("%d wrong answers: %s", wrong, strings.Join(first, "; "))}
}
