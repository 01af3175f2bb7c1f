package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/etalon-kv/etalon/raft"
)

// readSectors is how many sectors are read at once at most.
const readSectors = 512

// scanner reads the records of a segment in order and checks sectors and records.
type scanner struct {
	seg *segment
	tab *crc32.Table
	// limit is where the data end, for a segment that has a successor; else the file's end.
	limit int64
	// data are those of the sectors read and not yet consumed; they begin at pos.
	data  []byte
	pos   int64
	chain uint32 // check of the record before pos
	// records is where the last record ended.
	records int64
	next    raft.Index
	// sector is the next to be read (a number in the file); stopped: it was read, and is stop.
	sector  int64
	stopped bool
	stop    verdict
	chunk   int64 // sectors to read next
	raw     []byte
	buf     []byte // holds data
}

// newScanner starts at pos, where chain is the check of the record before.
func newScanner(seg *segment, pos int64, chain uint32, limit int64) *scanner {
	if limit < 0 {
		limit = seg.sectors() * sectorData
	}
	return &scanner{seg: seg, tab: castagnoli(), limit: limit, pos: pos, chain: chain, sector: 1 + pos/sectorData, chunk: 16}
}

// errEnd: no further record. What stands behind the end is not judged yet.
var errEnd = errors.New("wal: end")

// read returns the next record, its place and the check before it. errEnd: there is none, or only the
// beginning of one, which is in s.data then. The payload is valid until the next call.
func (s *scanner) read() (r record, pos int64, chain uint32, err error) {
	for {
		if s.pos >= s.limit {
			return r, s.pos, s.chain, errEnd
		}
		if len(s.data) > 0 && s.data[0] == 0 {
			if err := s.skip(); err != nil {
				return r, 0, 0, err
			}
			continue
		}
		r, err := parseRecord(s.tab, s.data, s.chain)
		switch {
		case err == nil && s.pos+int64(r.size) > s.limit:
			return r, 0, 0, s.seg.corrupt(s.pos, s.next, "a record goes on behind the end")
		case err == nil:
			pos, chain = s.pos, s.chain
			s.data, s.pos, s.chain = s.data[r.size:], s.pos+int64(r.size), r.chain
			s.records = s.pos
			return r, pos, chain, nil
		case errors.Is(err, errFrame):
			return r, 0, 0, s.seg.corrupt(s.pos, s.next, "a record does not continue the chain of checksums")
		}
		more, err := s.fill()
		if err != nil {
			return r, 0, 0, err
		}
		if !more {
			return r, s.pos, s.chain, errEnd
		}
	}
}

// skip passes over the padding at pos, to the start of the next sector.
func (s *scanner) skip() error {
	n := sectorData - s.pos%sectorData
	pad := s.data[:n]
	for len(pad) >= 8 && binary.LittleEndian.Uint64(pad) == 0 {
		pad = pad[8:]
	}
	for _, b := range pad {
		if b != 0 {
			return s.seg.corrupt(s.pos, s.next, "padding is not zeros")
		}
	}
	s.data, s.pos = s.data[n:], s.pos+n
	return nil
}

// fill reads more sectors. False: nothing more can be read.
func (s *scanner) fill() (bool, error) {
	last := (s.limit + sectorData - 1) / sectorData // sectors 1 to last
	n := min(s.chunk, last+1-s.sector)
	if s.stopped || n <= 0 {
		return false, nil
	}
	s.chunk = min(2*s.chunk, readSectors)
	if cap(s.raw) < int(n*sectorBytes) {
		s.raw = make([]byte, n*sectorBytes)
	}
	raw := s.raw[:n*sectorBytes]
	if _, err := s.seg.file.ReadAt(raw, s.sector*sectorBytes); err != nil {
		return false, fmt.Errorf("wal: read %s at byte %d: %w", s.seg.name, s.sector*sectorBytes, err)
	}
	if need := len(s.data) + int(n)*sectorData; cap(s.buf) < need {
		s.buf = make([]byte, 0, need)
	}
	s.buf = append(s.buf[:0], s.data...) // what is left moves to the front
	skip := int64(0)
	if len(s.data) == 0 {
		skip = s.pos % sectorData // a start within the first sector
	}
	from := s.sector
	for ; len(raw) > 0; raw = raw[sectorBytes:] {
		b := raw[:sectorBytes]
		if v := judge(s.tab, s.seg.seed, s.seg.mark, uint32(s.sector), b); v != written {
			s.stopped, s.stop = true, v
			break
		}
		s.buf = append(s.buf, b[offData+skip:offStamp]...)
		s.sector++
		skip = 0
	}
	s.data = s.buf
	return s.sector > from, nil
}
