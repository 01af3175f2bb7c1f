package raftsim

import (
	"errors"
	"fmt"
	"math"

	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/raft/walsim"
	"github.com/etalon-kv/etalon/sim"
)

// rot flips bits, one at a time, in copies of the disk of a member that has just opened its log and found that in it:
// the log must refuse each copy, or have everything in it. One start in 16 is tried, with four bits anywhere; one in 256 with
// those of lengths.
func (m *member) rot(found *shadow) {
	g := m.g
	if g.rotRng.IntN(16) > 0 {
		return
	}
	image := m.disk.Image()
	for range 4 {
		disk := image.Image()
		where := disk.FlipBit(g.rotRng)
		m.openRotten(disk, where, found)
	}
	if g.rotRng.IntN(16) == 0 {
		m.rotLengths(image, found)
	}
}

// rotLengths flips, one after the other, the bits of the length of the records that begin one of the last sectors of
// a file. Few of all bits are such, and a length that reaches beyond the end of the log makes damage look like a write that was
// cut short.
func (m *member) rotLengths(image *sim.Disk, found *shadow) {
	const sectors, length = 4, 9 // the length is behind check, durable mark and kind
	dir := image.Dir("wal")
	for _, name := range dir.List() {
		end := dir.Used(name) / sim.SectorBytes
		for n := max(1, end-sectors); n < end; n++ {
			at := n*sim.SectorBytes + length
			for bit := range 8 {
				disk := image.Image()
				disk.Dir("wal").Flip(name, at, bit)
				m.openRotten(disk, fmt.Sprintf("%s, byte %d, bit %d", name, at, bit), found)
			}
		}
	}
}

// openRotten opens a copy of the disk with a flipped bit.
func (m *member) openRotten(disk *sim.Disk, where string, found *shadow) {
	g := m.g
	log, err := wal.Open(walsim.Dir(disk.Dir("wal")), m.options())
	switch {
	case errors.Is(err, wal.ErrCorrupt):
		g.w.Sometimes("a flipped bit is found")
		return
	case err != nil:
		g.fail("opening the log of %d with a flipped bit at %s: %v", m.id, where, err)
	}
	got, err := read(log)
	if err != nil || !got.equal(found) {
		g.fail("a flipped bit at %s makes the log of %d come back as %s instead of %s: %v", where, m.id, &got, found, err)
	}
	m.sameEntries(log, found, where)
	g.w.Sometimes("a flipped bit is where it does no harm")
}

// sameEntries compares what is in the entries with what was written.
func (m *member) sameEntries(log *wal.Log, found *shadow, where string) {
	for lo, hi := found.base+1, found.last()+1; lo < hi; {
		entries, err := log.Entries(nil, lo, hi, math.MaxUint64)
		if err != nil || len(entries) == 0 {
			m.g.fail("a flipped bit at %s: reading %d on %d: %v", where, lo, m.id, err)
		}
		for i := range entries {
			e := &entries[i]
			if c, ok := m.g.oracle.entries[entryKey{e.Index, e.Term}]; !ok || c.hash != hash(e.Data)+uint64(e.Type) {
				m.g.fail("a flipped bit at %s changes %d/%d on %d to %q", where, e.Term, e.Index, m.id, e.Data)
			}
		}
		lo += entries[len(entries)-1].Index - lo + 1
	}
}
