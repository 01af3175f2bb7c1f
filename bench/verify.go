package bench

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// verify reads back a sample of the records, through as many sessions as load used.
func (r *run) verify(ctx context.Context) (counts, error) {
	v, ok := r.Source.(Verifier)
	if !ok {
		return counts{}, nil
	}
	sample := v.Samples(rand.New(rand.NewPCG(r.Seed, 0x766572696679)), r.VerifySample)
	var next, read, wrong atomic.Int64
	var readers sync.WaitGroup
	for _, w := range r.workers[:min(len(r.workers), loadSessions)] {
		readers.Go(func() {
			var op Op
			for ctx.Err() == nil {
				i := next.Add(1) - 1
				if i >= int64(len(sample)) {
					return
				}
				v.Ask(&op, sample[i])
				if !v.Judge(&op, w.session.Do(ctx, &op)) {
					wrong.Add(1)
				}
				read.Add(1)
			}
		})
	}
	err := r.await(ctx, &readers, func() {
		r.progress(Progress{Phase: "verify", Done: uint64(read.Load()), Total: uint64(len(sample))})
	})
	return counts{read.Load(), wrong.Load()}, err
}
