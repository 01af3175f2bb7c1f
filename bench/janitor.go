package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// Suffixes of the names of kinds where a compaction runs at times.
const (
	suffixQuiet      = "-quiet"      // no compaction ran during any part of the operation
	suffixCompacting = "-compacting" // one did
)

// janitor has the target compact behind the workers, from before the warm-up to the end of the
// measured phase, and lets them know when.
type janitor struct {
	source Compacted
	target Compactor
	clock  clock
	class  func(error) string
	wait   time.Duration // what a compaction may take
	quit   chan struct{} // closed at the end of the measured phase

	epoch atomic.Uint64 // odd while a compaction runs
	since atomic.Int64  // compactions that begin from then on are measured

	// Of run alone, until it has returned.
	took   results.Histogram
	errors map[string]int64
	last   int64 // revision
	err    error // the last
}

func newJanitor(source Compacted, target Target, c clock, wait time.Duration) (*janitor, error) {
	t, ok := target.(Compactor)
	if !ok {
		return nil, fmt.Errorf("the workload has compactions, and a target of type %T knows none", target)
	}
	j := &janitor{
		source: source, target: t, clock: c, wait: wait, quit: make(chan struct{}), errors: make(map[string]int64),
		class: func(err error) string { return classify(err, ownClass(target)) },
	}
	j.since.Store(int64(^uint64(0) >> 1))
	return j, nil
}

// run compacts until quit is closed or ctx ends.
func (j *janitor) run(ctx context.Context) {
	timer := time.NewTimer(j.source.CompactEvery())
	defer timer.Stop()
	for {
		select {
		case <-j.quit:
			return
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if rev := j.source.CompactTo(); rev > j.last {
			j.compact(ctx, rev)
		}
		timer.Reset(j.source.CompactEvery())
	}
}

func (j *janitor) compact(ctx context.Context, rev int64) {
	ctx, cancel := context.WithTimeout(ctx, j.wait)
	defer cancel()
	measured := j.clock.now() >= time.Duration(j.since.Load())
	j.epoch.Add(1)
	start := j.clock.now()
	err := j.target.Compact(ctx, rev)
	took := j.clock.now() - start
	j.epoch.Add(1)
	switch {
	case err != nil:
		j.errors[j.class(err)]++
		j.err = err
		return
	case measured:
		j.took.Record(took)
	}
	j.last = rev
}

// stats is what was measured.
func (j *janitor) stats() *results.OpStats {
	s := &results.OpStats{Errors: j.errors, Service: results.NewHistogram()}
	s.Service.Merge(&j.took)
	s.Count = s.Service.Count()
	s.Items = s.Count
	return s
}

// verdict is whether all compactions went well.
func (j *janitor) verdict() results.Verdict {
	v := results.Verdict{Name: "compactions", OK: j.err == nil}
	v.Detail = fmt.Sprintf("%d in the measured phase, the last at revision %d", j.took.Count(), j.last)
	if j.err != nil {
		v.Detail = fmt.Sprintf("%v failed, the last: %v", j.errors, j.err)
	}
	return v
}
