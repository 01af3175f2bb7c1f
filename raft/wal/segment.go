package wal

import (
	"errors"
	"fmt"
	"slices"

	"github.com/etalon-kv/etalon/raft"
)

// segment is one open file of the log.
type segment struct {
	header
	file File
	name string
	seed uint32 // of the checks of its sectors
	mark uint32 // its stamp
}

func newSegment(h header, f File) *segment {
	return &segment{header: h, file: f, name: segmentName(h.seq), seed: sectorSeed(h.id, h.seq), mark: stamp(h.seq)}
}

// sectors is the number of data sectors: all but the header.
func (s *segment) sectors() int64 { return s.size/sectorBytes - 1 }

// room is the most data that is put into a segment, in bytes; the last sector stays free for the
// mark of Close.
func (s *segment) room() int64 { return (s.sectors() - 1) * sectorData }

// corrupt places err at the sector that holds pos of the data.
func (s *segment) corrupt(pos int64, next raft.Index, reason string) error {
	return &CorruptError{File: s.name, OffsetBytes: (1 + pos/sectorData) * sectorBytes, Index: next, Reason: reason}
}

// openSegment reads the header of a file that should be the segment seq of the log id.
func openSegment(fsys FS, id, seq uint64) (*segment, error) {
	name := segmentName(seq)
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("wal: open: %w", err)
	}
	h, err := readHeader(f, name, id, seq)
	if err != nil {
		f.Close()
		return nil, err
	}
	return newSegment(h, f), nil
}

func readHeader(f File, name string, id, seq uint64) (h header, err error) {
	size, err := f.Size()
	if err != nil {
		return h, fmt.Errorf("wal: open %s: %w", name, err)
	}
	bad := func(format string, args ...any) error {
		return &CorruptError{File: name, Reason: fmt.Sprintf(format, args...)}
	}
	if size < sectorBytes {
		return h, bad("the file has %d bytes, not even a header", size)
	}
	b := make([]byte, sectorBytes)
	if _, err := f.ReadAt(b, 0); err != nil {
		return h, fmt.Errorf("wal: read %s: %w", name, err)
	}
	switch err := h.decode(b); {
	case errors.Is(err, ErrNewerFormat):
		return h, fmt.Errorf("%s: %w", name, err)
	case err != nil:
		return h, bad("%v", err)
	case h.id != id:
		return h, fmt.Errorf("%w: %s is of log %x, not %x", ErrForeign, name, h.id, id)
	case h.seq != seq:
		return h, bad("it is segment %d under a wrong name", h.seq)
	case h.size != size:
		return h, bad("the file has %d bytes, the header says %d", size, h.size)
	}
	return h, nil
}

// create makes the segment that comes next, with st as its first record and room for need bytes of
// data besides, and returns it together with the place where data go on. When it returns, the
// segment is durable and in its place.
func (l *Log) create(need int64) error {
	h := header{id: l.opt.ID, seq: l.nextSeq, chain: l.chain}
	if l.seg != nil {
		h.prevEnd = l.end
	}
	chain := l.chain
	payload := l.st.appendState(nil)
	data, chain := appendRecord(nil, kindState, len(payload), chain, func(b []byte) []byte { return append(b, payload...) })
	data = padded(data)
	sectors := 1 + (int64(len(data))+need+sectorData-1)/sectorData + 2
	h.size = max(l.opt.SegmentBytes, (sectors*sectorBytes+minSegmentBytes-1)&^(minSegmentBytes-1))

	f, from, err := l.blank(&h)
	if err != nil {
		return err
	}
	seg := newSegment(h, f)
	image := appendSectors(h.encode(), data, seg.seed, seg.mark, 1, 1)
	if err := l.prepare(f, image, from, seg.name); err != nil {
		f.Close()
		return err
	}
	l.mu.Lock()
	l.seg, l.segments = seg, append(l.segments, seg)
	l.mu.Unlock()
	l.nextSeq++
	l.chain, l.end, l.durable, l.proven = chain, int64(len(data)), int64(len(data)), int64(len(data))
	return nil
}

// blank returns a file to become a segment, and its name: a spare of the right size or a new one.
func (l *Log) blank(h *header) (File, string, error) {
	for i, sp := range l.spares {
		if sp.size == h.size {
			l.mu.Lock()
			l.spares = slices.Delete(l.spares, i, i+1)
			l.mu.Unlock()
			h.recycled = true
			return sp.file, sp.name, nil
		}
	}
	f, err := l.fs.Create(newName, h.size)
	if err != nil {
		return nil, "", fmt.Errorf("wal: create: %w", err)
	}
	return f, newName, nil
}

// prepare makes image the beginning of f, durably, and then gives it its name, durably.
func (l *Log) prepare(f File, image []byte, from, to string) error {
	if _, err := f.WriteAt(image, 0); err != nil {
		return fmt.Errorf("wal: write %s: %w", from, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("wal: sync %s: %w", from, err)
	}
	if err := l.fs.Rename(from, to); err != nil {
		return fmt.Errorf("wal: rename to %s: %w", to, err)
	}
	if err := l.fs.SyncDir(); err != nil {
		return fmt.Errorf("wal: sync of the directory: %w", err)
	}
	l.counts.syncs.Add(2)
	l.counts.written.Add(int64(len(image)))
	return nil
}

// padded fills data up to whole sectors.
func padded(data []byte) []byte {
	if rest := len(data) % sectorData; rest > 0 {
		return append(data, make([]byte, sectorData-rest)...)
	}
	return data
}

// release retires the segments before the one that holds the oldest entry needed. What makes them
// unneeded is durable.
func (l *Log) release() error {
	l.mu.RLock()
	keep := l.seg
	if len(l.st.extents) > 0 {
		keep = l.st.extents[0].seg
	}
	n := 0
	for l.segments[n] != keep {
		n++
	}
	l.mu.RUnlock()
	if n == 0 {
		return nil
	}
	l.files.Lock() // readers are done with them
	defer l.files.Unlock()
	for _, seg := range l.segments[:n] {
		if err := l.retire(seg); err != nil {
			return err
		}
	}
	l.mu.Lock()
	l.segments = append([]*segment(nil), l.segments[n:]...)
	l.mu.Unlock()
	// Before a spare's content is touched its old name must be gone for good.
	if err := l.fs.SyncDir(); err != nil {
		return fmt.Errorf("wal: sync of the directory: %w", err)
	}
	l.counts.syncs.Add(1)
	return nil
}

// retire takes a segment out of the log: to be used again, if there is need for it.
func (l *Log) retire(seg *segment) error {
	if len(l.spares) >= spareSegments || seg.size != l.opt.SegmentBytes {
		if err := l.fs.Remove(seg.name); err != nil {
			return fmt.Errorf("wal: remove: %w", err)
		}
		return seg.file.Close()
	}
	name := sparePrefix + seg.name
	if err := l.fs.Rename(seg.name, name); err != nil {
		return fmt.Errorf("wal: rename to %s: %w", name, err)
	}
	l.mu.Lock()
	l.spares = append(l.spares, spare{seg.file, name, seg.size})
	l.mu.Unlock()
	return nil
}

// spare is a released file.
type spare struct {
	file File
	name string
	size int64
}
