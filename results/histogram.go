package results

import (
	"iter"
	"math"
	"math/bits"
	"time"
)

// Range and precision of every latency histogram.
const (
	HistogramMin    = 100 * time.Nanosecond
	HistogramMax    = 100 * time.Second
	HistogramDigits = 3
)

// The layout is HdrHistogram's for values from 1 to HistogramMax with 3 digits: values below 2048
// have a counter each, and every doubling above takes another 1024 counters. Resolution is 1 ns up
// to 2 µs, so that 100 ns too has its three digits, and better than 0.1 % above.
const (
	blockBits   = 10
	blockLen    = 1 << blockBits
	blockCount  = 28 // 2048<<26 ns is the first power of two past HistogramMax
	subBitsFull = blockBits + 1
)

// Histogram counts durations with 3 significant digits from 100 ns to 100 s. Shorter ones count
// as 100 ns; longer ones are counted apart in Overflow, never clamped into a percentile. Count,
// Sum, Min and Max are exact whatever the range. The zero Histogram is empty and ready for use. It
// is not safe for concurrent use; give each goroutine its own and Merge them.
//
// The counters are our own rather than a hdrhistogram.Histogram, whose range would be one array of
// 229 KB for each of thousands of clients: here a block of 8 KiB comes into being when a latency of
// its magnitude does, some eight blocks for a usual distribution. The stored form is HdrHistogram's
// (see MarshalJSON), made and read by that library.
type Histogram struct {
	blocks   [blockCount]*[blockLen]int64
	count    int64 // all recorded, overflow included
	overflow int64
	sumNS    int64 // exact sum of the recorded durations, overflow included
	minNS    int64 // exact; meaningless while empty
	maxNS    int64 // exact, overflow included
}

// NewHistogram returns an empty histogram.
func NewHistogram() *Histogram { return new(Histogram) }

// counterIndex is the counter of ns, which is in [0, HistogramMax].
func counterIndex(ns int64) int {
	shift := bits.Len64(uint64(ns)|(1<<subBitsFull-1)) - subBitsFull
	return shift<<blockBits + int(ns>>uint(shift))
}

// counterRange is the lowest and the highest duration that counter i counts, in nanoseconds.
func counterRange(i int) (lo, hi int64) {
	shift := max(i>>blockBits-1, 0)
	lo = int64(i-shift<<blockBits) << uint(shift)
	return lo, lo + 1<<uint(shift) - 1
}

// Record counts d. A negative d, which no monotonic clock produces, counts as 0. It allocates only
// when the first duration of a new magnitude arrives.
func (h *Histogram) Record(d time.Duration) {
	ns := max(int64(d), 0)
	if ns < h.minNS || h.count == 0 {
		h.minNS = ns
	}
	h.maxNS = max(h.maxNS, ns)
	h.count++
	h.sumNS += ns
	if ns > int64(HistogramMax) {
		h.overflow++
		return
	}
	i := counterIndex(max(ns, int64(HistogramMin)))
	b := h.blocks[i>>blockBits]
	if b == nil {
		b = h.addBlock(i >> blockBits)
	}
	b[i&(blockLen-1)]++
}

//go:noinline
func (h *Histogram) addBlock(n int) *[blockLen]int64 {
	h.blocks[n] = new([blockLen]int64)
	return h.blocks[n]
}

// RecordN counts d n times: the n entries of a batch that took d. n < 1 counts nothing.
func (h *Histogram) RecordN(d time.Duration, n int64) {
	if n < 1 {
		return
	}
	h.Record(d)
	if n--; n == 0 {
		return
	}
	ns := max(int64(d), 0)
	h.count += n
	h.sumNS += n * ns
	if ns > int64(HistogramMax) {
		h.overflow += n
		return
	}
	i := counterIndex(max(ns, int64(HistogramMin)))
	h.blocks[i>>blockBits][i&(blockLen-1)] += n
}

// Merge adds everything from has counted, as if each of its durations had been recorded here. A
// nil from adds nothing. from is not changed.
func (h *Histogram) Merge(from *Histogram) {
	if from == nil || from.count == 0 {
		return
	}
	if h.count == 0 || from.minNS < h.minNS {
		h.minNS = from.minNS
	}
	h.maxNS = max(h.maxNS, from.maxNS)
	h.count += from.count
	h.overflow += from.overflow
	h.sumNS += from.sumNS
	for n, src := range from.blocks {
		if src == nil {
			continue
		}
		dst := h.blocks[n]
		if dst == nil {
			dst = h.addBlock(n)
		}
		for i, c := range src {
			dst[i] += c
		}
	}
}

