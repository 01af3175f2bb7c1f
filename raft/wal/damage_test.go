package wal

import (
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/raft/logtest"
)

// history fills a disk by random calls until it has seen several segments come and go, and ends with
// everything durable: by a Close, or by a Sync and a power cut.
func history(t *testing.T, r *rand.Rand, closed bool) (*disk, *logtest.Twin) {
	t.Helper()
	d, twin := newDisk(), logtest.NewTwin()
	l := openOn(t, d, small)
	for i := 0; i < 60 || len(l.segments) < 4; i++ {
		logtest.Step(r, l, twin, func(err error) { must(t, err) })
	}
	must(t, l.Sync())
	twin.Sync()
	if closed {
		must(t, l.Close())
	} else {
		d.crash(nil)
	}
	return d, twin
}

// outcome opens a damaged disk: refused, harmless (the log is as it was), or silently something else.
func outcome(t *testing.T, d *disk, twin *logtest.Twin) (*CorruptError, error) {
	t.Helper()
	before := d.clone()
	l, err := Open(d, small)
	if err == nil {
		return nil, twin.Check(l)
	}
	var damage *CorruptError
	if !errors.As(err, &damage) {
		t.Fatalf("neither opened nor refused as corrupt: %v", err)
	}
	for name, f := range before.names {
		if g := d.names[name]; g == nil || !slices.Equal(f.now, g.now) || len(d.names) != len(before.names) {
			t.Fatalf("refused (%v), but %s was touched", err, name)
		}
	}
	return damage, nil
}

// flips is how many random flips are tried. ETALON_FLIPS=100000 makes it many, and the tests of every
// bit and every length leave none out.
func flips() (n int, long bool) {
	if s := os.Getenv("ETALON_FLIPS"); s != "" {
		n, _ := strconv.Atoi(s)
		return n, true
	}
	return 3000, false
}

func TestNoFlippedBitIsSilent(t *testing.T) {
	r := logtest.Rand(t)
	refused, harmless := 0, 0
	var d *disk
	var twin *logtest.Twin
	n, _ := flips()
	for i := range n {
		if i%200 == 0 {
			d, twin = history(t, r, i%400 == 0)
		}
		c := d.clone()
		name := pick(r, c)
		bit := r.IntN(8 * len(c.names[name].now))
		c.names[name].now[bit/8] ^= 1 << (bit % 8)
		damage, err := outcome(t, c, twin)
		switch {
		case err != nil:
			t.Fatalf("bit %d of byte %d of %s: not refused, and %v", bit%8, bit/8, name, err)
		case damage == nil:
			harmless++
		case damage.File != name || damage.OffsetBytes/sectorBytes != int64(bit/8/sectorBytes):
			t.Fatalf("bit %d of byte %d of %s: reported as %v", bit%8, bit/8, name, damage)
		default:
			refused++
		}
	}
	t.Logf("%d flips: %d refused with their place, %d where nothing is stored, 0 silent", refused+harmless, refused, harmless)
	if refused < harmless {
		t.Error("most flips should hit something")
	}
}

// pick returns a segment that is not a spare.
func pick(r *rand.Rand, d *disk) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		if _, ok := parseSegmentName(name); ok {
			names = append(names, name)
		}
	}
	return names[r.IntN(len(names))]
}

// With one flipped bit in a needed sector of the newest segment, each of them.
func TestEveryBitOfTheLastWriteCounts(t *testing.T) {
	for _, closed := range []bool{false, true} {
		d, twin := newDisk(), logtest.NewTwin()
		l := openOn(t, d, small)
		for i := range raft.Index(3) {
			list := []raft.Entry{{Term: 1, Index: i + 1, Data: make([]byte, 700*i)}}
			must(t, l.Write(nil, list, raft.HardState{Term: 1}, true))
			twin.Write(nil, list, raft.HardState{Term: 1}, true)
		}
		from, to := 0, int(1+l.end/sectorData)*sectorBytes
		if closed {
			must(t, l.Close())
		} else {
			d.crash(nil)
		}
		step := 5
		if _, long := flips(); long {
			step = 1
		}
		for bit := 8 * from; bit < 8*to; bit += step {
			c := d.clone()
			c.names[segmentName(1)].now[bit/8] ^= 1 << (bit % 8)
			if damage, err := outcome(t, c, twin); err != nil || damage == nil {
				t.Fatalf("closed=%v: bit %d of byte %d: %v, %v", closed, bit%8, bit/8, damage, err)
			}
		}
	}
}

