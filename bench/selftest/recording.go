package selftest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/results"
)

// durations are random ones of all magnitudes, some too long for the histogram.
func durations(seed uint64, n int) []time.Duration {
	r := rand.New(rand.NewPCG(seed, 1))
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = time.Duration(math.Exp(r.Float64() * math.Log(float64(2*results.HistogramMax))))
	}
	return all
}

// histogramMerge: merged histograms equal one histogram of all samples, and its percentiles are
// those of the sorted samples to 3 digits.
func histogramMerge(_ context.Context, h *harness) (bool, string, error) {
	const parts, each = 8, 5_000
	one := results.NewHistogram()
	var split []*results.Histogram
	for i := range parts {
		part := results.NewHistogram()
		for _, d := range durations(uint64(i), each) {
			part.Record(d)
			one.Record(d)
		}
		split = append(split, part)
	}
	merged := h.merge(split)
	return merged.Equal(one) && merged.Count() == parts*each && merged.Overflow() > 0,
		fmt.Sprintf("%d parts of %d: count %d, overflow %d, sum %v, max %v; one histogram of all: %d, %d, %v, %v", parts, each,
			merged.Count(), merged.Overflow(), merged.Sum(), merged.Max(), one.Count(), one.Overflow(), one.Sum(), one.Max()), nil
}

// recordingKeepsAll: outcomes that many workers record side by side, while intervals are cut, come
// out as one histogram of all would hold them, in the totals as in the sum of the intervals.
func recordingKeepsAll(_ context.Context, h *harness) (bool, string, error) {
	const workers, each = 8, 5_000
	rec := bench.NewRecording(workers, 2, false)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			r := rec.Worker(i)
			for _, d := range durations(uint64(i), each) {
				r.Record(&bench.Outcome{Kind: bench.Get, Service: d, Items: 1})
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	var intervals []*results.Histogram
	for done := false; !done; {
		select {
		case <-finished:
			done = true
		default:
		}
		var t bench.Totals
		rec.Cut(&t)
		intervals = append(intervals, t.Latency.Clone())
	}
	want := results.NewHistogram()
	for i := range workers {
		for _, d := range durations(uint64(i), each) {
			want.Record(d)
		}
	}
	got, sum := rec.Stats()["get"].Service, h.merge(intervals)
	return got.Equal(want) && sum.Equal(want),
		fmt.Sprintf("%d outcomes of %d workers: %d in the totals, %d in %d intervals", workers*each, workers, got.Count(), sum.Count(), len(intervals)), nil
}

// compressibility: values compress to what they declare.
func compressibility(_ context.Context, h *harness) (bool, string, error) {
	var detail []string
	ok := true
	for _, want := range []float64{0.25, 0.5, 1} {
		sizes, err := bench.ParseSizes("1000")
		if err != nil {
			return false, "", err
		}
		v, err := bench.NewValues(1, sizes, want)
		if err != nil {
			return false, "", err
		}
		got, err := h.values(v).CompressedShare()
		if err != nil {
			return false, "", err
		}
		ok = ok && math.Abs(got/want-1) <= 0.05
		detail = append(detail, fmt.Sprintf("declared %v, DEFLATE leaves %.3f", want, got))
	}
	return ok, strings.Join(detail, "; ") + "; accepted: ±5 %", nil
}
