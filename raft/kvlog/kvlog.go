package kvlog

import (
	"errors"
	"fmt"
	"sync"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/raft"
)

// Errors besides those of the engine, and raft.ErrCompacted, raft.ErrUnavailable,
// raft.ErrSnapshotOutOfDate and raft.ErrMisuse for wrong indexes.
var (
	// ErrClosed: the Log was closed.
	ErrClosed = errors.New("kvlog: closed")
	// ErrCorrupt: what was stored is not what is there.
	ErrCorrupt = errors.New("kvlog: corrupt")
	// ErrForeign: the space holds something else than a log, or that of a newer version.
	ErrForeign = errors.New("kvlog: the space holds something else")
)

// stageBytes is how much may wait for a sync before it is applied without one.
const stageBytes = 1 << 20

// Options of a log. The zero value is ready to use.
type Options struct {
	// Space of the backend that belongs to the log alone.
	Space engine.Space
}

// storageHead is the part of raft.Storage that reads no entry.
type storageHead = raft.HeadStorage

// Log is an open log: a raft.Storage and its writing side. The writing methods (Write,
// CreateSnapshot, Compact, Sync, Close) are called by one goroutine at a time, all others by any.
// What was written can be read at once, before it is durable.
type Log struct {
	storageHead
	b     engine.Backend
	space engine.Space
	caps  engine.Caps

	// use is held for reading while a reader has a snapshot of the backend open.
	use sync.RWMutex
	// mu guards what follows against readers; the writer alone changes it.
	mu     sync.RWMutex
	hard   raft.HardState
	snap   raft.Snapshot // Index 0: none
	base   position      // before the first entry
	last   position
	closed bool
	// pending are the newest entries, as far as they are in batch only.
	pending []pendingEntry

	// The writer's own. ops counts what batch costs against Caps.MaxBatchOps.
	batch  engine.Batch
	ops    int64
	failed error
	key    []byte
	value  []byte
}

// position is an entry's place and check.
type position struct {
	index raft.Index
	term  raft.Term
	check uint32
}

type pendingEntry struct {
	raft.Entry
	check uint32
}

// Write stores what a raft.Ready asks for, in its order: snap, if not nil, then entries, then hard, if
// not empty. snap replaces the log; if the log has an entry with its index and term, what follows that
// stays. entries replace those with the same and all higher indexes. The log keeps the Data, which must
// not be modified any more.
//
// With sync it returns when this and everything before is durable, in one synced Apply. Without, it
// keeps a batch in memory until the next sync, or up to a MiB. After a crash a beginning of what was written is
// there, at least up to the last that was synced.
//
// raft.ErrCompacted, raft.ErrUnavailable (a gap), raft.ErrSnapshotOutOfDate, raft.ErrMisuse (indexes not
// consecutive, falling terms), engine.ErrBatchTooBig (an entry or snapshot that the engine cannot
// take): nothing was written. engine.ErrFailed: an Apply failed, now or before. ErrClosed.
func (l *Log) Write(snap *raft.Snapshot, entries []raft.Entry, hard raft.HardState, sync bool) error {
	if err := l.usable(); err != nil {
		return err
	}
	keeps, err := l.check(snap, entries)
	if err != nil {
		return err
	}
	if snap != nil {
		if err := l.install(snap, keeps); err != nil {
			return l.fail(err) // a part of it may wait in the batch
		}
	}
	if err := l.append(entries); err != nil {
		return l.fail(err)
	}
	if !hard.Empty() {
		l.mu.Lock()
		l.hard = hard
		l.mu.Unlock()
		l.set(hardKey(), hard.Append(l.value[:0]))
	}
	if sync {
		return l.apply(true)
	}
	return nil
}

func (l *Log) usable() error {
	if l.closed {
		return ErrClosed
	}
	if l.failed != nil {
		return fmt.Errorf("%w: %w", engine.ErrFailed, l.failed)
	}
	return nil
}

func (l *Log) fail(err error) error {
	if l.failed != nil { // the first is what there is to know
		return err
	}
	l.failed = err
	return fmt.Errorf("%w: %w", engine.ErrFailed, err)
}

// check refuses a write that makes no sense, or that the engine cannot take. keeps: the log agrees
// with snap.
func (l *Log) check(snap *raft.Snapshot, entries []raft.Entry) (keeps bool, err error) {
	h := l.head()
	if keeps, err = h.CheckWrite(snap, entries, l.Term); err != nil {
		return false, err
	}
	if snap != nil {
		if err := l.fits(len(snap.Data)); err != nil {
			return false, err
		}
	}
	for i := range entries {
		if err := l.fits(len(entries[i].Data)); err != nil {
			return false, err
		}
	}
	return keeps, nil
}

// fits refuses a value that no batch of the engine can hold.
func (l *Log) fits(bytes int) error {
	if most := l.caps.MaxBatchBytes; most > 0 && int64(bytes)+1024 > most {
		return fmt.Errorf("%w: a value of %d bytes, a batch takes %d", engine.ErrBatchTooBig, bytes, most)
	}
	return nil
}

