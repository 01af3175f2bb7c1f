package results

import (
	"iter"
	"math"
	"time"
)

// Percentile is one point of a latency distribution: the share Quantile of all operations took
// at most Value; Count of them.
type Percentile struct {
	Value    time.Duration
	Quantile float64 // in [0, 1]
	Count    int64   // operations at or below Value
	// Overflow: only that the quantile is longer than HistogramMax is known; Value is the exact Max.
	Overflow bool
}

// Percentiles yields the distribution for HdrHistogram's percentile axis 1/(1-q), which shows each
// further nine at the same width: perHalf points from 0 to the median, as many to 0.75, to 0.875
// and so on until a single operation is left, then the maximum. Values never descend. An empty
// histogram yields nothing.
func (h *Histogram) Percentiles(perHalf int) iter.Seq[Percentile] {
	perHalf = max(perHalf, 1)
	return func(yield func(Percentile) bool) {
		if h.count == 0 {
			return
		}
		var seen int64
		next := 0.0 // the quantile of the next point
		for b := range h.Buckets() {
			seen += b.Count
			for next <= float64(seen)/float64(h.count) && seen < h.count {
				if !yield(Percentile{Value: min(b.Hi, h.Max()), Quantile: next, Count: seen}) {
					return
				}
				half := math.Exp2(math.Floor(math.Log2(1/(1-next))) + 1)
				next += 1 / (half * float64(perHalf))
			}
		}
		yield(Percentile{Value: h.Max(), Quantile: 1, Count: h.count, Overflow: h.overflow > 0})
	}
}
