package bench

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// beside is what runs beside the workers: watchers and compactions, each nil if the Source has
// none. It begins before the warm-up and ends in the drain.
type beside struct {
	audience *audience
	janitor  *janitor

	watching, compacting       sync.WaitGroup
	stopWatching, stopCompacts context.CancelFunc
	ended                      bool
}

// beginBeside starts what the Source wants to have beside its workers.
func (r *run) beginBeside(ctx context.Context) (_ counts, err error) {
	b := &beside{}
	if s, ok := r.Source.(Watched); ok && s.Watchers() > 0 {
		if b.audience, err = gather(ctx, s, r.target, r.workers, r.clock); err != nil {
			return counts{}, err
		}
	}
	if s, ok := r.Source.(Compacted); ok && s.CompactEvery() > 0 {
		if b.janitor, err = newJanitor(s, r.target, r.clock, r.DrainTimeout); err != nil {
			return counts{}, err
		}
		for _, w := range r.workers {
			w.janitor = b.janitor
		}
	}
	r.beside = b
	watching, stopWatching := context.WithCancel(ctx)
	compacting, stopCompacts := context.WithCancel(ctx)
	b.stopWatching, b.stopCompacts = stopWatching, stopCompacts
	if b.audience != nil {
		b.audience.watchAll(watching, &b.watching)
	}
	if b.janitor != nil {
		b.compacting.Go(func() { b.janitor.run(compacting) })
	}
	return counts{}, nil
}

// wantsBeside reports whether there is anything to start.
func (r *run) wantsBeside() bool {
	if r.Alone {
		return false
	}
	w, watched := r.Source.(Watched)
	c, compacted := r.Source.(Compacted)
	return watched && w.Watchers() > 0 || compacted && c.CompactEvery() > 0
}

// measureFrom makes what is sent or begun from now on count.
func (b *beside) measureFrom(now time.Duration) {
	if b.audience != nil {
		b.audience.since.Store(int64(now))
	}
	if b.janitor != nil {
		b.janitor.since.Store(int64(now))
	}
}

// mark is called when the workers of the measured phase have returned.
func (b *beside) mark() {
	if b.audience != nil {
		b.audience.mark()
	}
	if b.janitor != nil {
		close(b.janitor.quit)
	}
}

// endBeside lets the watchers catch up, for Grace at most, and a compaction that is under way end;
// then nothing runs beside the workers any more.
func (r *run) endBeside(ctx context.Context) error {
	b := r.beside
	if b.audience != nil {
		patience, cancel := context.WithTimeout(ctx, r.Grace)
		b.audience.catchUp(patience)
		cancel()
	}
	if err := r.await(ctx, &b.compacting, func() { r.progress(Progress{Phase: "drain"}) }); err != nil {
		return err
	}
	return r.dismiss()
}

// dismiss ends what runs beside the workers, if anything does; again, it does nothing.
func (r *run) dismiss() error {
	b := r.beside
	if b == nil || b.ended {
		return nil
	}
	b.ended = true
	b.stopWatching()
	b.stopCompacts()
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for _, group := range []*sync.WaitGroup{&b.watching, &b.compacting} {
		if err := r.await(over, group, func() {}); errors.Is(err, ErrStuck) {
			return err
		}
	}
	if b.audience == nil {
		return nil
	}
	return b.audience.close()
}

// enter adds what was measured and judged to the record.
func (b *beside) enter(record *results.Record, open bool) {
	record.Background = map[string]*results.OpStats{}
	if b.audience != nil {
		record.Background[results.KindEvent] = b.audience.stats(open)
		record.Verdicts = append(record.Verdicts, b.audience.verdict())
	}
	if b.janitor != nil {
		record.Background[results.KindCompaction] = b.janitor.stats()
		record.Verdicts = append(record.Verdicts, b.janitor.verdict())
	}
}
