package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// classForgotten is the error class of events that came so late that the moment their write was
// sent is not known any more.
const classForgotten = "forgotten"

// audience are the watchers of a run. They watch from before the warm-up until they were told of
// everything that was acknowledged in the measured phase.
type audience struct {
	source Watched
	clock  clock
	logs   []*issueLog // one a worker
	shards []*eventShard
	all    []*watcher
	since  atomic.Int64 // events of writes sent from then on are measured
	wrong  wrongAnswers
	behind int64 // events owed at the end of the measured phase
}

// watcher is one of them.
type watcher struct {
	watch    Watch
	shard    *eventShard
	seen     atomic.Int64  // events
	progress chan struct{} // room for one: seen has changed
	done     chan struct{} // closed when run has returned
	err      error         // why; set before
	last     int64         // revision
	checks   int           // events since the last whose content was checked
	scratch  []byte
}

// eventShard is the histograms of some watchers.
type eventShard struct {
	mu                sync.Mutex
	service, response results.Histogram
	forgotten         int64
}

// gather opens the watches.
func gather(ctx context.Context, source Watched, target Target, workers []*worker, c clock) (*audience, error) {
	w, ok := target.(Watchable)
	if !ok {
		return nil, fmt.Errorf("the workload has %d watchers, and a target of type %T cannot be watched", source.Watchers(), target)
	}
	a := &audience{source: source, clock: c}
	a.since.Store(math.MaxInt64)
	for range shardsFor(source.Watchers()) {
		a.shards = append(a.shards, new(eventShard))
	}
	for i := range source.Watchers() {
		watch, err := w.Watch(ctx, nil, nil)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("watch %d: %w", i, err), a.close())
		}
		a.all = append(a.all, &watcher{
			watch: watch, shard: a.shards[i%len(a.shards)],
			progress: make(chan struct{}, 1), done: make(chan struct{}),
		})
	}
	for _, w := range workers {
		w.issued = newIssueLog(len(workers), source.Stamp)
		a.logs = append(a.logs, w.issued)
	}
	return a, nil
}

// watchAll starts the watchers, each in a goroutine of all, until ctx ends.
func (a *audience) watchAll(ctx context.Context, all *sync.WaitGroup) {
	for _, w := range a.all {
		all.Go(func() {
			w.err = a.watch(ctx, w)
			close(w.done)
		})
	}
}

func (a *audience) watch(ctx context.Context, w *watcher) error {
	for {
		events, err := w.watch.Next(ctx)
		now := a.clock.now()
		if err != nil {
			return err
		}
		a.take(w, events, now)
		w.seen.Add(int64(len(events)))
		select {
		case w.progress <- struct{}{}:
		default:
		}
	}
}

// take records events that w was told of at now.
func (a *audience) take(w *watcher, events []Event, now time.Duration) {
	since := time.Duration(a.since.Load())
	w.shard.mu.Lock()
	for i := range events {
		sent, due, ok := a.issue(&events[i])
		switch {
		case !ok:
			w.shard.forgotten++
		case sent >= since:
			w.shard.service.Record(now - sent)
			if due >= 0 {
				w.shard.response.Record(now - due)
			}
		}
	}
	w.shard.mu.Unlock()
	for i := range events {
		a.judge(w, &events[i])
	}
}

func (a *audience) issue(e *Event) (sent, due time.Duration, ok bool) {
	stamp, ok := a.source.Stamp(e.Value)
	if !ok || stamp.worker() >= len(a.logs) {
		return 0, 0, false
	}
	return a.logs[stamp.worker()].find(stamp)
}

// judge looks at the order of an event, and at the content of one in a few.
func (a *audience) judge(w *watcher, e *Event) {
	stamp, ok := a.source.Stamp(e.Value)
	switch {
	case e.Rev < w.last:
		a.wrong.add("an event of %q at revision %d after one at %d", e.Key, e.Rev, w.last)
	case e.Deleted || !ok || stamp.worker() >= len(a.logs):
		a.wrong.add("an event of %q that is of no write of this run", e.Key)
	}
	w.last = e.Rev
	if w.checks++; w.checks%eventCheckEvery != 1 || a.wrong.hopeless() {
		return
	}
	a.wrong.checked.Add(1)
	var err error
	if w.scratch, err = a.source.CheckEvent(w.scratch, e); err != nil {
		a.wrong.add("an event of %q: %v", e.Key, err)
	}
}

// eventCheckEvery is how many events one whose content is checked stands for.
const eventCheckEvery = 16

// owed is how many events each watcher must have had and may have had, when no write is under way.
func (a *audience) owed() (must, may int64) {
	for _, l := range a.logs {
		must += l.acked
		may += l.acked + l.unsure
	}
	return must, may
}

// mark is called at the end of the measured phase, when the workers have returned.
func (a *audience) mark() {
	must, _ := a.owed()
	for _, w := range a.all {
		a.behind += max(must-w.seen.Load(), 0)
	}
}

// catchUp waits until all have been told of everything acknowledged, have failed, or ctx ends.
func (a *audience) catchUp(ctx context.Context) {
	must, _ := a.owed()
	for _, w := range a.all {
		for w.seen.Load() < must {
			select {
			case <-w.progress:
				continue
			case <-w.done:
			case <-ctx.Done():
				return
			}
			break
		}
	}
}

func (a *audience) close() error {
	var errs []error
	for i, w := range a.all {
		if err := w.watch.Close(); err != nil {
			errs = append(errs, fmt.Errorf("bench: close watch %d: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// stats is what was measured.
func (a *audience) stats(open bool) *results.OpStats {
	s := &results.OpStats{Errors: map[string]int64{}, Service: results.NewHistogram(), Behind: a.behind}
	if open {
		s.Response = results.NewHistogram()
	}
	for _, shard := range a.shards {
		s.Service.Merge(&shard.service)
		s.Response = merged(s.Response, &shard.response)
		if shard.forgotten > 0 {
			s.Errors[classForgotten] += shard.forgotten
		}
	}
	s.Count = s.Service.Count()
	s.Items = s.Count
	return s
}

// verdict is whether every watcher was told of every write once, in order.
func (a *audience) verdict() results.Verdict {
	v := results.Verdict{Name: "events"}
	must, may := a.owed()
	for i, w := range a.all {
		seen := w.seen.Load()
		switch {
		case w.err != nil && !errors.Is(w.err, context.Canceled):
			v.Detail = fmt.Sprintf("watcher %d has failed: %v", i, w.err)
			return v
		case seen < must || seen > may:
			v.Detail = fmt.Sprintf("watcher %d was told of %d writes, want %d to %d", i, seen, must, may)
			return v
		}
	}
	if n := a.wrong.count.Load(); n > 0 {
		v.Detail = fmt.Sprintf("%d wrong events: %s", n, a.wrong.text())
		return v
	}
	v.OK = true
	v.Detail = fmt.Sprintf("%d watchers were told of %d writes each, once and in order", len(a.all), must)
	return v
}
