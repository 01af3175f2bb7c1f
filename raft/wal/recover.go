package wal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/etalon-kv/etalon/raft"
)

// Recovery is what Open found.
type Recovery struct {
	// Segments and Records are those that were read.
	Segments, Records int
	// Fresh: there was no log, and an empty one was made.
	Fresh bool
	// CutBytes of File, from OffsetBytes on, were the beginning of a write that never was synced,
	// and no longer count. 0: nothing was found behind the end. In a recycled file only whole
	// sectors can be told from what the file held before, and are counted.
	CutBytes    int64
	File        string
	OffsetBytes int64
	// CutIndex is the first index that may have been in what was cut.
	CutIndex raft.Index
}

// Open opens the log in fsys, or makes an empty one where there is nothing. When it returns,
// everything that it found is durable.
//
// Errors: ErrInUse; ErrForeign; ErrNewerFormat; ErrCorrupt (a *CorruptError) for damage before the
// end of what is known to have been synced. After these four the directory is as it was. Any other
// error is of the file system.
func Open(fsys FS, o Options) (*Log, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if _, err := inspect(fsys); err != nil {
		return nil, err
	}
	lock, err := fsys.Lock()
	if err != nil {
		return nil, err
	}
	l := &Log{fs: fsys, opt: o, lock: lock, nextSeq: 1}
	l.storageHead = l.head
	if err := l.load(); err != nil {
		l.closeFiles()
		return nil, err
	}
	if r := l.recovery; r.CutBytes > 0 {
		o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "log ends in a write that was never synced; cut",
			slog.String("file", r.File), slog.Int64("offset", r.OffsetBytes),
			slog.Int64("bytes", r.CutBytes), slog.Uint64("index", uint64(r.CutIndex)))
	}
	return l, nil
}

// listing is what is in the directory.
type listing struct {
	run   []uint64 // segments: the newest and those before it without a gap, ascending
	stale []string // what a crash left: to be removed
}

// inspect looks at names only.
func inspect(fsys FS) (listing, error) {
	var d listing
	names, err := fsys.List()
	if err != nil {
		return d, fmt.Errorf("wal: open: %w", err)
	}
	var seqs []uint64
	spare, foreign := "", ""
	for _, name := range names {
		seq, ok := parseSegmentName(name)
		switch {
		case ok:
			seqs = append(seqs, seq)
		case strings.HasPrefix(name, sparePrefix):
			spare = name
			d.stale = append(d.stale, name)
		case name == newName:
			d.stale = append(d.stale, name)
		case name != "lost+found":
			foreign = name
		}
	}
	slices.Sort(seqs)
	slices.Sort(d.stale)
	switch {
	case len(seqs) > 0:
	case foreign != "":
		return d, fmt.Errorf("%w: it holds %q, want an empty directory or a log", ErrForeign, foreign)
	case spare != "":
		return d, &CorruptError{File: spare, Reason: "there was a log here, and its segments are gone"}
	}
	from := len(seqs)
	for from > 0 && (from == len(seqs) || seqs[from-1]+1 == seqs[from]) {
		from--
	}
	d.run = seqs[from:]
	// Segments are released from the oldest on; the directory may have forgotten that of some.
	for _, seq := range seqs[:from] {
		d.stale = append(d.stale, segmentName(seq))
	}
	return d, nil
}

// load replays what is there, under the lock. It changes nothing before all of it is found right.
func (l *Log) load() error {
	d, err := inspect(l.fs)
	if err != nil {
		return err
	}
	if len(d.run) == 0 {
		l.recovery.Fresh, l.cacheFirst, l.stagedFirst = true, 1, 1
		if err := l.clean(d.stale); err != nil {
			return err
		}
		return l.create(0)
	}
	for _, seq := range d.run {
		seg, err := openSegment(l.fs, l.opt.ID, seq)
		if err != nil {
			return err
		}
		l.segments = append(l.segments, seg)
	}
	l.recovery.Segments = len(l.segments)
	var t tail
	for i, seg := range l.segments {
		if t, err = l.replay(i, seg); err != nil {
			return err
		}
	}
	l.seg = l.segments[len(l.segments)-1]
	l.nextSeq = l.seg.seq + 1
	if l.st.last > l.st.base && l.st.missing > l.st.base {
		return l.segments[0].corrupt(0, l.st.base+1, "the entries are in segments before this one, which are missing")
	}
	if err := l.settle(t); err != nil {
		return err
	}
	if err := l.clean(d.stale); err != nil {
		return err
	}
	if t.dirty {
		return l.create(0)
	}
	return nil
}

// clean removes files that do not belong to the log.
func (l *Log) clean(names []string) error {
	for _, name := range names {
		if err := l.fs.Remove(name); err != nil {
			return fmt.Errorf("wal: remove: %w", err)
		}
	}
	// Also where nothing was removed: a rename may still wait to become durable.
	if err := l.fs.SyncDir(); err != nil {
		return fmt.Errorf("wal: sync of the directory: %w", err)
	}
	return nil
}

