package results

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Better says which direction of a metric is the good one.
type Better int

const (
	LowerBetter  Better = -1
	NeitherWay   Better = 0
	HigherBetter Better = +1
)

// Metric is one figure of a run: one number a run, so that a run is one sample for the statistics.
type Metric struct {
	// Unit names the metric, in the form benchstat understands: "ops/s", "p99-ns", "engine-B/op".
	Unit string
	// Title is for people: "throughput", "p99 latency".
	Title  string
	Better Better
	// Of is the run's figure; false where the run cannot tell (a count that is unknown, an empty
	// histogram, a quantile in the overflow).
	Of func(*Record) (float64, bool)
}

// Throughput is the operations that succeeded in the measured phase a second of it.
func Throughput() Metric {
	return Metric{"ops/s", "throughput", HigherBetter, func(r *Record) (float64, bool) {
		p, ok := r.Measured()
		return float64(r.Count()) / p.Duration.Seconds(), ok && p.Duration > 0
	}}
}

// LatencyQuantile is the q-th quantile of what the headline counts (see OpStats.Latency), over the
// operations of one kind, or of all kinds if kind is "". A saturated run has none.
func LatencyQuantile(kind string, q float64) Metric {
	name := quantileName(q)
	m := Metric{Unit: name + "-ns", Title: name + " latency", Better: LowerBetter}
	if kind != "" {
		m.Unit, m.Title = kind+"-"+m.Unit, kind+" "+m.Title
	}
	m.Of = func(r *Record) (float64, bool) {
		d, ok := r.Latency(kind).Quantile(q)
		return float64(d), ok && !r.SaturatedIn(kind)
	}
	return m
}

// quantileName is p50, p99, p99.9, …
func quantileName(q float64) string {
	return "p" + strings.TrimSuffix(fmt.Sprintf("%.4g", q*100), ".")
}

// isLatency tells latencies from costs, such as cpu-ns/op.
func (m Metric) isLatency() bool { return strings.HasSuffix(m.Unit, "-ns") }

// kind is the kind of operation that a latency is of, "" for all.
func (m Metric) kind() string {
	return strings.TrimSuffix(m.Unit[:max(strings.LastIndex(m.Unit, "p"), 0)], "-")
}

// Metrics are all metrics that every run may have, in the order in which they are shown.
func Metrics() []Metric {
	ms := []Metric{
		Throughput(),
		{"items/s", "keys a second", HigherBetter, perSecond(func(r *Record) float64 { return sumOps(r, func(s *OpStats) int64 { return s.Items }) })},
		{"drained-ops/s", "throughput, drain included", HigherBetter, drained},
		LatencyQuantile("", 0.5), LatencyQuantile("", 0.99), LatencyQuantile("", 0.999),
		{"max-ns", "longest latency", LowerBetter, func(r *Record) (float64, bool) {
			h := r.Latency("")
			return float64(h.Max()), h.Count() > 0 && !r.Saturated()
		}},
		perOp("cpu-ns/op", "CPU an operation", func(r *Record) int64 { return int64(r.Resources.UserCPU + r.Resources.SystemCPU) }),
		perOp("client-cpu-ns/op", "CPU of the load generator an operation, where it is a process of its own", func(r *Record) int64 {
			if r.Generator == nil {
				return -1
			}
			return int64(r.Generator.UserCPU + r.Generator.SystemCPU)
		}),
		perOp("engine-B/op", "engine bytes an operation", func(r *Record) int64 { return r.Bytes.EngineWritten }),
		perOp("device-B/op", "device bytes an operation", func(r *Record) int64 { return r.Bytes.DeviceWritten }),
		ratio("write-amp", "write amplification", func(r *Record) (a, b int64) { return r.Bytes.EngineWritten, r.Bytes.ClientWritten }),
		ratio("space-amp", "space amplification", func(r *Record) (a, b int64) { return r.Bytes.Disk, r.Bytes.Dataset }),
		level("disk-B", "disk used at the end", func(r *Record) int64 { return r.Bytes.Disk }),
		level("disk-peak-B", "disk used at most", func(r *Record) int64 { return r.Bytes.DiskPeak }),
		perOp("syncs/op", "syncs an operation", func(r *Record) int64 { return r.Bytes.Syncs }),
		level("rss-B", "resident memory at most", func(r *Record) int64 { return r.Resources.MaxRSSBytes }),
		perOp("B/op", "heap bytes an operation", func(r *Record) int64 { return r.Resources.AllocBytes }),
		perOp("allocs/op", "allocations an operation", func(r *Record) int64 { return r.Resources.AllocObjects }),
		{"errors/op", "errors an operation", LowerBetter, func(r *Record) (float64, bool) {
			ok, failed := r.Count(), r.ErrorCount()
			return float64(failed) / float64(ok+failed), ok+failed > 0
		}},
	}
	return ms
}

