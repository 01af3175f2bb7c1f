package wal

import (
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"sync/atomic"

	"github.com/etalon-kv/etalon/raft"
)

type crcTable = crc32.Table

// storageHead is the part of raft.Storage that reads no entry.
type storageHead = raft.HeadStorage

// Log is an open log: a raft.Storage and its writing side. The writing methods (Write,
// CreateSnapshot, Compact, Sync, Close) are called by one goroutine at a time; all others by any, also
// beside a writer, for which they do not wait longer than it takes to change memory.
//
// What was written can be read at once, before it is durable.
type Log struct {
	storageHead
	fs   FS
	opt  Options
	lock io.Closer

	// files is held for reading while a segment is read, and for writing while one goes away. It is
	// taken before mu.
	files sync.RWMutex
	// mu guards st, cache, segments and spares against readers. The writer alone changes them, and reads
	// them without it.
	mu       sync.RWMutex
	st       state
	segments []*segment // oldest first; the last is seg
	spares   []spare
	closed   bool

	// cache are the newest entries, from cacheFirst to st.last without a gap; those from stagedFirst
	// on are not in a file yet, and stay.
	cache       []raft.Entry
	cacheFirst  raft.Index
	cacheBytes  int64
	stagedFirst raft.Index

	// The rest belongs to the writer.
	seg     *segment
	nextSeq uint64
	// stage holds the records that are not written yet; they go to the place end of seg.
	stage []byte
	image []byte // their sectors, kept to be used again
	chain uint32 // check of the last record
	end   int64
	// durable is up to where seg is synced, and proven up to where a later sector in it says so.
	durable, proven int64
	// compacted: segments may have become unneeded since the last sync.
	compacted bool
	failed    error

	recovery Recovery
	counts   counts
}

// counts are what Stats counts; atomic, so that anybody may look.
type counts struct{ writes, flushes, syncs, written atomic.Int64 }

// Stats are counts since Open and sizes now.
type Stats struct {
	// Writes counts calls of Write, Flushes writes to a file, Syncs all syncs of files and directory.
	Writes, Flushes, Syncs int64
	// WrittenBytes is all that was written to files, headers and padding included.
	WrittenBytes int64
	// Segments in use, and DiskBytes of their files and of the spare ones.
	Segments  int
	DiskBytes int64
}

// Recovered tells what Open found.
func (l *Log) Recovered() Recovery { return l.recovery }

