package mvcc

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc/index"
)

// An index touches each of its leaves once a chunk, so what is sorted and given to it at once grows
// with it, from minChunk to maxChunk records. Of the largest, four may be under way, with 100 bytes a
// record: less than half of what an index takes when they have become so large.
const (
	minChunk = 1 << 17
	maxChunk = 1 << 19
)

// chunkRecords is how many records the chunk takes that follows n of them.
func chunkRecords(n int64) int { return int(min(max(n/8, minChunk), maxChunk)) }

// chunk is a piece of the history on its way into the index.
type chunk struct {
	records []index.Record
	sorted  chan struct{} // closed when they are sorted
	last    int64
}

// restore fills the index from the engine: one goroutine reads and verifies the records in the
// order of revisions, some sort them by key, and the caller's puts them into the index. Then it
// removes a transaction that a crash has cut.
func (s *Store) restore(ctx context.Context, m marks, c *Config) error {
	snap, err := s.b.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close()
	end, torn, err := findEnd(snap)
	if err != nil {
		return err
	}
	sc := &scanner{snap: snap, marks: m, end: end, prev: index.Revision{Main: 1}, chain: chainSeed, leased: c.Leased}
	if err := s.fill(ctx, sc, c.Progress); err != nil {
		return err
	}
	if m.scheduled > sc.prev.Main {
		return &CorruptError{Rev: index.Revision{Main: m.scheduled}, What: "compacted there, but the record is missing"}
	}
	s.current.Store(sc.prev.Main)
	s.compacted.Store(m.scheduled)
	s.chain = sc.chain
	s.log.Info("mvcc: index restored", "records", sc.n, "revision", sc.prev.Main, "compacted", m.scheduled, "torn", len(torn))
	return s.removeTorn(torn)
}

// findEnd returns the last revision that belongs to a whole transaction, and the revisions behind
// it, the newest first.
func findEnd(snap engine.Snapshot) (end index.Revision, torn []index.Revision, err error) {
	it := snap.ScanBack(spaceRecords, nil, nil)
	defer it.Close()
	for it.Next() {
		rev, ok := parseRevKey(it.Key())
		if !ok {
			return end, nil, &CorruptError{What: fmt.Sprintf("%x is no revision", it.Key())}
		}
		r, err := decode(rev, it.Key(), it.Value())
		if err != nil {
			return end, nil, err
		}
		if !r.more {
			return rev, torn, it.Err()
		}
		torn = append(torn, rev)
	}
	return end, torn, it.Err()
}

// removeTorn deletes records from the newest on, so that after a crash the rest is still torn.
func (s *Store) removeTorn(torn []index.Revision) error {
	var key []byte
	for len(torn) > 0 {
		s.batch.Reset()
		n := min(len(torn), s.sliceLimit())
		for _, rev := range torn[:n] {
			key = appendRevKey(key[:0], rev)
			s.batch.Delete(spaceRecords, key)
		}
		if err := s.b.Apply(s.batch, false); err != nil {
			return err
		}
		torn = torn[n:]
	}
	return nil
}