// HeadlineMetrics are the few that a comparison looks at unless told otherwise.
func HeadlineMetrics() []Metric {
	ms, err := MetricsByUnit("ops/s", "p50-ns", "p99-ns", "p99.9-ns", "cpu-ns/op", "engine-B/op", "disk-B")
	if err != nil {
		panic(err) // the names stand above
	}
	return ms
}

// MetricsByUnit finds metrics of Metrics by their units; also "KIND-p99-ns" for the latency of one
// kind of operation and "stage-NAME-p99-ns" for a stage are accepted, with any quantile.
func MetricsByUnit(units ...string) ([]Metric, error) {
	all := Metrics()
	var out []Metric
	for _, u := range units {
		i := slices.IndexFunc(all, func(m Metric) bool { return m.Unit == u })
		if i >= 0 {
			out = append(out, all[i])
			continue
		}
		m, ok := parseQuantile(u)
		if !ok {
			var known []string
			for _, m := range all {
				known = append(known, m.Unit)
			}
			return nil, fmt.Errorf("results: unknown metric %q, accepted are %s, and latencies as p99.9-ns, put-p99-ns or stage-sync-p99-ns", clip(u, 80), strings.Join(known, ", "))
		}
		out = append(out, m)
	}
	return out, nil
}

func parseQuantile(unit string) (Metric, bool) {
	rest, ok := strings.CutSuffix(unit, "-ns")
	i := strings.LastIndex(rest, "p")
	if !ok || i < 0 || i > 0 && rest[i-1] != '-' {
		return Metric{}, false
	}
	var pct float64
	if n, err := fmt.Sscanf(rest[i+1:]+"|", "%f|", &pct); n != 1 || err != nil || !(pct > 0 && pct <= 100) {
		return Metric{}, false
	}
	of := strings.TrimSuffix(rest[:i], "-")
	m := LatencyQuantile(of, pct/100)
	if stage, ok := strings.CutPrefix(of, stagePrefix); ok {
		m = StageQuantile(stage, pct/100)
	}
	return m, m.Unit == unit
}

func perSecond(f func(*Record) float64) func(*Record) (float64, bool) {
	return func(r *Record) (float64, bool) {
		p, ok := r.Measured()
		return f(r) / p.Duration.Seconds(), ok && p.Duration > 0
	}
}

// drained charges the background work that the measured phase left behind to its operations.
func drained(r *Record) (float64, bool) {
	p, ok := r.Measured()
	var drain time.Duration
	for _, ph := range r.Phases {
		if ph.Name == "drain" {
			drain += ph.Duration
		}
	}
	return float64(r.Count()) / (p.Duration + drain).Seconds(), ok && p.Duration > 0
}

func perOp(unit, title string, f func(*Record) int64) Metric {
	return Metric{unit, title, LowerBetter, func(r *Record) (float64, bool) {
		v, n := f(r), r.Count()
		return float64(v) / float64(n), v >= 0 && n > 0
	}}
}

func ratio(unit, title string, f func(*Record) (a, b int64)) Metric {
	return Metric{unit, title, LowerBetter, func(r *Record) (float64, bool) {
		a, b := f(r)
		return float64(a) / float64(b), a >= 0 && b > 0
	}}
}

func level(unit, title string, f func(*Record) int64) Metric {
	return Metric{unit, title, LowerBetter, func(r *Record) (float64, bool) {
		v := f(r)
		return float64(v), v >= 0
	}}
}

func sumOps(r *Record, f func(*OpStats) int64) float64 {
	var n int64
	for _, s := range r.Ops {
		n += f(s)
	}
	return float64(n)
}

// Count is the operations of all kinds that succeeded in the measured phase.
func (r *Record) Count() int64 {
	var n int64
	for _, s := range r.Ops {
		n += s.Count
	}
	return n
}

// ErrorCount is the operations of all kinds that failed in the measured phase.
func (r *Record) ErrorCount() int64 {
	var n int64
	for _, s := range r.Ops {
		n += s.ErrorCount()
	}
	return n
}

// OpenLoop reports whether the operations were due at times of a schedule: the latency is then the
// response time.
func (r *Record) OpenLoop() bool {
	for _, s := range r.Ops {
		if s.Response != nil {
			return true
		}
	}
	return false
}

// SaturatedBelow is the share of the offered operations from which on a target has kept up.
const SaturatedBelow = 0.99

// Saturated reports whether less than SaturatedBelow of the operations that were due in an open loop
// were sent: the backlog then grew for as long as the run lasted, and so did every latency. Such a
// run has no headline latency; its histograms stay in the record.
func (r *Record) Saturated() bool {
	var dropped int64
	for _, s := range r.Ops {
		dropped += s.Dropped
	}
	done := r.Count() + r.ErrorCount()
	return dropped > 0 && float64(done) < SaturatedBelow*float64(done+dropped)
}