func (l *Log) install(snap *raft.Snapshot, keeps bool) error {
	at := position{index: snap.Index, term: snap.Term}
	old := l.base.index
	if keeps {
		var err error
		if at, err = l.at(snap.Index); err != nil {
			return err
		}
	} else if snap.Index < l.last.index {
		if err := l.truncate(snap.Index); err != nil {
			return err
		}
	}
	s := *snap
	s.Conf = snap.Conf.Clone()
	if err := l.room(int64(len(s.Data)), 2); err != nil {
		return err
	}
	from := l.last.index
	l.mu.Lock()
	l.snap = s
	l.rebase(at)
	if !keeps {
		l.last, l.pending = at, nil
	}
	l.mu.Unlock()
	l.set(snapKey(), s.Append(l.value[:0]))
	l.set(baseKey(), appendBase(l.value[:0], at.index, at.term, at.check))
	return l.forget(old, min(at.index, from))
}

// rebase moves the beginning of the log, with mu held.
func (l *Log) rebase(at position) {
	l.base = at
	for len(l.pending) > 0 && l.pending[0].Index <= at.index {
		l.pending = l.pending[1:]
	}
}

func (l *Log) append(entries []raft.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	if first := entries[0].Index; first <= l.last.index {
		if err := l.truncate(first - 1); err != nil {
			return err
		}
	}
	for i := range entries {
		e := &entries[i]
		if err := l.room(int64(len(e.Data)), 1); err != nil {
			return err
		}
		l.key = appendEntryKey(l.key[:0], e.Index)
		var check uint32
		l.value, check = appendEntry(l.value[:0], l.key, e, l.last.check)
		l.batch.Set(l.space, l.key, l.value)
		l.ops++
		l.mu.Lock()
		l.last = position{e.Index, e.Term, check}
		l.pending = append(l.pending, pendingEntry{*e, check})
		l.mu.Unlock()
	}
	return nil
}

// set puts a value with its check into the batch; value may be l.value.
func (l *Log) set(key, value []byte) {
	l.value = seal(key, value)
	l.batch.Set(l.space, key, l.value)
	l.ops++
}

// room applies the batch if it is full, or could not take a value of that many bytes and ops operations.
func (l *Log) room(bytes, ops int64) error {
	size := int64(l.batch.SizeBytes())
	if size < stageBytes && (l.caps.MaxBatchBytes == 0 || size+bytes+1024 <= l.caps.MaxBatchBytes) &&
		(l.caps.MaxBatchOps == 0 || l.ops+ops+8 <= l.caps.MaxBatchOps) {
		return nil
	}
	return l.apply(false)
}

// apply hands the batch to the engine.
func (l *Log) apply(sync bool) error {
	if err := l.b.Apply(l.batch, sync); err != nil {
		return l.fail(err)
	}
	l.batch.Reset()
	l.ops = 0
	l.mu.Lock()
	l.pending = nil
	l.mu.Unlock()
	return nil
}

// CreateSnapshot notes a snapshot of the state machine at index at, which is in the log and applied,
// with the membership as of it. Nothing is cut, and nothing synced. raft.ErrSnapshotOutOfDate,
// raft.ErrUnavailable, raft.ErrCompacted, engine.ErrBatchTooBig: nothing was written.
func (l *Log) CreateSnapshot(at raft.Index, conf raft.ConfState, data []byte) error {
	if err := l.usable(); err != nil {
		return err
	}
	h := l.head()
	if err := h.CheckSnapshot(at); err != nil {
		return err
	}
	if err := l.fits(len(data)); err != nil {
		return err
	}
	pos, err := l.at(at)
	if err != nil {
		return err
	}
	if err := l.room(int64(len(data)), 1); err != nil {
		return err
	}
	snap := raft.Snapshot{Index: at, Term: pos.term, Conf: conf.Clone(), Data: data}
	l.set(snapKey(), snap.Append(l.value[:0]))
	l.mu.Lock()
	l.snap = snap
	l.mu.Unlock()
	return nil
}

// Compact forgets the entries up to and including at, which must not be beyond the newest snapshot
// (raft.ErrMisuse). It is durable with the next synced write.
func (l *Log) Compact(at raft.Index) error {
	if err := l.usable(); err != nil {
		return err
	}
	h := l.head()
	if err := h.CheckCompact(at); err != nil {
		return err
	}
	old := l.base.index
	if at <= old {
		return nil
	}
	pos, err := l.at(at)
	if err != nil {
		return err
	}
	if err := l.room(0, 1); err != nil {
		return err
	}
	l.mu.Lock()
	l.rebase(pos)
	l.mu.Unlock()
	l.set(baseKey(), appendBase(l.value[:0], pos.index, pos.term, pos.check))
	return l.forget(old, at)
}

// Sync makes everything written so far durable.
func (l *Log) Sync() error {
	if err := l.usable(); err != nil {
		return err
	}
	return l.apply(true)
}

// Close makes everything durable, unless the log has failed, and waits for readers. The backend stays
// open: it belongs to whoever opened it. A second Close answers ErrClosed.
func (l *Log) Close() error {
	if l.closed {
		return ErrClosed
	}
	var err error
	if l.failed == nil {
		err = l.apply(true)
	}
	l.use.Lock()
	defer l.use.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return err
}
