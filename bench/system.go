package bench

import (
	"context"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// What a Target may tell the Runner about itself: each interface is optional and found by type
// assertion. All methods are safe for concurrent use, also beside Do.

// Gauger is a Target whose sizes and counts can be read while it works.
type Gauger interface {
	// Gauges is called every interval, and must be cheap.
	Gauges() Gauges
}

// Gauges are live figures of a system; sizes are bytes now, counts since it was opened. -1 is
// unknown.
type Gauges struct {
	DiskBytes    int64 // what its files take
	LiveBytes    int64 // what the current content takes in its structures
	LogBytes     int64 // the part of DiskBytes in write-ahead logs
	WrittenBytes int64 // all it wrote to its files
	Syncs        int64 // syncs to disk that writers waited for
	DeviceBytes  int64 // what the block device below its files was sent, by whomever
}

// unknownGauges are those of a Target that is no Gauger.
func unknownGauges() Gauges { return Gauges{-1, -1, -1, -1, -1, -1} }

// Drainer is a Target with background work (flushes, compactions) that can be waited for.
type Drainer interface {
	// Drain returns when nothing is pending, or ctx has ended. No operation runs beside it.
	Drain(ctx context.Context) error
}

// ErrorClasser is a Target that names the classes of its errors: short, stable words. "" is other.
// Errors of contexts are classed by the Runner.
type ErrorClasser interface {
	ErrorClass(err error) string
}

// Labeled is a Target that says what its figures stand for.
type Labeled interface {
	Durability() results.Durability
	Consistency() results.Consistency
}

// Described is a Target that tells its effective options, by component, defaults included.
type Described interface {
	Options() map[string]map[string]string
}

// Remote is a Target that works in other processes than the load generator's. What it has used is then
// what the record shows of resources; the generator's own stands beside it.
type Remote interface {
	// Used is called every interval, and must be cheap.
	Used() Used
}

// Used is what some processes have used together since they started. -1 is unknown.
type Used struct {
	UserCPU, SystemCPU time.Duration
	RSSBytes           int64 // now
}

// Judged is a Target that knows whether a run on it counts.
type Judged interface {
	// Verdicts are asked for once, when everything is done. One that is not OK makes the run invalid.
	Verdicts() []results.Verdict
}
