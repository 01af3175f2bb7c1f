package wal

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
)

// disk is a directory in memory that can lose what was not synced: every sector of every write and
// every change of a name by itself.
type disk struct {
	mu     sync.Mutex
	names  map[string]*memFile
	stable map[string]*memFile // names that a crash leaves
	moves  []move              // since the last SyncDir
	locked bool

	ops     int // calls that change something
	failAt  int // from this op on everything fails; 0 = never
	failErr error
	// failSync makes the n-th Sync from now fail, once, as a kernel does: the file's pages are clean
	// afterwards, and a later Sync succeeds without having written them. 0 = never.
	failSync int
	// tear: a sector may be torn at any byte.
	tear bool
}

type move struct {
	from, to string // from "": created; to "": removed
	file     *memFile
}

type memFile struct {
	d       *disk
	now     []byte
	stable  []byte
	pending []write
}

type write struct {
	off  int64
	data []byte
}

var errPower = errors.New("the power is off")

func newDisk() *disk {
	return &disk{names: map[string]*memFile{}, stable: map[string]*memFile{}}
}

// change is called with mu held before anything changes.
func (d *disk) change() error {
	d.ops++
	if d.failAt > 0 && d.ops >= d.failAt {
		return d.failErr
	}
	return nil
}

type unlock func()

func (u unlock) Close() error { u(); return nil }

func (d *disk) Lock() (io.Closer, error) {
	if d.locked {
		return nil, ErrInUse
	}
	d.locked = true
	return unlock(func() { d.locked = false }), nil
}

func (d *disk) List() ([]string, error) { return slices.Collect(maps.Keys(d.names)), nil }

func (d *disk) Create(name string, size int64) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.change(); err != nil {
		return nil, err
	}
	if d.names[name] != nil {
		return nil, os.ErrExist
	}
	f := &memFile{d: d, now: make([]byte, size), stable: make([]byte, size)}
	d.names[name] = f
	d.moves = append(d.moves, move{"", name, f})
	return f, nil
}

func (d *disk) Open(name string) (File, error) {
	if f := d.names[name]; f != nil {
		return f, nil
	}
	return nil, os.ErrNotExist
}

func (d *disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.change(); err != nil {
		return err
	}
	f := d.names[from]
	if f == nil || d.names[to] != nil {
		return fmt.Errorf("rename %s to %s", from, to)
	}
	delete(d.names, from)
	d.names[to] = f
	d.moves = append(d.moves, move{from, to, f})
	return nil
}

func (d *disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.change(); err != nil {
		return err
	}
	f := d.names[name]
	if f == nil {
		return os.ErrNotExist
	}
	delete(d.names, name)
	d.moves = append(d.moves, move{name, "", f})
	return nil
}

func (d *disk) SyncDir() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.change(); err != nil {
		return err
	}
	d.stable, d.moves = maps.Clone(d.names), nil
	return nil
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if off > int64(len(f.now)) {
		return 0, io.EOF
	}
	n := copy(b, f.now[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	err := f.d.change()
	if err != nil && f.d.ops > f.d.failAt {
		return 0, err
	}
	// A write that is under way when the power goes may still have reached the disk.
	if off < 0 || off+int64(len(b)) > int64(len(f.now)) {
		return 0, fmt.Errorf("write of %d bytes at %d of %d", len(b), off, len(f.now))
	}
	copy(f.now[off:], b)
	f.pending = append(f.pending, write{off, slices.Clone(b)})
	return len(b), err
}

func (f *memFile) Size() (int64, error) { return int64(len(f.now)), nil }

func (f *memFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.change(); err != nil {
		return err
	}
	if f.d.failSync > 0 {
		if f.d.failSync--; f.d.failSync == 0 {
			f.pending = nil // and lost, though now still shows it
			return errors.New("input/output error")
		}
	}
	for _, w := range f.pending {
		copy(f.stable[w.off:], w.data)
	}
	f.pending = nil
	return nil
}

func (f *memFile) Close() error { return nil }

// restart is the end of the process; the kernel goes on.
func (d *disk) restart() { d.locked, d.failAt, d.ops, d.failSync = false, 0, 0, 0 }

// crash cuts the power. r decides what is kept; nil keeps nothing that was not synced.
func (d *disk) crash(r *rand.Rand) {
	d.restart()
	names := maps.Clone(d.stable)
	all, dir := 0, 0
	if r != nil {
		all, dir = r.IntN(4), r.IntN(3)
	}
	for _, m := range d.moves {
		if r == nil || dir == 0 || dir == 1 && r.IntN(2) == 0 || m.from != "" && names[m.from] != m.file {
			continue
		}
		delete(names, m.from)
		if m.to != "" {
			names[m.to] = m.file
		}
	}
	for _, f := range names {
		img := slices.Clone(f.stable)
		for _, w := range f.pending {
			switch all {
			case 0: // lost
			case 1: // kept
				copy(img[w.off:], w.data)
			default:
				keep(r, img, w, d.tear)
			}
		}
		f.now, f.stable, f.pending = img, slices.Clone(img), nil
	}
	d.names, d.stable, d.moves = names, maps.Clone(names), nil
}

// keep lets each sector of w come through or not.
func keep(r *rand.Rand, img []byte, w write, tear bool) {
	odds := 1 + r.IntN(8)
	for at := 0; at < len(w.data); at += sectorBytes {
		if r.IntN(odds+1) == 0 {
			continue
		}
		n := min(sectorBytes, len(w.data)-at)
		if tear && r.IntN(4) == 0 {
			n = r.IntN(n)
		}
		copy(img[w.off+int64(at):], w.data[at:at+n])
	}
}

// clone copies what the disk shows now, all of it durable.
func (d *disk) clone() *disk {
	c := newDisk()
	for name, f := range d.names {
		c.names[name] = &memFile{d: c, now: slices.Clone(f.now), stable: slices.Clone(f.now)}
	}
	c.stable = maps.Clone(c.names)
	return c
}
