package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"

	"github.com/etalon-kv/etalon/raft"
)

// The numbers of the format; doc.go has the picture.
const (
	sectorBytes  = 512
	sectorData   = sectorBytes - 12 // check, durable, stamp
	offDurable   = 4
	offData      = 8
	offStamp     = sectorBytes - 4
	magic        = "etalwal"
	version      = 1
	offHeadCheck = sectorBytes - 4
)

// kind says what a record is.
type kind uint8

const (
	kindPad      kind = iota // the rest of the sector is zeros
	kindState                // first record of every segment: all that the log is, entries excepted
	kindEntry                // an entry, at the end of the log
	kindHard                 // the hard state
	kindInstall              // a snapshot that replaces the log
	kindAdopt                // a snapshot that the log agrees with: entries up to it are gone
	kindMark                 // a snapshot of what is in the log: nothing is gone yet
	kindCompact              // the entries up to an index are no longer needed
	kindTruncate             // the entries after an index no longer count
	kindEnd
)

// recordOverhead is the most that a record takes beside its payload.
const recordOverhead = 1 + 5 + 4

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// header is the first sector of a segment.
type header struct {
	id, seq uint64
	// size is that of the file.
	size int64
	// prevEnd is where the data of the segment before end, as a place in its data; chain is the
	// check of the last record there, which seeds that of the first record here.
	prevEnd int64
	chain   uint32
	// recycled: the file was another segment before, so that what lies behind the end need not be zeros.
	recycled bool
}

func (h *header) encode() []byte {
	b := make([]byte, sectorBytes)
	copy(b, magic)
	b[7] = version
	le := binary.LittleEndian
	le.PutUint64(b[8:], h.id)
	le.PutUint64(b[16:], h.seq)
	le.PutUint64(b[24:], uint64(h.size))
	le.PutUint64(b[32:], uint64(h.prevEnd))
	le.PutUint32(b[40:], h.chain)
	if h.recycled {
		b[44] = 1
	}
	le.PutUint32(b[offHeadCheck:], crc32.Checksum(b[:offHeadCheck], castagnoli()))
	return b
}

// decode reads a header. Its errors are ErrNewerFormat, or ErrCorrupt without a place.
func (h *header) decode(b []byte) error {
	le := binary.LittleEndian
	if crc32.Checksum(b[:offHeadCheck], castagnoli()) != le.Uint32(b[offHeadCheck:]) {
		return fmt.Errorf("%w: the header fails its checksum", ErrCorrupt)
	}
	if string(b[:7]) != magic {
		return fmt.Errorf("%w: the header is not that of a segment", ErrCorrupt)
	}
	if b[7] != version {
		return fmt.Errorf("%w: format %d, this program knows %d", ErrNewerFormat, b[7], version)
	}
	*h = header{id: le.Uint64(b[8:]), seq: le.Uint64(b[16:]), size: int64(le.Uint64(b[24:])),
		prevEnd: int64(le.Uint64(b[32:])), chain: le.Uint32(b[40:]), recycled: b[44] == 1}
	if h.size < 2*sectorBytes || h.size%sectorBytes != 0 || h.size > 1<<40 || h.prevEnd < 0 || h.seq == 0 {
		return fmt.Errorf("%w: the header makes no sense", ErrCorrupt)
	}
	return nil
}

// stamp ends every sector of the segment. It differs from that of any other segment whose content a
// recycled file may hold (any of 2^28 in a row), and from 0. Each of its bytes has an even number of
// ones: so a write that stops within the stamp leaves one that is right, because what was there before is
// the same, or wrong in two bits at least, and is never taken for a stamp with a flipped bit.
func stamp(seq uint64) uint32 {
	h, s := uint32(seq)*0x9E3779B1, uint32(0)
	for i := range 4 {
		b := h >> (7 * i) & 0x7f
		s |= (b<<1 | uint32(bits.OnesCount32(b)&1)) << (8 * i)
	}
	return s
}

// sectorSeed starts the checks of a segment's sectors.
func sectorSeed(id, seq uint64) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], id)
	binary.LittleEndian.PutUint64(b[8:], seq)
	return crc32.Checksum(b[:], castagnoli())
}

// sectorCheck is the check of a sector at number n of its file.
func sectorCheck(tab *crc32.Table, seed uint32, n uint32, sector []byte) uint32 {
	return crc32.Update(seed^n*0x9E3779B1, tab, sector[offDurable:])
}

// verdict is what a sector turns out to be.
type verdict uint8

const (
	unwritten verdict = iota // not there, or not whole: its end is not what was written
	written
	rotten // its end was written, its content is not what was
)

