package mvcc

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc/index"
)

// compactor is the background work of a store.
type compactor struct {
	wake chan struct{} // room for one: compacted has changed
	quit chan struct{}
	done chan struct{}

	waiting  sync.Mutex
	finished int64         // the revision whose compaction has ended
	ended    chan struct{} // closed and made anew when finished changes
}

// Compact makes rev the oldest revision that can be read, and has the records that no read can
// see any more removed in the background. It becomes durable like a commit without sync, and a
// crash never takes it back without what was committed before. Errors: ErrCompacted if it is
// not above the compacted revision, ErrFutureRevision if it is above the current one, ErrNegative.
func (s *Store) Compact(rev int64) error {
	t, err := s.Begin()
	if err != nil {
		return err
	}
	defer t.Rollback()
	if err := t.Compact(rev); err != nil {
		return err
	}
	_, err = t.Commit(false)
	return err
}

// compactedAt makes rev the oldest revision and wakes the compactor.
func (s *Store) compactedAt(rev int64) {
	s.compacted.Store(rev)
	select {
	case s.bg.wake <- struct{}{}:
	default:
	}
}

// WaitCompacted returns when no records are left that a compaction at rev removes, the store is
// closed or stopped, or ctx ends.
func (s *Store) WaitCompacted(ctx context.Context, rev int64) error {
	for {
		s.bg.waiting.Lock()
		finished, ended := s.bg.finished, s.bg.ended
		s.bg.waiting.Unlock()
		if finished >= rev {
			return nil
		}
		select {
		case <-ended:
		case <-s.ended: // by whomever: the compactor need not have noticed
			if p := s.stopped.Load(); p != nil {
				return *p
			}
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Store) startCompactor(m marks) {
	s.bg = compactor{
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		finished: m.finished, ended: make(chan struct{}),
	}
	if m.scheduled != m.finished {
		s.bg.wake <- struct{}{}
	}
	go s.runCompactor()
}

func (s *Store) stopCompactor() {
	close(s.bg.quit)
	<-s.bg.done
}

// runCompactor ends with quit, or when the engine has failed.
func (s *Store) runCompactor() {
	defer close(s.bg.done)
	for {
		select {
		case <-s.bg.quit:
			return
		case <-s.bg.wake:
		}
		for at := s.compacted.Load(); at > s.bg.finished; at = s.compacted.Load() {
			p := &pass{s: s, at: at, slice: minSlice}
			if err := p.run(); err != nil {
				if err != errQuit {
					s.stop("compaction", err)
				}
				return
			}
			s.bg.waiting.Lock()
			s.bg.finished = at
			close(s.bg.ended)
			s.bg.ended = make(chan struct{})
			s.bg.waiting.Unlock()
		}
	}
}

// Slices of a compaction: records deleted in one batch, and keys of the index looked at.
const (
	minSlice   = 256
	maxSlice   = 8192
	indexSlice = 2048
	// sliceTarget is how long the writer should have to wait for a slice. Engines whose every
	// batch is a sync take longer, so they get large slices instead of many.
	sliceTarget = 2 * time.Millisecond
	// minRun is the number of neighbouring records from which on a range deletion is cheaper.
	minRun = 64
)

// sliceLimit is the most records that one batch deletes.
func (s *Store) sliceLimit() int {
	limit := int64(maxSlice)
	if s.caps.MaxBatchOps > 0 {
		limit = min(limit, s.caps.MaxBatchOps/2)
	}
	if s.caps.MaxBatchBytes > 0 {
		limit = min(limit, s.caps.MaxBatchBytes/(2*revKeyBytes)-4)
	}
	return int(max(1, limit))
}

// pass is one compaction at one revision.
type pass struct {
	s       *Store
	at      int64
	dropped index.Set
	kept    *index.Set // what is visible at at; nil if there was no need to know
	batch   engine.Batch
	slice   int
	commits int64 // of the store when the last slice ended
	key, hi []byte
}

var errQuit = fmt.Errorf("%w during a compaction", ErrClosed)

func (p *pass) run() error {
	began := time.Now()
	p.batch = p.s.b.NewBatch()
	p.commits = p.s.commits.Load()
	if p.s.caps.AlwaysSync {
		p.slice = p.s.sliceLimit()
	}
	for next := []byte(nil); ; {
		start := time.Now()
		if next = p.s.index.Compact(p.at, next, indexSlice, &p.dropped); next == nil {
			break
		}
		if err := p.pause(time.Since(start)); err != nil {
			return err
		}
	}
	p.findKept()
	if err := p.delete(); err != nil {
		return err
	}
	left, err := p.count()
	if err != nil {
		return err
	}
	setSystem(p.batch, keyFinished, bigEndian(p.at, left))
	if err := p.apply(); err != nil {
		return err
	}
	p.s.views.drop()
	p.s.log.Info("mvcc: compaction finished", "revision", p.at, "dropped", p.dropped.Len(), "left", left, "took", time.Since(began))
	return nil
}

// pause waits for as long as the slice took if somebody has written since the last one, so that
// a compaction takes at most half of the writer's time.
func (p *pass) pause(took time.Duration) error {
	select {
	case <-p.s.bg.quit:
		return errQuit
	default:
	}
	if n := p.s.commits.Load(); n == p.commits {
		return nil
	} else {
		p.commits = n
	}
	timer := time.NewTimer(took)
	defer timer.Stop()
	select {
	case <-p.s.bg.quit:
		return errQuit
	case <-timer.C:
		return nil
	}
}

// findKept collects the revisions that stay, where ranges can be deleted and most of the history
// goes: what lies between two of them is a range. It visits every key, so it is not done for a few.
func (p *pass) findKept() {
	if !p.s.caps.RangeDelete || p.dropped.Len() < minRun || p.dropped.Len() < p.s.index.Stats().Keys {
		return
	}
	p.kept = new(index.Set)
	p.s.index.Range(index.Query{At: p.at}, func(_ []byte, e index.Entry) bool {
		p.kept.Add(e.ModRev)
		return true
	})
}

// delete removes the dropped records in the order of revisions, so that at every moment an
// unbroken end of each key's history is left.
func (p *pass) delete() error {
	if p.kept == nil {
		for rev := range p.dropped.All() {
			if err := p.one(rev); err != nil {
				return err
			}
		}
		return p.flush()
	}
	next, stop := pull(p.kept)
	defer stop()
	bound := next() // the first revision that stays and is not below the run
	var run []index.Revision
	flush := func() error {
		defer func() { run = run[:0] }()
		if n := len(run); n >= minRun {
			// What is at the compacted revision itself may be a tombstone that stays.
			return p.span(run[0], run[n-1])
		}
		for _, rev := range run {
			if err := p.one(rev); err != nil {
				return err
			}
		}
		return nil
	}
	for rev := range p.dropped.All() {
		if bound.Compare(rev) < 0 || len(run) == maxSlice || rev.Main == p.at {
			if err := flush(); err != nil {
				return err
			}
			for bound.Compare(rev) < 0 {
				bound = next()
			}
		}
		if rev.Main == p.at {
			if err := p.one(rev); err != nil {
				return err
			}
			continue
		}
		run = append(run, rev)
	}
	if err := flush(); err != nil {
		return err
	}
	return p.flush()
}

// one deletes the record at rev.
func (p *pass) one(rev index.Revision) error {
	p.key = appendRevKey(p.key[:0], rev)
	p.batch.Delete(spaceRecords, p.key)
	if p.batch.Len() >= p.slice {
		return p.flush()
	}
	return nil
}

// span deletes the records from first to last.
func (p *pass) span(first, last index.Revision) error {
	p.key = appendRevKey(p.key[:0], first)
	last.Sub++
	p.hi = appendRevKey(p.hi[:0], last)
	p.batch.DeleteRange(spaceRecords, p.key, p.hi)
	return p.flush()
}

// flush applies the slice, learns from the time that took how large the next one may be, and
// pauses.
func (p *pass) flush() error {
	if p.batch.Len() == 0 {
		return nil
	}
	start := time.Now()
	if err := p.apply(); err != nil {
		return err
	}
	took := time.Since(start)
	switch {
	case p.s.caps.AlwaysSync:
	case took > sliceTarget:
		p.slice = max(minSlice/2, p.slice/2)
	case took < sliceTarget/2:
		p.slice = min(p.s.sliceLimit(), p.slice*2)
	}
	return p.pause(took)
}

func (p *pass) apply() error {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if stopped := s.stopped.Load(); stopped != nil {
		return *stopped
	}
	if err := s.b.Apply(p.batch, false); err != nil {
		return err
	}
	s.views.written(p.batch.SizeBytes())
	p.batch.Reset()
	return nil
}

// count is the number of records left at or below the compacted revision: one for each key that
// exists there, and the tombstones that stand at it.
func (p *pass) count() (int64, error) {
	left := int64(p.s.index.Count(nil, nil, p.at))
	snap, err := p.s.b.Snapshot()
	if err != nil {
		return 0, err
	}
	defer snap.Close()
	it := snap.Scan(spaceRecords, appendRevKey(nil, index.Revision{Main: p.at}), appendRevKey(nil, index.Revision{Main: p.at + 1}))
	defer it.Close()
	for it.Next() {
		rev, ok := parseRevKey(it.Key())
		if !ok {
			return 0, &CorruptError{What: fmt.Sprintf("%x is no revision", it.Key())}
		}
		r, err := decode(rev, it.Key(), it.Value())
		if err != nil {
			return 0, err
		}
		if r.tombstone {
			left++
		}
	}
	return left, it.Err()
}
