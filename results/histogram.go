package results

import (
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Range and precision of every latency histogram.
const (
	HistogramMin    = 100 * time.Nanosecond
	HistogramMax    = 100 * time.Second
	HistogramDigits = 3
)

// Histogram counts durations with 3 significant digits from 100 ns to 100 s. Shorter ones count
// as 100 ns; longer ones are counted apart in Overflow, never clamped into a percentile. It is
// not safe for concurrent use; merge many into one.
type Histogram struct {
	h        *hdr.Histogram
	overflow int64
	sumNS    int64 // exact sum of the recorded durations, overflow included
	minNS    int64 // exact; meaningless while empty
	maxNS    int64 // exact, overflow included
}