// judge tells what the sector at number n is. It may change and restore the stamp in b.
func judge(tab *crc32.Table, seed, want, n uint32, b []byte) verdict {
	le := binary.LittleEndian
	check, mark := le.Uint32(b), le.Uint32(b[offStamp:])
	if mark == want {
		if sectorCheck(tab, seed, n, b) == check {
			return written
		}
		return rotten
	}
	// Everything else may be right, and only the stamp itself damaged.
	le.PutUint32(b[offStamp:], want)
	ok := sectorCheck(tab, seed, n, b) == check
	le.PutUint32(b[offStamp:], mark)
	if ok && bits.OnesCount32(mark^want) == 1 { // never by a write that stopped there: see stamp
		return rotten
	}
	return unwritten
}

// appendSectors lays out data, whole sectors of it, as the sectors from number n on.
func appendSectors(dst, data []byte, seed, mark, n, durable uint32) []byte {
	tab, le := castagnoli(), binary.LittleEndian
	for ; len(data) > 0; data, n = data[sectorData:], n+1 {
		at := len(dst)
		dst = le.AppendUint32(dst, 0)
		dst = le.AppendUint32(dst, durable)
		dst = append(dst, data[:sectorData]...)
		dst = le.AppendUint32(dst, mark)
		le.PutUint32(dst[at:], sectorCheck(tab, seed, n, dst[at:]))
	}
	return dst
}

// appendRecord frames what payload appends, and returns the check that seeds the next record's.
// size is the exact length of the payload.
func appendRecord(dst []byte, k kind, size int, chain uint32, payload func([]byte) []byte) ([]byte, uint32) {
	at := len(dst)
	dst = append(dst, byte(k))
	dst = binary.AppendUvarint(dst, uint64(size))
	dst = payload(dst)
	chain = crc32.Update(chain, castagnoli(), dst[at:])
	return binary.LittleEndian.AppendUint32(dst, chain), chain
}

// record is a decoded frame. payload aliases the buffer it was read from.
type record struct {
	kind    kind
	payload []byte
	chain   uint32 // its own check
	size    int    // of the whole frame
}

// Outcomes of parseRecord besides a record.
var (
	errShort = fmt.Errorf("%w: ends within a record", ErrCorrupt)
	errFrame = fmt.Errorf("%w: a record fails its checksum or is none", ErrCorrupt)
)

// parseRecord reads the frame at the start of b, which is not a pad. errShort: it goes on behind b.
func parseRecord(tab *crc32.Table, b []byte, chain uint32) (record, error) {
	if len(b) == 0 {
		return record{}, errShort
	}
	k := kind(b[0])
	if k == kindPad || k >= kindEnd {
		return record{}, errFrame
	}
	size, n := binary.Uvarint(b[1:min(len(b), 1+binary.MaxVarintLen32)])
	if n < 0 || n == 0 && len(b) >= 1+binary.MaxVarintLen32 || size > maxWriteBytes+1<<20 {
		return record{}, errFrame
	}
	end := 1 + n + int(size)
	if n == 0 || len(b) < end+4 {
		return record{}, errShort
	}
	sum := crc32.Update(chain, tab, b[:end])
	if sum != binary.LittleEndian.Uint32(b[end:]) {
		return record{}, errFrame
	}
	return record{kind: k, payload: b[1+n : end : end], chain: sum, size: end + 4}, nil
}

// numbers decodes exactly len(out) varints and returns what follows them.
func numbers(b []byte, out ...*uint64) ([]byte, error) {
	for _, p := range out {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, fmt.Errorf("%w: a record's numbers", ErrCorrupt)
		}
		*p, b = v, b[n:]
	}
	return b, nil
}

func appendNumbers(dst []byte, vs ...uint64) []byte {
	for _, v := range vs {
		dst = binary.AppendUvarint(dst, v)
	}
	return dst
}

// segmentName is the file name of a segment.
func segmentName(seq uint64) string { return fmt.Sprintf("%016x.wal", seq) }

func parseSegmentName(name string) (uint64, bool) {
	var seq uint64
	if _, err := fmt.Sscanf(name, "%016x.wal", &seq); err != nil || seq == 0 || segmentName(seq) != name {
		return 0, false
	}
	return seq, true
}

const (
	newName     = "new.tmp"
	sparePrefix = "spare-"
)

func uvarintLen(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// entryLen is the length of e's binary form (raft.Entry.Append).
func entryLen(e *raft.Entry) int {
	return 1 + uvarintLen(uint64(e.Term)) + uvarintLen(uint64(e.Index)) + len(e.Data)
}
