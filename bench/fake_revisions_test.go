package bench

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// fakeRevisions is what makes a mapTarget Watchable and a Compactor: revisions without content.
type fakeRevisions struct {
	rev     int64
	watches []*fakeWatch

	// tell, if set, may change what watchers are told, or drop it by returning nil.
	tell func([]Event) []Event
	// delay is between a write and its event.
	delay time.Duration
	// compact, if set, is Compact.
	compact func(ctx context.Context, rev int64) error
	// oldest is the oldest revision that a scan asked for, and compacted the last of Compact.
	oldest, compacted int64
}

// revise makes a revision of a write, and tells the watchers; the target's lock is held.
func (f *fakeRevisions) revise(op *Op) {
	if !op.Kind.Writes() {
		if op.Rev > 0 && (f.oldest == 0 || op.Rev < f.oldest) {
			f.oldest = op.Rev
		}
		if op.Rev == 0 && op.Kind == Scan {
			op.Rev = f.rev
		}
		return
	}
	f.rev++
	op.Rev = f.rev
	events := []Event{{Key: slices.Clone(op.Key), Value: slices.Clone(op.Value), Rev: f.rev, Deleted: op.Kind == Delete}}
	for _, p := range op.More {
		events = append(events, Event{Key: slices.Clone(p.Key), Value: slices.Clone(p.Value), Rev: f.rev})
	}
	at := time.Now().Add(f.delay)
	for _, w := range f.watches {
		told := events
		if f.tell != nil {
			told = f.tell(slices.Clone(events))
		}
		w.offer(at, told)
	}
}

func (t *mapTarget) Watch(_ context.Context, key, end []byte) (Watch, error) {
	if key != nil || end != nil {
		return nil, errors.New("a watch of all keys is wanted")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &fakeWatch{wake: make(chan struct{}, 1)}
	t.watches = append(t.watches, w)
	return w, nil
}

func (t *mapTarget) Compact(ctx context.Context, rev int64) error {
	if t.compact != nil {
		return t.compact(ctx, rev)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.compacted = rev
	return nil
}

type fakeWatch struct {
	wake   chan struct{}
	mu     sync.Mutex
	queue  []fakeNews
	closed bool
}

type fakeNews struct {
	at     time.Time
	events []Event
}

func (w *fakeWatch) offer(at time.Time, events []Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, fakeNews{at, events})
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *fakeWatch) Next(ctx context.Context) ([]Event, error) {
	for {
		w.mu.Lock()
		if len(w.queue) > 0 {
			news := w.queue[0]
			w.queue = w.queue[1:]
			w.mu.Unlock()
			if d := time.Until(news.at); d > 0 {
				time.Sleep(d)
			}
			return news.events, nil
		}
		w.mu.Unlock()
		select {
		case <-w.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (w *fakeWatch) Close() error {
	if w.closed {
		return errors.New("closed before")
	}
	w.closed = true
	return nil
}