// replay applies the records of segment i to the state. For the newest it returns what follows them.
func (l *Log) replay(i int, seg *segment) (t tail, err error) {
	newest := i == len(l.segments)-1
	limit := int64(-1)
	if !newest {
		limit = l.segments[i+1].prevEnd
		if limit > seg.sectors()*sectorData {
			return t, l.segments[i+1].corrupt(-sectorData, l.st.last+1, "the segment before is said to be longer than it is")
		}
	}
	if i > 0 && seg.chain != l.chain {
		return t, seg.corrupt(-sectorData, l.st.last+1, "the chain of checksums does not continue that of the segment before")
	}
	s := newScanner(seg, 0, seg.chain, limit)
	for n := 0; ; n++ {
		s.next = l.st.last + 1
		r, pos, chain, err := s.read()
		if errors.Is(err, errEnd) {
			if n == 0 {
				return t, seg.corrupt((s.sector-1)*sectorData, s.next, "the segment's first record is not there or not whole")
			}
			break
		}
		if err != nil {
			return t, err
		}
		if n == 0 {
			err = l.begin(i, r)
		} else {
			err = l.st.replay(r, seg, pos, chain)
		}
		if err != nil {
			return t, seg.corrupt(pos, s.next, err.Error())
		}
		l.recovery.Records++
	}
	l.chain = s.chain
	if newest {
		return l.judgeTail(s)
	}
	if s.pos != limit {
		return t, seg.corrupt((s.sector-1)*sectorData, s.next, "the segment ends before the place where the next one continues it")
	}
	return t, nil
}

// begin takes the first record of a segment: the state at that place.
func (l *Log) begin(i int, r record) error {
	if r.kind != kindState {
		return fmt.Errorf("%w: the first record is of kind %d", ErrCorrupt, r.kind)
	}
	st, err := decodeState(bytes.Clone(r.payload))
	if err != nil {
		return err
	}
	if i == 0 {
		l.st = st
		return nil
	}
	if o := &l.st; st.hard != o.hard || st.base != o.base || st.last != o.last || st.snap.Index != o.snap.Index {
		return fmt.Errorf("%w: the state at its start is not that at the end of the segment before", ErrCorrupt)
	}
	return nil
}

// tail is the end of the newest segment.
type tail struct {
	end     int64 // of the last record, padding included
	records int64 // of the last record
	// from is the first sector of which nothing says that it was durable.
	from int64
	// dirty: what is behind the end could be mistaken for a continuation.
	dirty bool
}

// judgeTail looks at what follows the last record and tells a write that was cut short from damage.
func (l *Log) judgeTail(s *scanner) (t tail, err error) {
	seg := s.seg
	t = tail{end: s.pos, records: s.records, dirty: len(s.data) > 0, from: 1}
	if s.stopped && s.stop == rotten {
		return t, seg.corrupt((s.sector-1)*sectorData, s.next, "a sector fails its checksum")
	}
	if s.sector > 1 {
		var b [4]byte
		if _, err := seg.file.ReadAt(b[:], (s.sector-1)*sectorBytes+offDurable); err != nil {
			return t, fmt.Errorf("wal: read %s: %w", seg.name, err)
		}
		t.from = int64(binary.LittleEndian.Uint32(b[:]))
	}
	cut := s.sector * sectorBytes // where that which was cut ends
	buf := make([]byte, min(128<<10, seg.size))
	for n := s.sector; n <= seg.sectors(); {
		b := buf[:min(int64(len(buf)), seg.size-n*sectorBytes)]
		if _, err := seg.file.ReadAt(b, n*sectorBytes); err != nil {
			return t, fmt.Errorf("wal: read %s at byte %d: %w", seg.name, n*sectorBytes, err)
		}
		for ; len(b) > 0; b, n = b[sectorBytes:], n+1 {
			used, durable := l.leftover(seg, s.tab, n, b[:sectorBytes])
			if durable > s.sector {
				return t, seg.corrupt((s.sector-1)*sectorData, s.next,
					fmt.Sprintf("a sector is not there that was durable when sector %d was written", n))
			}
			t.dirty = t.dirty || durable >= 0
			if used > 0 {
				cut = n*sectorBytes + used
			}
		}
	}
	start := (1+s.pos/sectorData)*sectorBytes + s.pos%sectorData
	if len(s.data) > 0 {
		start += offData
	}
	if cut > start {
		l.recovery.File, l.recovery.OffsetBytes, l.recovery.CutBytes = seg.name, start, cut-start
		l.recovery.CutIndex = l.st.last + 1
	}
	return t, nil
}

// leftover looks at a sector behind the end: how many bytes of it seem to have been written, and what
// it says was durable when it was, -1 where it does not count.
func (l *Log) leftover(seg *segment, tab *crcTable, n int64, b []byte) (used, durable int64) {
	le := binary.LittleEndian
	if le.Uint32(b[offStamp:]) == seg.mark {
		if judge(tab, seg.seed, seg.mark, uint32(n), b) == written {
			return sectorBytes, int64(le.Uint32(b[offDurable:]))
		}
		return sectorBytes, 0
	}
	if seg.recycled {
		return 0, -1
	}
	return int64(len(bytes.TrimRight(b, "\x00"))), -1
}

// settle makes what was read durable.
//
// The sectors of which nothing says that they were durable may be in the kernel's cache only: written
// before the process was killed, or, worse, written before a sync that failed, after which the
// kernel takes them for clean. So they are written again, with the bytes they have, and synced.
func (l *Log) settle(t tail) error {
	to := 1 + (t.end+sectorData-1)/sectorData
	if n := to - t.from; n > 0 {
		b := make([]byte, n*sectorBytes)
		if _, err := l.seg.file.ReadAt(b, t.from*sectorBytes); err != nil {
			return fmt.Errorf("wal: read %s: %w", l.seg.name, err)
		}
		if _, err := l.seg.file.WriteAt(b, t.from*sectorBytes); err != nil {
			return fmt.Errorf("wal: write %s: %w", l.seg.name, err)
		}
	}
	if err := l.seg.file.Sync(); err != nil {
		return fmt.Errorf("wal: sync %s: %w", l.seg.name, err)
	}
	l.end, l.durable, l.proven = t.end, t.end, (t.from-1)*sectorData
	if l.proven >= t.records { // what follows the last record is only a mark
		l.proven = l.end
	}
	l.cacheFirst, l.stagedFirst = l.st.last+1, l.st.last+1
	return nil
}