// fill runs the three stages.
func (s *Store) fill(ctx context.Context, sc *scanner, progress func(Progress)) error {
	ctx, cancel := context.WithCancel(ctx)
	work, ordered := make(chan *chunk), make(chan *chunk, 1)
	var stages sync.WaitGroup
	defer stages.Wait()
	defer cancel()
	stages.Go(func() {
		defer close(work)
		defer close(ordered)
		sc.err = sc.run(ctx, func(c *chunk) error {
			for _, to := range []chan<- *chunk{ordered, work} {
				select {
				case to <- c:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	})
	for range max(1, runtime.GOMAXPROCS(0)-1) {
		stages.Go(func() {
			for c := range work {
				index.SortRecords(c.records)
				close(c.sorted)
			}
		})
	}
	var n int64
	for c := range ordered {
		select {
		case <-c.sorted:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := s.index.Restore(c.records); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		n += int64(len(c.records))
		if progress != nil {
			progress(Progress{Records: n, Revision: c.last, Last: sc.end.Main})
		}
	}
	return sc.err // written before ordered was closed
}

// scanner reads the records up to end and verifies them: each by itself, and as a history, in
// which nothing is missing.
type scanner struct {
	snap  engine.Snapshot
	marks marks
	end   index.Revision
	err   error
	// leased is Config.Leased, nil for nobody.
	leased func(key []byte, rev index.Revision, lease int64)

	n, left int64          // records seen, and those of them at or below the compacted revision
	prev    index.Revision // the last one seen
	chain   uint64         // with it
	scratch []byte
	arena   []byte
}

func (sc *scanner) run(ctx context.Context, emit func(*chunk) error) error {
	it := sc.snap.Scan(spaceRecords, nil, appendRevKey(nil, index.Revision{Main: sc.end.Main, Sub: sc.end.Sub + 1}))
	defer it.Close()
	var c *chunk
	for it.Next() {
		rev, ok := parseRevKey(it.Key())
		if !ok {
			return &CorruptError{What: fmt.Sprintf("%x is no revision", it.Key())}
		}
		if c == nil {
			c = &chunk{sorted: make(chan struct{}), records: make([]index.Record, 0, chunkRecords(sc.n))}
		}
		r, err := decode(rev, it.Key(), it.Value())
		if err != nil {
			return err
		}
		if err := sc.follow(&r, it.Value()); err != nil {
			return err
		}
		if r.kv.Lease != 0 && sc.leased != nil {
			sc.leased(r.kv.Key, rev, r.kv.Lease)
		}
		c.last = rev.Main
		c.records = append(c.records, index.Record{
			Key: sc.keep(r.kv.Key), Rev: rev, CreateRev: r.kv.CreateRevision, Version: r.kv.Version, Tombstone: r.tombstone,
		})
		if len(c.records) == cap(c.records) {
			if err := emit(c); err != nil {
				return err
			}
			c = nil
		}
	}
	if err := it.Err(); err != nil {
		if errors.Is(err, engine.ErrCorrupt) {
			return &CorruptError{Rev: sc.prev, What: "the record behind this one cannot be read", Cause: err}
		}
		return err
	}
	if c != nil {
		if err := emit(c); err != nil {
			return err
		}
	}
	return sc.complete()
}

// keep copies a key into memory that many share.
func (sc *scanner) keep(key []byte) []byte {
	if len(key) > cap(sc.arena)-len(sc.arena) {
		sc.arena = make([]byte, 0, max(64<<10, len(key)))
	}
	at := len(sc.arena)
	sc.arena = append(sc.arena, key...)
	return sc.arena[at:len(sc.arena):len(sc.arena)]
}

// follow checks that r comes next: above the compacted revision every revision is there, and its
// chain continues that of the one before.
func (sc *scanner) follow(r *record, value []byte) error {
	compacted := max(sc.marks.scheduled, 1)
	if r.rev.Main <= compacted {
		sc.left++
	} else {
		if sc.prev.Main < compacted {
			return &CorruptError{Rev: index.Revision{Main: compacted}, What: "compacted there, but the record is missing"}
		}
		next := index.Revision{Main: sc.prev.Main + 1}
		if r.rev != next {
			if next = (index.Revision{Main: sc.prev.Main, Sub: sc.prev.Sub + 1}); r.rev != next || next.Main <= compacted {
				return &CorruptError{Rev: next, What: fmt.Sprintf("record is missing, the next one is %v", r.rev)}
			}
		}
		var chain uint64
		if chain, sc.scratch = chainOver(sc.scratch, sc.chain, r.rev, value); chain != r.chain {
			return &CorruptError{Key: append([]byte(nil), r.kv.Key...), Rev: r.rev, What: "hash chain is broken"}
		}
	}
	sc.n++
	sc.prev, sc.chain = r.rev, r.chain
	return nil
}

// complete checks that as many records are left as there were when the last compaction ended.
func (sc *scanner) complete() error {
	m := sc.marks
	if m.scheduled == m.finished && sc.left != m.left {
		return &CorruptError{Rev: index.Revision{Main: max(m.finished, 0)},
			What: fmt.Sprintf("%d records are left at or below this revision, and there were %d", sc.left, m.left)}
	}
	return nil
}