func TestEveryTruncatedFileIsRefused(t *testing.T) {
	r := logtest.Rand(t)
	d, twin := history(t, r, false)
	_, long := flips()
	for name := range d.names {
		if _, ok := parseSegmentName(name); !ok {
			continue
		}
		for n := range d.names[name].now {
			if at := n % sectorBytes; !long && at > 1 && at < sectorBytes-1 && at%101 != 0 {
				continue
			}
			c := d.clone()
			c.names[name].now = c.names[name].now[:n]
			if damage, err := outcome(t, c, twin); damage == nil || damage.File != name {
				t.Fatalf("%s cut to %d bytes: %v, %v", name, n, damage, err)
			}
		}
		c := d.clone()
		c.names[name].now = append(c.names[name].now, 0)
		if damage, err := outcome(t, c, twin); damage == nil {
			t.Fatalf("%s with a byte more: %v", name, err)
		}
	}
}

// Blocks that a disk lost, misplaced or brought back, anywhere before what the last write wrote.
func TestDamagedBlocksAreRefused(t *testing.T) {
	r := logtest.Rand(t)
	for range 300 {
		d, twin := history(t, r, true) // closed: all of it is vouched for
		name := pick(r, d)
		f := d.names[name].now
		size := []int{sectorBytes, 4 * sectorBytes, len(f)}[r.IntN(3)]
		at := r.IntN(len(f)/size) * size
		block := f[at : at+size]
		if tail := lastWritten(f, name); at <= tail && tail < at+size && name == newest(d) {
			continue // nothing that was written after it is left to say so: the exception of doc.go
		}
		switch r.IntN(4) {
		case 0: // zeroed
			clear(block)
		case 1: // a write that went to the wrong place
			other := d.names[pick(r, d)].now
			if len(other) < size {
				continue
			}
			from := r.IntN(len(other)/size) * size
			copy(block, slices.Clone(other[from:from+size]))
		case 2: // noise
			for i := range block {
				block[i] = byte(r.Uint32())
			}
		case 3: // a part of it lost
			clear(block[r.IntN(size):])
		}
		if _, err := outcome(t, d, twin); err != nil {
			t.Fatalf("%d bytes at %d of %s: %v", size, at, name, err)
		}
	}
}

func newest(d *disk) string {
	names := slices.Sorted(maps.Keys(d.names))
	return slices.MaxFunc(names, func(a, b string) int {
		x, _ := parseSegmentName(a)
		y, _ := parseSegmentName(b)
		return int(x) - int(y)
	})
}

// lastWritten is where the last sector with the segment's stamp begins.
func lastWritten(f []byte, name string) int {
	seq, _ := parseSegmentName(name)
	for at := len(f) - sectorBytes; at > 0; at -= sectorBytes {
		if binary.LittleEndian.Uint32(f[at+offStamp:]) == stamp(seq) {
			return at
		}
	}
	return 0
}

func TestLostAndOldSegmentsAreRefused(t *testing.T) {
	r := logtest.Rand(t)
	d, twin := newDisk(), logtest.NewTwin()
	l := openOn(t, d, small)
	old := d.clone()
	for i := range raft.Index(60) {
		list := []raft.Entry{{Term: 1, Index: i + 1, Data: make([]byte, 300+r.IntN(100))}}
		must(t, l.Write(nil, list, hardOf(1), true))
		twin.Write(nil, list, hardOf(1), true)
		if i == 5 {
			old = d.clone()
		}
	}
	must(t, l.Close())
	segments := len(d.names)
	for seq := uint64(1); seq < uint64(segments); seq++ { // the loss of the newest cannot be seen
		c := d.clone()
		delete(c.names, segmentName(seq))
		if damage, err := outcome(t, c, twin); damage == nil {
			t.Errorf("segment %d of %d is lost: %v", seq, segments, err)
		}
	}
	for name, f := range old.names {
		c := d.clone()
		if slices.Equal(c.names[name].now, f.now) {
			continue
		}
		c.names[name] = f
		if damage, err := outcome(t, c, twin); damage == nil {
			t.Errorf("an old copy of %s: %v", name, err)
		}
	}
	c := d.clone()
	c.names[segmentName(1)], c.names[segmentName(2)] = c.names[segmentName(2)], c.names[segmentName(1)]
	if damage, err := outcome(t, c, twin); damage == nil {
		t.Errorf("two segments changed places: %v", err)
	}
	c = d.clone()
	for name, f := range c.names {
		delete(c.names, name)
		c.names[sparePrefix+name] = f
	}
	if damage, err := outcome(t, c, twin); damage == nil {
		t.Errorf("only spares are left: %v", err)
	}
}

