package mvcc

import "fmt"

// observer is told of every commit with changes, in order, by the writer: the changes are valid
// during the call, and the revision is current.
type observer func(changes []Change)

// observe adds o and returns the current revision: o is told of all that comes after it.
func (s *Store) observe(o observer) (int64, error) {
	t, err := s.Begin()
	if err != nil {
		return 0, err
	}
	defer t.Rollback()
	s.observers = append(s.observers, o)
	return s.current.Load(), nil
}

// Commit makes what the transaction did visible and returns the revision, which is the old one if
// nothing was changed. It ends the transaction in any case. With sync it returns when this commit
// and all before it are durable; without, they will be with the next one that is, and a crash
// leaves all commits up to some moment. ErrMetaTooLarge: there was no effect. ErrStopped: the
// engine failed, and what will be found after reopening is this commit as a whole or not at all.
func (t *Txn) Commit(sync bool) (int64, error) {
	if t.done {
		return 0, ErrDone
	}
	defer t.end()
	s := t.s
	if p := s.stopped.Load(); p != nil { // in a compaction meanwhile
		return 0, *p
	}
	cuts, err := t.cuts()
	if err != nil {
		return 0, err
	}
	chain, written, err := t.write(cuts, sync)
	if err != nil {
		return 0, s.stop("commit", err)
	}
	s.views.written(written)
	if t.compact >= 0 {
		defer s.compactedAt(t.compact)
	}
	if len(s.changes) == 0 {
		return s.current.Load(), nil
	}
	for i := range s.changes {
		c := &s.changes[i]
		if !c.Tombstone {
			s.index.Put(c.Key, c.Rev)
		} else if err := s.index.Tombstone(c.Key, c.Rev); err != nil {
			return 0, s.stop("index", err)
		}
	}
	rev := s.changes[len(s.changes)-1].Rev.Main
	s.chain = chain
	s.current.Store(rev)
	s.commits.Add(1)
	for _, o := range s.observers {
		o(s.changes)
	}
	return rev, nil
}

// cuts are the places in s.changes where a new batch must begin because the engine could not take
// more in the one before; usually none. The last batch also takes the meta data.
func (t *Txn) cuts() ([]int, error) {
	caps, changes := t.s.caps, t.s.changes
	if caps.MaxBatchBytes == 0 && caps.MaxBatchOps == 0 {
		return nil, nil
	}
	over := func(ops, bytes int64) bool {
		return caps.MaxBatchOps > 0 && ops > caps.MaxBatchOps || caps.MaxBatchBytes > 0 && bytes > caps.MaxBatchBytes
	}
	var metaBytes int64
	for k, v := range t.meta {
		metaBytes += int64(len(k) + len(v) + sumBytes)
	}
	metaOps := int64(len(t.meta))
	if t.compact >= 0 {
		metaOps++
		metaBytes += int64(len(keyScheduled) + 8 + sumBytes)
	}
	if over(metaOps+1, 2*metaBytes) {
		return nil, fmt.Errorf("%w: %d keys with %d bytes; a batch takes %d and twice %d (0: any)",
			ErrMetaTooLarge, metaOps, metaBytes, caps.MaxBatchOps, caps.MaxBatchBytes)
	}
	var cuts []int
	var ops, bytes int64
	for i := range changes {
		size := int64(recordOverhead + len(changes[i].Key) + len(changes[i].Value))
		if i == len(changes)-1 {
			ops, bytes = ops+metaOps, bytes+metaBytes
		}
		if ops++; over(ops, bytes+size) && i > 0 {
			cuts = append(cuts, i)
			ops, bytes = 1, 0
		}
		bytes += size
	}
	return cuts, nil
}

// write gives the changes and the meta data to the engine. It returns the chain with them and how
// many bytes they are.
func (t *Txn) write(cuts []int, sync bool) (chain uint64, written int, err error) {
	s := t.s
	chain = s.chain
	s.batch.Reset()
	for i := range s.changes {
		if len(cuts) > 0 && cuts[0] == i {
			written += s.batch.SizeBytes()
			if err := s.b.Apply(s.batch, false); err != nil {
				return 0, 0, err
			}
			s.batch.Reset()
			cuts = cuts[1:]
		}
		var key, value []byte
		key, value, chain = s.enc.encode(&s.changes[i], len(cuts) > 0, chain)
		s.batch.Set(spaceRecords, key, value)
	}
	if len(t.meta) > 0 {
		for _, k := range t.metaKeys() {
			if v := t.meta[k]; v != nil {
				s.batch.Set(spaceMeta, []byte(k), seal(spaceMeta, []byte(k), v))
			} else {
				s.batch.Delete(spaceMeta, []byte(k))
			}
		}
	}
	if t.compact >= 0 {
		setSystem(s.batch, keyScheduled, bigEndian(t.compact))
	}
	if s.batch.Len() == 0 && !sync {
		return chain, written, nil
	}
	return chain, written + s.batch.SizeBytes(), s.b.Apply(s.batch, sync)
}
