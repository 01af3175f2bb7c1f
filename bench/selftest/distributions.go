package selftest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/etalon-kv/etalon/bench"
)

// items and draws of the checks of choosers.
const (
	items = 1000
	draws = 300_000
)

// keyDistribution is a chooser and the probability that it should give each item.
type keyDistribution struct {
	name        string
	chooser     func() bench.Chooser
	probability func(i int) float64
}

func distributions() []keyDistribution {
	weight := 0.0
	for i := range items {
		weight += math.Pow(float64(i+1), -bench.ZipfTheta)
	}
	zipf := func(rank int) float64 { return math.Pow(float64(rank+1), -bench.ZipfTheta) / weight }
	zipfian := func() bench.Chooser { return bench.NewZipfian(bench.ZipfTheta) }
	// Which rank an item has: the permutation, applied to ranks that are counted up.
	rankOf := make([]int, items)
	byRank := bench.NewScrambled(new(bench.Sequential), items, false)
	for rank := range items {
		rankOf[byRank.Choose(nil, items)] = rank
	}
	const percentile, frac, hotSet, hotOps = 95, 0.8571428571, 0.2, 0.8
	mean := -items * frac / math.Log(1-percentile/100.0)
	tail := func(back int) float64 { return math.Exp(-float64(back) / mean) }
	return []keyDistribution{
		{"sequential", func() bench.Chooser { return new(bench.Sequential) }, func(int) float64 { return 1.0 / items }},
		{"uniform", func() bench.Chooser { return bench.Uniform{} }, func(int) float64 { return 1.0 / items }},
		{"zipfian-clustered", zipfian, zipf},
		{"zipfian-scrambled", func() bench.Chooser { return bench.NewScrambled(zipfian(), items, false) },
			func(i int) float64 { return zipf(rankOf[i]) }},
		{"latest", func() bench.Chooser { return bench.NewLatest(zipfian()) }, func(i int) float64 { return zipf(items - 1 - i) }},
		{"hotspot", func() bench.Chooser { return bench.Hotspot{Set: hotSet, Ops: hotOps} }, func(i int) float64 {
			if i < hotSet*items {
				return hotOps / (hotSet * items)
			}
			return (1 - hotOps) / (items - hotSet*items)
		}},
		{"exponential", func() bench.Chooser { return bench.Exponential{Percentile: percentile, Frac: frac} }, func(i int) float64 {
			back := items - 1 - i
			return (tail(back) - tail(back+1)) / (1 - tail(items))
		}},
	}
}

func (d keyDistribution) check(_ context.Context, h *harness) (bool, string, error) {
	c, r := h.chooser(d.name, d.chooser()), rand.New(rand.NewPCG(1, 2))
	counts := make([]int64, items)
	for range draws {
		counts[c.Choose(r, items)]++
	}
	p := chiSquare(counts, d.probability)
	return p >= pBelow, fmt.Sprintf("chi-square of %d draws of %d items: p = %.3g, accepted: from %v", draws, items, p, pBelow), nil
}

// valueSizes: fixed, uniform and log-normal sizes are what they say.
func valueSizes(context.Context, *harness) (bool, string, error) {
	uniform, err := bench.ParseSizes("uniform:100-299")
	if err != nil {
		return false, "", err
	}
	normal, err := bench.ParseSizes("lognormal:100000,0.8")
	if err != nil {
		return false, "", err
	}
	values, err := bench.NewValues(1, uniform, 1)
	if err != nil {
		return false, "", err
	}
	counts, logs := make([]int64, 200), []float64{}
	r := rand.New(rand.NewPCG(1, 3))
	for i := range uint64(100_000) {
		counts[values.Size(i, bench.MakeStamp(1, i))-100]++
		logs = append(logs, math.Log(float64(normal.At(r.Uint64()))/100_000)/0.8)
	}
	even := chiSquare(counts, func(int) float64 { return 1.0 / 200 })
	bell := kolmogorovSmirnov(logs, func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 })
	return even >= pBelow && bell >= pBelow,
		fmt.Sprintf("uniform: chi-square p = %.3g; log-normal: Kolmogorov-Smirnov p = %.3g; accepted: from %v", even, bell, pBelow), nil
}

// poissonArrivals: gaps are exponential, and counts in equal stretches vary as much as they are
// large.
func poissonArrivals(context.Context, *harness) (bool, string, error) {
	const arrivals, perStretch = 100_000, 200.0
	s := bench.Poisson{PerSec: 1, Seed: 1}
	gaps, stretches := make([]float64, 0, arrivals), make([]float64, arrivals/perStretch*0.9)
	last := 0.0
	for n := range uint64(arrivals) {
		due, _ := s.At(n)
		at := due.Seconds()
		gaps = append(gaps, at-last)
		last = at
		if i := int(at / perStretch); i < len(stretches) {
			stretches[i]++
		}
	}
	p := kolmogorovSmirnov(gaps, func(x float64) float64 { return 1 - math.Exp(-x) })
	var mean, variance float64
	for _, c := range stretches {
		mean += c / float64(len(stretches))
	}
	for _, c := range stretches {
		variance += (c - mean) * (c - mean) / float64(len(stretches)-1)
	}
	spread := variance / mean // 1 ± 2√(2/k) for k stretches
	return p >= pBelow && math.Abs(spread-1) < 3*math.Sqrt(2/float64(len(stretches))) && math.Abs(last/arrivals-1) < 0.02,
		fmt.Sprintf("gaps: Kolmogorov-Smirnov p = %.3g; counts: variance %.3f times the mean, want 1; %d arrivals in %.0f mean gaps",
			p, spread, arrivals, last), nil
}

// operationMix: the YCSB workloads have the proportions of their specification.
func operationMix(_ context.Context, h *harness) (bool, string, error) {
	want := map[string]map[bench.Kind]float64{
		"ycsb-a": {bench.Get: 0.5, bench.Put: 0.5},
		"ycsb-b": {bench.Get: 0.95, bench.Put: 0.05},
		"ycsb-c": {bench.Get: 1},
		"ycsb-d": {bench.Get: 0.95, bench.Insert: 0.05},
		"ycsb-e": {bench.Scan: 0.95, bench.Insert: 0.05},
		"ycsb-f": {bench.Get: 0.5, bench.ReadModifyWrite: 0.5},
	}
	ok := true
	var detail []string
	for _, name := range []string{"ycsb-a", "ycsb-b", "ycsb-c", "ycsb-d", "ycsb-e", "ycsb-f"} {
		m, err := h.source(bench.Spec{Workload: name, Records: 1000, ValueSize: "16", CheckEvery: 1 << 30})
		if err != nil {
			return false, "", err
		}
		w, r := m.Worker(0), rand.New(rand.NewPCG(1, 4))
		kinds, lengths := make([]int64, bench.ReadModifyWrite+1), make([]int64, 100)
		var op bench.Op
		for range 50_000 {
			w.Next(r, &op)
			kinds[op.Kind]++
			op.Items = 1
			if op.Kind == bench.Scan {
				lengths[op.Limit-1]++
			}
			w.Acknowledged(&op, nil)
		}
		p := chiSquare(kinds, func(k int) float64 { return want[name][bench.Kind(k)] })
		if name == "ycsb-e" {
			p = min(p, chiSquare(lengths, func(int) float64 { return 0.01 }))
		}
		ok = ok && p >= pBelow
		detail = append(detail, fmt.Sprintf("%s p = %.3g", name, p))
	}
	return ok, "chi-square of 50000 operations: " + strings.Join(detail, ", "), nil
}