// The last write is cut at every byte: the log opens, has what was synced and a prefix of the rest, and
// tells what it cut.
func TestATornWriteIsCutAtEveryByte(t *testing.T) {
	for _, recycled := range []bool{false, true} {
		d, twin := newDisk(), logtest.NewTwin()
		o := small
		o.SegmentBytes = 16 << 10
		l := openOn(t, d, o)
		next := raft.Index(1)
		add := func(n int, sync bool, sizes ...int) {
			var list []raft.Entry
			for range n {
				list = append(list, raft.Entry{Term: 1, Index: next, Data: make([]byte, sizes[int(next)%len(sizes)])})
				for i := range list[len(list)-1].Data {
					list[len(list)-1].Data[i] = byte(i) | 1
				}
				next++
			}
			must(t, l.Write(nil, list, raft.HardState{}, false))
			twin.Write(nil, list, raft.HardState{}, false)
			if sync {
				must(t, l.Sync())
				twin.Sync()
			}
		}
		for recycled && !l.seg.recycled {
			add(3, true, 300)
			must(t, l.CreateSnapshot(next-1, raft.ConfState{Voters: []raft.NodeID{1}}, nil))
			twin.CreateSnapshot(next-1, raft.ConfState{Voters: []raft.NodeID{1}}, nil)
			must(t, l.Compact(next-1))
			twin.Compact(next - 1)
		}
		add(2, true, 200)
		base, synced := d.clone(), next-1
		from := int(1+l.end/sectorData) * sectorBytes
		add(5, false, 10, 600, 450)
		must(t, l.flush())
		name := l.seg.name
		full := d.names[name].now
		to := int(1+l.end/sectorData) * sectorBytes
		if to-from < 3*sectorBytes {
			t.Fatalf("a write of %d bytes is too short", to-from)
		}
		for cut := from; cut <= to; cut++ {
			c := base.clone()
			copy(c.names[name].now, full[:cut])
			got := openOn(t, c, o)
			w := *twin
			if err := w.Survived(got); err != nil {
				t.Fatalf("cut at byte %d of %d: %v", cut-from, to-from, err)
			}
			rec := got.Recovered()
			last, _ := got.LastIndex()
			whole := cut == to || cut == from
			if torn := rec.CutBytes > 0; !whole && !recycled && !torn || torn && (rec.File != name || rec.CutIndex != last+1 || last < synced) {
				t.Fatalf("cut at byte %d of %d: reported as %+v, the last index is %d", cut-from, to-from, rec, last)
			}
			must(t, got.Write(nil, []raft.Entry{{Term: 2, Index: last + 1}}, raft.HardState{}, true))
			must(t, got.Close())
			again := openOn(t, c, o)
			if now, _ := again.LastIndex(); now != last+1 {
				t.Fatalf("cut at byte %d: the entry written after it is gone: %d", cut-from, now)
			}
		}
	}
}

func TestAnEntryThatRotsUnderAnOpenLogIsAnError(t *testing.T) {
	d := newDisk()
	o := small
	o.CacheBytes = -1
	l := openOn(t, d, o)
	var list []raft.Entry
	for i := raft.Index(1); i <= 20; i++ {
		list = append(list, raft.Entry{Term: 1, Index: i, Data: make([]byte, 100)})
	}
	must(t, l.Write(nil, list, raft.HardState{}, true))
	f := d.names[l.seg.name]
	for bit := 8 * 2 * sectorBytes; bit < 8*4*sectorBytes; bit += 11 {
		f.now[bit/8] ^= 1 << (bit % 8)
		var damage *CorruptError
		if got, err := l.Entries(nil, 1, 21, 1<<30); !errors.As(err, &damage) || damage.File != l.seg.name || damage.OffsetBytes != int64(bit/8/sectorBytes*sectorBytes) || damage.Index != raft.Index(len(got)+1) {
			t.Fatalf("bit %d of byte %d: %d entries, %v", bit%8, bit/8, len(got), err)
		}
		f.now[bit/8] ^= 1 << (bit % 8)
	}
}

// A segment of a copy of the log that went another way fits in every number; only the chain tells.
func TestASegmentOfAnotherHistoryIsRefused(t *testing.T) {
	var disks [2]*disk
	for way := range disks {
		disks[way] = newDisk()
		l := openOn(t, disks[way], small)
		for i := raft.Index(1); len(l.segments) < 3; i++ {
			data := make([]byte, 400)
			data[0] = byte(way)
			must(t, l.Write(nil, []raft.Entry{{Term: 1, Index: i, Data: data}}, raft.HardState{Term: 1}, true))
		}
		must(t, l.Close())
	}
	d := disks[0]
	d.names[segmentName(1)] = disks[1].names[segmentName(1)]
	var damage *CorruptError
	if _, err := Open(d, small); !errors.As(err, &damage) || damage.File != segmentName(2) {
		t.Fatalf("another history's first segment: %v", err)
	}
}
