package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// loadSessions is the most sessions that load at the same time.
	loadSessions = 64
	// loadTries is how often a batch of the load phase is tried. A batch that failed may have been
	// written or not; writing it again is harmless, its values being the same each time.
	loadTries = 3
)

// load writes all records of the Source, then waits for the target's background work, so that what
// follows starts from a settled state.
func (r *run) load(ctx context.Context) (counts, error) {
	total, batch := r.Source.Records(), uint64(r.LoadBatch)
	var next, done, failed atomic.Uint64
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var loaders sync.WaitGroup
	for _, w := range r.workers[:min(len(r.workers), loadSessions)] {
		loaders.Go(func() {
			var op Op
			for inner.Err() == nil {
				first := next.Add(batch) - batch
				if first >= total {
					return
				}
				n := min(batch, total-first)
				tries, err := loadBatch(inner, r.Source, w.session, &op, first, int(n))
				failed.Add(uint64(tries))
				if err != nil {
					cancel(err)
					return
				}
				done.Add(n)
			}
		})
	}
	start := r.clock.now()
	err := r.await(ctx, &loaders, func() {
		r.progress(Progress{Phase: "load", Elapsed: r.clock.now() - start, Done: done.Load(), Total: total})
	})
	if err == nil && done.Load() != total {
		err = context.Cause(inner)
	}
	if err == nil {
		err = r.drainTarget(ctx)
	}
	return counts{int64(done.Load()), int64(failed.Load())}, err
}

// loadBatch inserts records first to first+n-1, and tells how many tries failed.
func loadBatch(ctx context.Context, src Source, s Session, op *Op, first uint64, n int) (failed int, err error) {
	for failed < loadTries {
		src.Load(op, first, n)
		if err = s.Do(ctx, op); err == nil {
			return failed, nil
		}
		failed++
		if ctx.Err() != nil {
			return failed, ctx.Err()
		}
	}
	return failed, fmt.Errorf("records %d to %d, tried %d times: %w", first, first+uint64(n)-1, failed, err)
}

// await waits for goroutines that end soon after ctx does, and calls tick every Interval.
func (r *run) await(ctx context.Context, wg *sync.WaitGroup, tick func()) error {
	returned := make(chan struct{})
	go func() { // ends when they do
		wg.Wait()
		close(returned)
	}()
	ticker := time.NewTicker(r.Interval)
	defer ticker.Stop()
	canceled := ctx.Done()
	var patience <-chan time.Time
	for {
		select {
		case <-returned:
			return ctx.Err()
		case <-ticker.C:
			tick()
		case <-canceled:
			canceled, patience = nil, time.After(r.Grace)
		case <-patience:
			r.stuck = true
			return ErrStuck
		}
	}
}
