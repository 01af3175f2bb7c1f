package resultstest

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// fillSeries divides the operations over the seconds, with a dip where the engine stalls, and fills
// the ledger and the resources that go with them.
func (o *Options) fillSeries(rng *rand.Rand, r *results.Record, m engineModel) {
	var ops, writes int64
	var busy time.Duration
	all := results.NewHistogram()
	for kind, s := range r.Ops {
		ops += s.Count
		busy += s.Service.Sum()
		if kind == "put" {
			writes = s.Count
		}
		all.Merge(s.Latency())
	}
	// Clients busy all the time: Little's law holds exactly.
	measured := busy / clients
	if o.Rate > 0 {
		measured = time.Duration(float64(ops) / float64(o.Rate) * float64(time.Second))
	}
	const pair = keyBytes + valueBytes
	client := writes * pair
	dataset := int64(loadedKeys * pair)
	p50, _ := all.Quantile(0.5)
	p99, _ := all.Quantile(0.99)
	p999, _ := all.Quantile(0.999)
	n := max(int(o.Duration/time.Second), 1)
	step := measured / time.Duration(n)
	for i := range n {
		wave := 1 + 0.05*math.Sin(float64(i)) + rng.NormFloat64()*0.02
		share := float64(i+1) / float64(n)
		s := results.Sample{
			At: time.Duration(i+1) * step, Duration: step,
			Ops: int64(float64(ops) / float64(n) * wave), P50: scale(p50, 1/wave), P99: scale(p99, 1/wave),
			P999: scale(p999, 1/wave), Max: scale(p999, 2),
			CPU: 1.4 * wave, RSSBytes: int64(120<<20 + 60<<20*share), GCPause: 200 * time.Microsecond,
			DiskBytes:   int64(float64(dataset) * (1 + (m.spaceAmp-1)*share)),
			EngineBytes: int64(float64(client) * m.writeAmp * share),
			DeviceBytes: int64(float64(client) * m.writeAmp * share * 1.05),
		}
		if m.stall > 0 && i%2 == 1 {
			s.Ops, s.P999, s.Max = s.Ops*8/10, m.stall/2, m.stall
		}
		s.Items = s.Ops
		r.Series = append(r.Series, s)
	}
	end := r.Series[n-1]
	r.Bytes = results.Bytes{
		ClientWritten: client, ClientRead: (ops - writes) * pair,
		EngineWritten: end.EngineBytes, DeviceWritten: end.DeviceBytes, Syncs: writes,
		Dataset: dataset, Disk: end.DiskBytes, DiskPeak: end.DiskBytes * 11 / 10, Live: dataset, Log: 4 << 20,
	}
	r.Resources = results.Resources{
		UserCPU: scale(measured, 1.1), SystemCPU: scale(measured, 0.3), MaxRSSBytes: 180 << 20,
		GCCycles: int64(n) * 3, GCPause: time.Duration(n) * 200 * time.Microsecond,
		AllocBytes: ops * 320, AllocObjects: ops * 4,
	}
	r.Phases = []results.Phase{
		{Name: "load", Duration: 900 * time.Millisecond, Ops: loadedKeys},
		{Name: "warmup", Start: 900 * time.Millisecond, Duration: time.Second, Ops: ops / int64(n)},
		{Name: "measure", Start: 1900 * time.Millisecond, Duration: measured, Ops: ops},
		{Name: "drain", Start: 1900*time.Millisecond + measured, Duration: scale(time.Second, m.writeAmp/40)},
		{Name: "verify", Start: 3*time.Second + measured, Duration: 100 * time.Millisecond, Ops: 1000},
	}
}

func scale(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }
