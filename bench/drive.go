package bench

import (
	"context"
	"sync"
	"time"
)

// drive lets all workers send by p, calls tick every Interval, and returns when they have returned.
func (r *run) drive(ctx context.Context, p *pace, rec *Recording, tick func()) error {
	sending, cut := context.WithCancel(ctx)
	defer cut()
	p.opTimeout = r.OpTimeout
	own := ownClass(r.target)
	p.class = func(err error) uint8 { return rec.Class(classify(err, own)) }

	var workers sync.WaitGroup
	begin := make(chan struct{})
	for i, w := range r.workers {
		w.rec = rec.Worker(i)
		workers.Go(func() {
			<-begin
			w.run(sending, p)
		})
	}
	p.start = p.clock.now()
	close(begin)
	return r.attend(ctx, p, &workers, cut, tick)
}

// attend waits for the workers of p: until the phase is over, then for Grace, then, their contexts
// cut, for Grace again.
func (r *run) attend(ctx context.Context, p *pace, workers *sync.WaitGroup, cut func(), tick func()) error {
	returned := make(chan struct{})
	go func() { // ends when the workers do
		workers.Wait()
		close(returned)
	}()
	ticker := time.NewTicker(r.Interval)
	defer ticker.Stop()
	patience := time.NewTimer(p.length + r.Grace)
	defer patience.Stop()
	if p.length == 0 {
		patience.Stop()
	}
	canceled, last := ctx.Done(), false
	for {
		select {
		case <-returned:
			return ctx.Err()
		case <-ticker.C:
			tick()
		case <-canceled:
			p.stop.Store(true)
			canceled, last = nil, true
			patience.Reset(r.Grace)
		case <-patience.C:
			if last {
				r.stuck = true
				return ErrStuck
			}
			r.Log.Warn("operations outlast their phase, their contexts end now", "grace", r.Grace)
			p.stop.Store(true)
			cut()
			last = true
			patience.Reset(r.Grace)
		}
	}
}

// warmup is the measured phase without the measuring. It ends before measure begins, backlog and
// all.
func (r *run) warmup(ctx context.Context) (counts, error) {
	rec := NewRecording(r.Workers, 1, r.Schedule != nil)
	p := newPace(r.clock, r.Schedule, r.Warmup)
	var sum, t Totals
	tick := func() {
		rec.Cut(&t)
		t.addTo(&sum)
		r.progress(Progress{Phase: "warmup", Elapsed: r.clock.now() - p.start, Length: r.Warmup, Done: uint64(sum.Ops)})
	}
	err := r.drive(ctx, p, rec, tick)
	if err == nil {
		tick()
	}
	return counts{sum.Ops, sum.Errors}, err
}
