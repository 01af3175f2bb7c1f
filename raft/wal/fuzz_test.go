package wal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/raft/logtest"
)

// reseal makes a header's checksum right.
func reseal(b []byte) {
	binary.LittleEndian.PutUint32(b[offHeadCheck:], crc32.Checksum(b[:offHeadCheck], castagnoli()))
}

// FuzzOpen opens segments of any bytes, as they are and with all checks of header and sectors made right,
// so that the records are reached: no panic, bounded memory, and what opens can be read, written to
// and opened again with the same content.
func FuzzOpen(f *testing.F) {
	d, twin := newDisk(), logtest.NewTwin()
	l, err := Open(d, small)
	if err != nil {
		f.Fatal(err)
	}
	r := logtest.Rand(f)
	for range 8 {
		logtest.Step(r, l, twin, func(err error) {
			if err != nil {
				f.Fatal(err)
			}
		})
	}
	_ = l.Close()
	f.Add(slices.Clone(d.names[segmentName(l.segments[0].seq)].now), true)
	f.Add([]byte("etalwal\x01"), false)
	f.Fuzz(func(t *testing.T, b []byte, right bool) {
		if len(b) > 64<<10 {
			return
		}
		if right {
			b = sealed(b)
		}
		d := newDisk()
		d.names[segmentName(1)] = &memFile{d: d, now: slices.Clone(b), stable: slices.Clone(b)}
		l, err := Open(d, small)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrForeign) && !errors.Is(err, ErrNewerFormat) {
				t.Fatal(err)
			}
			return
		}
		last, _ := l.LastIndex()
		if last > 1<<61 {
			return
		}
		if t, _ := l.Term(last); t > 1<<61 {
			return
		}
		term, err := l.Term(last)
		must(t, err)
		must(t, l.Write(nil, []raft.Entry{{Index: last + 1, Term: term + 1, Data: []byte("more")}}, raft.HardState{Term: term + 1}, true))
		first, _ := l.FirstIndex()
		got, err := l.Entries(nil, first, last+2, 1<<30)
		must(t, err)
		must(t, l.Close())
		again := openOn(t, d, small)
		same, err := again.Entries(nil, first, last+2, 1<<30)
		must(t, err)
		if len(got) != int(last+2-first) || len(same) != len(got) {
			t.Fatalf("%d entries, and %d after reopening, want %d", len(got), len(same), last+2-first)
		}
	})
}

// sealed makes b the sectors of segment 1, with every check right but those of the records, which are
// chained as long as they parse.
func sealed(b []byte) []byte {
	b = append(slices.Clone(b), make([]byte, (3*sectorBytes-len(b)%sectorBytes)%sectorBytes+2*sectorBytes)...)
	h := header{id: small.ID, seq: 1, size: int64(len(b))}
	copy(b, h.encode())
	var data []byte
	for at := sectorBytes; at < len(b); at += sectorBytes {
		data = append(data, b[at+offData:at+offStamp]...)
	}
	chain := uint32(0)
	for at := 0; at < len(data); {
		if data[at] == 0 {
			at += sectorData - at%sectorData
			continue
		}
		size, n := binary.Uvarint(data[at+1:])
		end := at + 1 + n + int(size)
		if n <= 0 || size > uint64(len(data)) || end+4 > len(data) {
			break
		}
		chain = crc32.Update(chain, castagnoli(), data[at:end])
		binary.LittleEndian.PutUint32(data[end:], chain)
		at = end + 4
	}
	return appendSectors(b[:sectorBytes], data, sectorSeed(h.id, h.seq), stamp(h.seq), 1, 1)
}
