package wal

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/raft/logtest"
)

func one(i raft.Index) []raft.Entry {
	return []raft.Entry{{Index: i, Term: 1, Data: []byte("data")}}
}

func TestAFailureIsFinal(t *testing.T) {
	for n := 1; n < 12; n++ { // the n-th operation from here on fails, once
		d := newDisk()
		l := openOn(t, d, small)
		d.failAt, d.failErr = d.ops+n, errors.New("input/output error")
		var err error
		i := raft.Index(1)
		for ; err == nil; i++ {
			e := []raft.Entry{{Index: i, Term: 1, Data: make([]byte, 700)}}
			err = l.Write(nil, e, raft.HardState{}, true)
		}
		d.failAt = 0 // it would go well now
		if !errors.Is(err, ErrFailed) || !errors.Is(err, d.failErr) {
			t.Fatalf("operation %d: %v", n, err)
		}
		ops := d.ops
		for j, err := range []error{l.Write(nil, one(i), raft.HardState{}, true), l.Write(nil, nil, raft.HardState{}, false), l.Sync(), l.Compact(1), l.CreateSnapshot(1, raft.ConfState{}, nil)} {
			if !errors.Is(err, ErrFailed) || !errors.Is(err, d.failErr) {
				t.Errorf("call %d after it: %v", j, err)
			}
		}
		must(t, l.Close())
		if d.ops != ops {
			t.Errorf("operation %d failed, and %d more were tried", n, d.ops-ops)
		}
	}
}

// After a sync that failed the kernel shows what it never wrote. A log that is opened then must not
// vouch for it before it is on the disk.
func TestWhatAFailedSyncLostIsWrittenAgain(t *testing.T) {
	d := newDisk()
	l := openOn(t, d, small)
	must(t, l.Write(nil, one(1), raft.HardState{}, true))
	d.failSync = 1
	if err := l.Write(nil, one(2), raft.HardState{}, true); !errors.Is(err, ErrFailed) {
		t.Fatalf("the sync that failed: %v", err)
	}
	d.restart()
	l = openOn(t, d, small)
	if last, _ := l.LastIndex(); last != 2 {
		t.Fatalf("the log ends at %d; the page cache has 2", last)
	}
	d.crash(nil)
	l = openOn(t, d, small)
	if last, _ := l.LastIndex(); last != 2 {
		t.Fatalf("2 was found after a restart and is gone after a power cut: the log ends at %d", last)
	}
}

func TestABatchIsOneWriteAndOneSync(t *testing.T) {
	d := newDisk()
	l := openOn(t, d, Options{})
	before, ops := l.Stats(), d.ops
	for i := raft.Index(1); i <= 10; i++ {
		must(t, l.Write(nil, one(i), raft.HardState{Term: 1, Commit: i}, i == 10))
	}
	after := l.Stats()
	if after.Flushes-before.Flushes != 1 || after.Syncs-before.Syncs != 1 || d.ops-ops != 2 {
		t.Errorf("10 writes and a sync: %d operations, %+v", d.ops-ops, after)
	}
	must(t, l.Sync())
	if d.ops-ops != 2 {
		t.Error("a Sync with nothing to do did something")
	}
}

func TestReleasedSegmentsAreUsedAgain(t *testing.T) {
	d := newDisk()
	l := openOn(t, d, small)
	recycled, most := 0, 0
	for i := raft.Index(1); i < 400; i++ {
		must(t, l.Write(nil, []raft.Entry{{Index: i, Term: 1, Data: make([]byte, 600)}}, raft.HardState{}, true))
		if i%10 == 0 {
			must(t, l.CreateSnapshot(i-5, raft.ConfState{Voters: []raft.NodeID{1}}, nil))
			must(t, l.Compact(i-5))
		}
		if l.seg.recycled {
			recycled++
		}
		most = max(most, len(d.names))
	}
	if recycled < 100 || most > 12 {
		t.Errorf("%d of 400 entries went to recycled files; up to %d files", recycled, most)
	}
}