// Clone returns an independent copy.
func (h *Histogram) Clone() *Histogram {
	c := NewHistogram()
	c.Merge(h)
	return c
}

// Reset empties the histogram and keeps its memory.
func (h *Histogram) Reset() {
	blocks := h.blocks
	for _, b := range blocks {
		if b != nil {
			*b = [blockLen]int64{}
		}
	}
	*h = Histogram{blocks: blocks}
}

// Count is how many durations were recorded, those in overflow included.
func (h *Histogram) Count() int64 { return h.count }

// Overflow is how many of them were longer than HistogramMax.
func (h *Histogram) Overflow() int64 { return h.overflow }

// Sum is the exact sum of all recorded durations. It holds 292 years.
func (h *Histogram) Sum() time.Duration { return time.Duration(h.sumNS) }

// Mean is Sum over Count, to the nanosecond below; 0 if empty.
func (h *Histogram) Mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return time.Duration(h.sumNS / h.count)
}

// Min is the exact shortest duration; 0 if empty.
func (h *Histogram) Min() time.Duration {
	if h.count == 0 {
		return 0
	}
	return time.Duration(h.minNS)
}

// Max is the exact longest duration, also of those in overflow; 0 if empty.
func (h *Histogram) Max() time.Duration { return time.Duration(h.maxNS) }

// Floored tells whether d, a quantile of h, stands for shorter durations as well, which are counted as
// HistogramMin; print it as "at most d".
func (h *Histogram) Floored(d time.Duration) bool {
	return d == HistogramMin && h.count > 0 && h.minNS < int64(HistogramMin)
}

// Quantile returns the duration that the share q of all recorded ones does not exceed: the upper
// end of the counter that holds the ceil(q·Count)-th shortest, but never more than Max; Min exactly
// for q <= 0 and Max for q >= 1. ok is false when there is nothing to tell: the histogram is empty
// (0), or the quantile lies among the overflow, of which only Max, the answer, is known; print that
// as "longer than HistogramMax".
func (h *Histogram) Quantile(q float64) (d time.Duration, ok bool) {
	if h.count == 0 {
		return 0, false
	}
	if q <= 0 && h.overflow < h.count {
		return h.Min(), true
	}
	rank := h.rank(q)
	if rank > h.count-h.overflow || rank == h.count {
		return h.Max(), h.overflow == 0
	}
	var seen int64
	for b := range h.Buckets() {
		if seen += b.Count; seen >= rank {
			return min(b.Hi, h.Max()), true
		}
	}
	panic("results: histogram counters do not add up to its count")
}

// rank is ceil(q·count) in [1, count]. The product is taken down by its own rounding error first:
// 0.07 of 100 is the 7th, though the product in floating point is a hair above 7.
func (h *Histogram) rank(q float64) int64 {
	r := math.Ceil(q * float64(h.count) * (1 - 0x1p-51))
	switch {
	case r >= float64(h.count):
		return h.count
	case r >= 1:
		return int64(r)
	}
	return 1
}

// Bucket is one counter of a Histogram that is not 0: Count durations in [Lo, Hi].
type Bucket struct {
	Lo, Hi time.Duration
	Count  int64
}

// Buckets yields the counters that are not 0, ascending. The overflow is in none of them.
func (h *Histogram) Buckets() iter.Seq[Bucket] {
	return func(yield func(Bucket) bool) {
		for n, block := range h.blocks {
			if block == nil {
				continue
			}
			for i, c := range block {
				if c == 0 {
					continue
				}
				lo, hi := counterRange(n<<blockBits | i)
				if !yield(Bucket{Lo: time.Duration(lo), Hi: time.Duration(hi), Count: c}) {
					return
				}
			}
		}
	}
}

// Equal reports whether both have counted the same: every counter, the overflow, sum, min and max.
func (h *Histogram) Equal(o *Histogram) bool {
	if h.count != o.count || h.overflow != o.overflow || h.sumNS != o.sumNS ||
		h.Min() != o.Min() || h.maxNS != o.maxNS {
		return false
	}
	var zero [blockLen]int64
	for n := range h.blocks {
		a, b := h.blocks[n], o.blocks[n]
		if a == nil {
			a = &zero
		}
		if b == nil {
			b = &zero
		}
		if *a != *b {
			return false
		}
	}
	return true
}