// Stats may be called by any goroutine, also beside a writer.
func (l *Log) Stats() Stats {
	s := Stats{
		Writes: l.counts.writes.Load(), Flushes: l.counts.flushes.Load(),
		Syncs: l.counts.syncs.Load(), WrittenBytes: l.counts.written.Load(),
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	s.Segments = len(l.segments)
	for _, seg := range l.segments {
		s.DiskBytes += seg.size
	}
	for _, sp := range l.spares {
		s.DiskBytes += sp.size
	}
	return s
}

// Write appends what a raft.Ready asks for, in its order: snap, if not nil, then entries, then hard,
// if not empty. snap replaces the log; entries with the index and term of the snapshot's last, and
// what follows them, stay. entries replace those with the same and all higher indexes. The log keeps the Data of
// entries and snap, which must not be modified any more.
//
// With sync it returns when this and everything before it is durable: one write to one file and one
// sync, also of what was written without sync before. Without, it keeps the records in memory, up to
// a MiB of them, so that whoever has several batches to write gives sync to the last only. After a
// crash a beginning of the records is there, at least up to the last that was synced.
//
// raft.ErrCompacted, raft.ErrUnavailable (a gap), raft.ErrSnapshotOutOfDate, raft.ErrMisuse (indexes
// that are not consecutive, terms that fall, more than 1 GiB at once): nothing was written.
// ErrFailed: a write or sync failed, now or before; ErrClosed.
func (l *Log) Write(snap *raft.Snapshot, entries []raft.Entry, hard raft.HardState, sync bool) error {
	if err := l.usable(); err != nil {
		return err
	}
	h := l.st.head()
	if _, err := h.CheckWrite(snap, entries, l.Term); err != nil {
		return err
	}
	var encoded []byte
	if snap != nil {
		encoded = snap.Append(nil)
	}
	need := int64(len(encoded)) + recordOverhead*4 + 64
	for i := range entries {
		need += int64(entryLen(&entries[i])) + recordOverhead
	}
	if need > maxWriteBytes {
		return fmt.Errorf("%w: a write of %d bytes, at most %d are taken", raft.ErrMisuse, need, maxWriteBytes)
	}
	if err := l.reserve(need); err != nil {
		return err
	}
	l.counts.writes.Add(1)
	l.mu.Lock()
	if snap != nil {
		l.putSnapshot(snap, encoded)
	}
	l.putEntries(entries)
	if !hard.Empty() && hard != l.st.hard {
		l.put(kindHard, appendNumbers(nil, uint64(hard.Term), uint64(hard.Vote), uint64(hard.Commit)))
		l.st.hard = hard
	}
	l.mu.Unlock()
	if sync {
		return l.Sync()
	}
	if len(l.stage) >= stageBytes {
		return l.flush()
	}
	return nil
}

// usable answers the errors of every writing call.
func (l *Log) usable() error {
	if l.closed {
		return ErrClosed
	}
	if l.failed != nil {
		return fmt.Errorf("%w: %w", ErrFailed, l.failed)
	}
	return nil
}

// fail makes err the last word of the log.
func (l *Log) fail(err error) error {
	l.failed = err
	return fmt.Errorf("%w: %w", ErrFailed, err)
}

// reserve sees to it that need bytes of records fit into the segment.
func (l *Log) reserve(need int64) error {
	if l.end+int64(len(l.stage))+need <= l.seg.room() {
		return nil
	}
	if err := l.flush(); err != nil {
		return err
	}
	if l.durable < l.end { // the next segment will vouch for this one
		if err := l.syncFile(); err != nil {
			return err
		}
	}
	if err := l.create(need); err != nil {
		return l.fail(err)
	}
	return nil
}

// CreateSnapshot notes a snapshot of the state machine at index at, which is in the log and applied,
// with the membership as of it. Nothing is cut (see Compact), and nothing is synced: it is durable
// with the next synced write. raft.ErrSnapshotOutOfDate, raft.ErrUnavailable, raft.ErrCompacted:
// nothing was written.
func (l *Log) CreateSnapshot(at raft.Index, conf raft.ConfState, data []byte) error {
	if err := l.usable(); err != nil {
		return err
	}
	h := l.st.head()
	if err := h.CheckSnapshot(at); err != nil {
		return err
	}
	snap := raft.Snapshot{Index: at, Term: l.st.term(at), Conf: conf.Clone(), Data: data}
	encoded := snap.Append(nil)
	if int64(len(encoded)) > maxWriteBytes {
		return fmt.Errorf("%w: a snapshot of %d bytes, at most %d are taken", raft.ErrMisuse, len(encoded), maxWriteBytes)
	}
	if err := l.reserve(int64(len(encoded)) + recordOverhead); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(kindMark, encoded)
	l.st.snap = snap
	return nil
}

// Compact forgets the entries up to and including at, which must not be beyond the newest snapshot
// (raft.ErrMisuse). Segments without entries are released when it is durable, which is with the next
// synced write.
func (l *Log) Compact(at raft.Index) error {
	if err := l.usable(); err != nil {
		return err
	}
	h := l.st.head()
	if err := h.CheckCompact(at); err != nil {
		return err
	}
	if at <= l.st.base {
		return nil
	}
	if err := l.reserve(recordOverhead + 20); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.st.term(at)
	l.put(kindCompact, appendNumbers(nil, uint64(at), uint64(t)))
	l.st.compact(at, t)
	l.dropCache()
	l.compacted = true
	return nil
}

// Sync makes everything written so far durable. With nothing to do it does nothing.
func (l *Log) Sync() error {
	if err := l.usable(); err != nil {
		return err
	}
	if err := l.flush(); err != nil {
		return err
	}
	if l.durable < l.end {
		if err := l.syncFile(); err != nil {
			return err
		}
	}
	if !l.compacted {
		return nil
	}
	l.compacted = false
	if err := l.release(); err != nil {
		return l.fail(err)
	}
	return nil
}

// flush writes what is staged: whole sectors, none of which was written before.
func (l *Log) flush() error {
	if len(l.stage) == 0 {
		return nil
	}
	if err := l.writeSectors(padded(l.stage)); err != nil {
		return l.fail(err)
	}
	if cap(l.stage) > 4*stageBytes {
		l.stage, l.image = nil, nil
	}
	l.stage = l.stage[:0]
	l.mu.Lock()
	l.stagedFirst = l.st.last + 1
	l.dropCache()
	l.mu.Unlock()
	return nil
}

func (l *Log) writeSectors(data []byte) error {
	n := 1 + l.end/sectorData
	l.image = appendSectors(l.image[:0], data, l.seg.seed, l.seg.mark, uint32(n), uint32(1+l.durable/sectorData))
	if _, err := l.seg.file.WriteAt(l.image, n*sectorBytes); err != nil {
		return fmt.Errorf("wal: write %s: %w", l.seg.name, err)
	}
	l.counts.flushes.Add(1)
	l.counts.written.Add(int64(len(l.image)))
	l.proven = l.durable
	l.end += int64(len(data))
	return nil
}

func (l *Log) syncFile() error {
	if err := l.seg.file.Sync(); err != nil {
		return l.fail(fmt.Errorf("wal: sync %s: %w", l.seg.name, err))
	}
	l.counts.syncs.Add(1)
	l.durable = l.end
	return nil
}

// Close makes everything durable, unless the log has failed, and puts a mark behind it that says so;
// then it releases the directory. A second Close answers ErrClosed.
func (l *Log) Close() error {
	if l.closed {
		return ErrClosed
	}
	var err error
	if l.failed == nil {
		if err = l.Sync(); err == nil && l.proven < l.end && l.end < l.seg.sectors()*sectorData {
			if err = l.writeSectors(make([]byte, sectorData)); err == nil {
				err = l.syncFile()
			}
		}
	}
	l.files.Lock()
	defer l.files.Unlock()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	if cerr := l.closeFiles(); err == nil && cerr != nil {
		err = fmt.Errorf("wal: close: %w", cerr)
	}
	return err
}

// closeFiles closes every file and gives up the lock.
func (l *Log) closeFiles() (err error) {
	keep := func(e error) {
		if err == nil {
			err = e
		}
	}
	for _, seg := range l.segments {
		keep(seg.file.Close())
	}
	for _, sp := range l.spares {
		keep(sp.file.Close())
	}
	keep(l.lock.Close())
	return err
}