func TestForeignDirectoriesAreLeftAlone(t *testing.T) {
	d := newDisk()
	_, err := d.Create("letters.txt", 10)
	must(t, err)
	ops := d.ops
	if _, err := Open(d, small); !errors.Is(err, ErrForeign) {
		t.Errorf("a directory of letters: %v", err)
	}
	d2 := newDisk()
	must(t, openOn(t, d2, small).Close())
	other := small
	other.ID++
	if _, err := Open(d2, other); !errors.Is(err, ErrForeign) {
		t.Errorf("the log of another member: %v", err)
	}
	h := header{id: small.ID, seq: 1, size: small.SegmentBytes}
	b := h.encode()
	b[7] = version + 1
	reseal(b)
	copy(d2.names[segmentName(1)].now, b)
	if _, err := Open(d2, small); !errors.Is(err, ErrNewerFormat) {
		t.Errorf("a newer format: %v", err)
	}
	if d.ops != ops || d.locked || d2.locked {
		t.Error("a refused directory was changed or is still locked")
	}
}

func TestAbsurdOptionsAreRefused(t *testing.T) {
	for _, o := range []Options{{SegmentBytes: 1}, {SegmentBytes: -1}, {SegmentBytes: 1 << 40}} {
		if _, err := Open(newDisk(), o); err == nil || !strings.Contains(err.Error(), "segmentBytes") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := Dir(""); err == nil {
		t.Error("no directory was taken for one")
	}
}

// A batch larger than a segment makes a larger segment.
func TestLargeBatchesGetTheirOwnSegment(t *testing.T) {
	d, twin := newDisk(), logtest.NewTwin()
	l := openOn(t, d, small)
	for i := raft.Index(1); i < 20; i++ {
		e := []raft.Entry{{Index: i, Term: 1, Data: make([]byte, int(i%3)*9000)}}
		must(t, l.Write(nil, e, raft.HardState{}, i%2 == 0))
		twin.Write(nil, e, raft.HardState{}, true)
	}
	must(t, twin.Check(l))
	must(t, l.Close())
	must(t, twin.Check(openOn(t, d, small)))
}

func TestRealFilesCutByHandAreReported(t *testing.T) {
	dir := t.TempDir()
	fs, err := Dir(filepath.Join(dir, "a", "log"))
	must(t, err)
	l := openOn(t, fs, small)
	must(t, l.Write(nil, one(1), raft.HardState{}, true))
	must(t, l.Write(nil, []raft.Entry{{Index: 2, Term: 1, Data: make([]byte, 900)}}, raft.HardState{}, false))
	must(t, l.flush())
	at := (1+l.end/sectorData)*sectorBytes - sectorBytes // its last sector
	must(t, l.seg.file.Close())
	must(t, l.lock.Close())
	f, err := os.OpenFile(filepath.Join(dir, "a", "log", segmentName(1)), os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt(make([]byte, sectorBytes), at)
	must(t, err)
	must(t, f.Close())

	var said strings.Builder
	o := small
	o.Logger = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn}))
	l = openOn(t, fs, o)
	rec := l.Recovered()
	if rec.File != segmentName(1) || rec.CutIndex != 2 || rec.CutBytes < 500 || rec.CutBytes > 1100 || !strings.Contains(said.String(), "index=2") {
		t.Errorf("%+v, and the logger got %q", rec, said.String())
	}
	if !o.Logger.Enabled(context.Background(), slog.LevelWarn) {
		t.Error("no logger")
	}
	must(t, l.Close())
}

// readsFail is a directory of which the n-th look at anything, a listing, an opening, a size or a read, fails, once.
type readsFail struct {
	FS
	n, looks int
}

var errRead = errors.New("input/output error")

func (d *readsFail) fails() bool {
	d.looks++
	return d.looks == d.n
}

func (d *readsFail) List() ([]string, error) {
	if d.fails() {
		return nil, errRead
	}
	return d.FS.List()
}

