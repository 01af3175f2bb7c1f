package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/etalon-kv/etalon/engine"
)

// maxBatchBytes is bbolt's limit of one value; no batch at or below it can exceed any.
const maxBatchBytes = bbolt.MaxValueSize

// Apply commits b, always with bbolt's two syncs.
func (s *store) Apply(b engine.Batch, _ bool) error {
	if err := s.guard.EnterWrite(); err != nil {
		return err
	}
	defer s.guard.Exit()
	own, ok := b.(*batch)
	switch {
	case !ok || own.owner != s:
		return engine.ErrForeignBatch
	case own.err != nil:
		return own.err
	case int64(len(own.data)) > maxBatchBytes:
		return fmt.Errorf("%w: %d bytes, bolt takes %d", engine.ErrBatchTooBig, len(own.data), int64(maxBatchBytes))
	}
	if len(own.ops) > 0 {
		// An idle view would keep the pages that the last commit freed from being used by this one.
		s.views.drop()
		err := s.commit(own)
		s.views.drop()
		used := int64(0)
		if err == nil {
			used, err = s.measure()
		}
		if err == nil {
			err = s.grown(used)
		}
		if err != nil {
			return s.guard.Fail(err)
		}
		s.reach(used)
	}
	s.batches.Add(1)
	s.ops.Add(int64(len(own.ops)))
	return nil
}

// Sync has nothing to do: every commit was synced.
func (s *store) Sync() error {
	if err := s.guard.EnterWrite(); err != nil {
		return err
	}
	s.guard.Exit()
	return nil
}

// commit carries out b in one transaction. After an error nothing is known about the file.
func (s *store) commit(b *batch) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			s.db.wedged = true
			err = corrupt(r)
		}
	}()
	tx, err := s.db.Begin(true)
	if err != nil {
		return fmt.Errorf("bolt: begin: %w", err)
	}
	w := writer{tx: tx, fill: s.opts.FillPercent}
	if err = w.apply(b); err != nil {
		return errors.Join(fmt.Errorf("bolt: apply: %w", err), tx.Rollback())
	}
	if err = tx.Commit(); err != nil {
		if errors.Is(err, berrors.ErrMaxSizeReached) {
			err = fmt.Errorf("%w (the file would outgrow mapBytes %d; reopening reserves more)", err, s.db.mapBytes)
		}
		return fmt.Errorf("bolt: commit: %w", err)
	}
	stats := tx.Stats()
	s.committed(&stats)
	return nil
}

// writer carries the bucket in use from one operation to the next.
type writer struct {
	tx      *bbolt.Tx
	fill    float64 // 0: by what is written, see fillFor
	bucket  *bbolt.Bucket
	space   engine.Space
	scratch []byte
}

// yieldOps is how many operations are put in before others that are ready have their turn. A large commit
// is nobody's hurry, and the runtime would let it go on for 10 ms.
const yieldOps = 64

func (w *writer) apply(b *batch) error {
	ops := b.ordered()
	for i := range ops {
		if i%yieldOps == yieldOps-1 {
			runtime.Gosched()
		}
		o := &ops[i]
		if err := w.enter(b, o); err != nil {
			return err
		}
		if w.bucket == nil {
			continue // a deletion in a space that was never written
		}
		key, value := b.data[o.key:o.value], b.data[o.value:o.end]
		var err error
		switch o.kind {
		case opSet:
			if i+1 < len(ops) && overwritten(b, o, &ops[i+1]) {
				continue
			}
			err = w.bucket.Put(key, value)
		case opDelete:
			err = w.bucket.Delete(key)
		case opDeleteRange:
			if o.open {
				value = nil
			} else if value == nil {
				value = []byte{}
			}
			err = w.deleteRange(key, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// overwritten tells whether next writes o's key again.
func overwritten(b *batch, o, next *op) bool {
	return next.kind != opDeleteRange && next.space == o.space &&
		bytes.Equal(b.data[o.key:o.value], b.data[next.key:next.value])
}

// enter makes w.bucket that of o's space; nil if there is none and o sets nothing.
func (w *writer) enter(b *batch, o *op) (err error) {
	if w.bucket != nil && w.space == o.space {
		return nil
	}
	name := []byte{byte(o.space)}
	if w.bucket = w.tx.Bucket(name); w.bucket == nil && o.kind == opSet {
		w.bucket, err = w.tx.CreateBucket(name)
	}
	if w.bucket != nil {
		w.bucket.FillPercent = w.fillFor(b, o)
	}
	w.space = o.space
	return err
}

// fillFor is how full pages are left where the operations from o on split them. Half full where
// keys may come between others later; but where o, the lowest key of the batch in its space, is
// above all that is there, whoever writes does so in order (revisions, log entries): pages that
// are left half full stay so, and every commit writes twice the pages.
func (w *writer) fillFor(b *batch, o *op) float64 {
	if w.fill != 0 {
		return w.fill
	}
	if o.kind == opSet {
		// Not by Last: over leaves that this transaction has emptied it never comes to an end.
		if key, _ := w.bucket.Cursor().Seek(b.data[o.key:o.value]); key == nil {
			return appendFill
		}
	}
	return bbolt.DefaultFillPercent
}

// appendFill is the FillPercent of pages that grow at their end.
const appendFill = 1

// deleteRange removes [lo, hi) by cursor; a whole space goes by its bucket, page by page.
func (w *writer) deleteRange(lo, hi []byte) error {
	if len(lo) == 0 && hi == nil {
		w.bucket = nil
		return w.tx.DeleteBucket([]byte{byte(w.space)})
	}
	if engine.EmptyRange(lo, hi) {
		return nil
	}
	c := w.bucket.Cursor()
	// Delete leaves the cursor on the next key or past the end of its leaf, depending on whether
	// the leaf was already in memory, so each step seeks. From the key just deleted, not from lo:
	// that would walk over ever more emptied leaves.
	w.scratch = append(w.scratch[:0], lo...)
	for {
		key, _ := c.Seek(w.scratch)
		if key == nil || hi != nil && bytes.Compare(key, hi) >= 0 {
			return nil
		}
		w.scratch = append(w.scratch[:0], key...)
		if err := c.Delete(); err != nil {
			return err
		}
	}
}