func (d *readsFail) Open(name string) (File, error) {
	if d.fails() {
		return nil, &os.PathError{Op: "open", Path: name, Err: errRead}
	}
	f, err := d.FS.Open(name)
	return &readFails{f, d}, err
}

type readFails struct {
	File
	d *readsFail
}

func (f *readFails) ReadAt(b []byte, off int64) (int, error) {
	if f.d.fails() {
		return len(b) / 2, errRead
	}
	return f.File.ReadAt(b, off)
}

func (f *readFails) Size() (int64, error) {
	if f.d.fails() {
		return 0, errRead
	}
	return f.File.Size()
}

// manySegments returns a disk with a log of some segments, of which the newest ends in a write that was cut short, and a
// released one.
func manySegments(t *testing.T) *disk {
	d := newDisk()
	l := openOn(t, d, small)
	for i := raft.Index(1); i <= 40; i++ {
		must(t, l.Write(nil, []raft.Entry{{Index: i, Term: 1, Data: make([]byte, 500)}}, raft.HardState{Term: 1, Commit: i}, true))
	}
	must(t, l.CreateSnapshot(20, raft.ConfState{Voters: []raft.NodeID{1}}, nil))
	must(t, l.Compact(20))
	must(t, l.Write(nil, one(41), raft.HardState{}, true))
	must(t, l.Write(nil, one(42), raft.HardState{}, false))
	must(t, l.flush())
	d.restart()
	return d
}

// Whatever cannot be read is no end of the log: Open gives up, says where, and leaves the directory as it was found
// up to then, so that the next one finds everything.
func TestNoReadThatFailsIsTakenForTheEnd(t *testing.T) {
	whole := &readsFail{FS: manySegments(t)}
	must(t, openOn(t, whole, small).Close())
	if whole.looks < 20 {
		t.Fatalf("Open looks %d times only", whole.looks)
	}
	for n := 1; n <= whole.looks; n++ {
		d := manySegments(t)
		fsys := &readsFail{FS: d, n: n}
		l, err := Open(fsys, small)
		if err == nil {
			t.Fatalf("look %d of %d fails, and the log opens with %+v", n, whole.looks, l.Recovered())
		}
		if !errors.Is(err, errRead) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrForeign) {
			t.Errorf("look %d: %v", n, err)
		}
		if listing := strings.HasPrefix(err.Error(), "wal: open: input"); !listing && !strings.Contains(err.Error(), ".wal") {
			t.Errorf("look %d: %v names no file", n, err)
		}
		if d.locked {
			t.Errorf("look %d: the directory is still locked", n)
		}
		l = openOn(t, d, small)
		if last, _ := l.LastIndex(); last != 42 {
			t.Errorf("look %d fails, and at the next start the log ends at %d", n, last)
		}
		must(t, l.Close())
	}
}

// An open log whose file cannot be read says so to whoever asked, and goes on.
func TestAReadThatFailsIsAnErrorOfThatRead(t *testing.T) {
	fsys := &readsFail{FS: manySegments(t)}
	l := openOn(t, fsys, Options{ID: small.ID, SegmentBytes: small.SegmentBytes, CacheBytes: -1})
	for n := 1; n <= 10; n++ {
		fsys.looks, fsys.n = 0, n
		_, err := l.Entries(nil, 21, 42, 1<<20)
		if fsys.looks < n { // it reads less often
			break
		}
		if !errors.Is(err, errRead) || !strings.Contains(err.Error(), ".wal") || errors.Is(err, ErrCorrupt) {
			t.Errorf("read %d: %v", n, err)
		}
	}
	if fsys.n < 2 {
		t.Error("entries are read without reading")
	}
	entries, err := l.Entries(nil, 21, 42, 1<<20)
	if err != nil || len(entries) != 21 {
		t.Errorf("afterwards: %d entries, %v", len(entries), err)
	}
	must(t, l.Close())
}
