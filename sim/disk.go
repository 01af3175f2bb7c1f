package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
)

// SectorBytes is what a crash keeps or loses as a whole, unless it tears it.
const SectorBytes = 512

// Errors of a Disk.
var (
	// ErrPower: the power went (CutAfter). Nothing works until Crash.
	ErrPower = errors.New("sim: the power is off")
	// ErrIO is a failed sync (FailSync).
	ErrIO = errors.New("sim: input/output error")
	// ErrLocked: somebody holds the lock.
	ErrLocked = errors.New("sim: locked")
	// ErrOutside: a write beyond the end of its file, which has a fixed size.
	ErrOutside = errors.New("sim: write outside the file")
)

// Disk holds directories of files of fixed size. What is written is visible at once, and durable after
// File.Sync; names are durable after Dir.Sync, apart from what the files contain. It must be used by one
// goroutine, except that others may call File.ReadAt beside its writes.
type Disk struct {
	rng  *rand.Rand
	dirs []*Dir
	// cutAfter is how many operations are left before the power goes; -1: no end.
	cutAfter int
	dead     bool // it went
	failSync bool
	// Tear lets a crash tear sectors, too, at any byte.
	Tear bool
	// Ops counts operations that change something.
	Ops int
}

// NewDisk returns an empty disk whose crashes are drawn from rng.
func NewDisk(rng *rand.Rand) *Disk { return &Disk{rng: rng, cutAfter: -1} }

// Dir returns the directory with this name, which is durable from the beginning.
func (d *Disk) Dir(name string) *Dir {
	for _, dir := range d.dirs {
		if dir.name == name {
			return dir
		}
	}
	dir := &Dir{d: d, name: name, names: map[string]*file{}, stable: map[string]*file{}}
	d.dirs = append(d.dirs, dir)
	return dir
}

// CutAfter lets n more operations happen; the next one is cut short by the power going, in the middle
// of a write too, and so does every one after it fail.
func (d *Disk) CutAfter(n int) { d.cutAfter = n }

// FailSync makes the next File.Sync or Dir.Sync fail, as kernels do: what was to be synced is
// forgotten at the next crash although it can still be read, and later syncs succeed without it.
func (d *Disk) FailSync() { d.failSync = true }

// change is called before anything changes.
func (d *Disk) change() error {
	d.Ops++
	switch {
	case d.cutAfter == 0:
		d.dead = true
		return ErrPower
	case d.cutAfter > 0:
		d.cutAfter--
	}
	return nil
}

// Restart is the end of the process while the machine goes on: locks are gone, nothing else.
func (d *Disk) Restart() {
	d.cutAfter, d.dead, d.failSync = -1, false, false
	for _, dir := range d.dirs {
		dir.locked = false
	}
}

// Crash is a power cut and the start after it. Of what was not synced, each operation on names and each
// sector is kept or lost: all, none, or some at random, differently for every crash.
func (d *Disk) Crash() {
	d.Restart()
	for _, dir := range d.dirs {
		dir.crash()
	}
}

// Image returns a copy of what is durable; see Restore.
func (d *Disk) Image() *Disk {
	c := &Disk{cutAfter: -1}
	for _, dir := range d.dirs {
		to := c.Dir(dir.name)
		for name, f := range dir.stable {
			to.names[name] = &file{now: slices.Clone(f.stable), stable: slices.Clone(f.stable)}
		}
		to.stable = maps.Clone(to.names)
	}
	return c
}

// FlipBit changes one bit of what is durable, in a file that holds something, at or before the last byte there that
// is not zero; it returns the place in words. Without such a file it does nothing.
func (d *Disk) FlipBit(rng *rand.Rand) string {
	type place struct {
		name string
		f    *file
		used int
	}
	var places []place
	for _, dir := range d.dirs {
		for _, name := range slices.Sorted(maps.Keys(dir.stable)) {
			f := dir.stable[name]
			if used := f.used(); used > 0 {
				places = append(places, place{dir.name + "/" + name, f, used})
			}
		}
	}
	if len(places) == 0 {
		return "nowhere"
	}
	p := places[rng.IntN(len(places))]
	at, bit := rng.IntN(p.used), rng.IntN(8)
	p.f.flip(at, bit)
	return fmt.Sprintf("%s, byte %d, bit %d", p.name, at, bit)
}

// Used returns how many bytes of a file are durable up to the last that is not zero; 0: there is no such file.
func (r *Dir) Used(name string) int {
	if f := r.stable[name]; f != nil {
		return f.used()
	}
	return 0
}

// Flip changes a bit of what is durable in a file, within Used.
func (r *Dir) Flip(name string, at, bit int) { r.stable[name].flip(at, bit) }

func (f *file) used() int { return len(bytes.TrimRight(f.stable, "\x00")) }

func (f *file) flip(at, bit int) {
	f.stable[at] ^= 1 << bit
	f.now = slices.Clone(f.stable)
}

// Restore puts an Image in the place of everything, as an old backup would; NewDisk's result stands
// for an empty disk. The image belongs to d afterwards.
func (d *Disk) Restore(image *Disk) {
	d.Restart()
	d.dirs = image.dirs
	for _, dir := range d.dirs {
		dir.d = d
	}
}

// Dir is a directory.
type Dir struct {
	d             *Disk
	name          string
	names, stable map[string]*file
	moves         []move // since the last Sync
	locked        bool
}

// move is a change of a name: created where from is "", removed where to is "".
type move struct {
	from, to string
	file     *file
}

type file struct {
	now, stable []byte
	pending     []write
	mu          sync.RWMutex // over the bytes of now, for ReadAt beside WriteAt
}

type write struct {
	off  int64
	data []byte
}

// Lock takes the directory's lock until the result is closed or the process ends. ErrLocked.
func (r *Dir) Lock() (io.Closer, error) {
	if r.locked {
		return nil, ErrLocked
	}
	r.locked = true
	return unlock{r}, nil
}

type unlock struct{ r *Dir }

func (u unlock) Close() error { u.r.locked = false; return nil }

// List returns all names in order.
func (r *Dir) List() []string { return slices.Sorted(maps.Keys(r.names)) }

// Create makes a file of size zero bytes.
func (r *Dir) Create(name string, size int64) (*File, error) {
	if err := r.d.change(); err != nil {
		return nil, err
	}
	if r.names[name] != nil {
		return nil, fmt.Errorf("sim: create %s: %w", name, os.ErrExist)
	}
	f := &file{now: make([]byte, size), stable: make([]byte, size)}
	r.names[name] = f
	r.moves = append(r.moves, move{"", name, f})
	return &File{r.d, f}, nil
}

// Open opens an existing file.
func (r *Dir) Open(name string) (*File, error) {
	if f := r.names[name]; f != nil {
		return &File{r.d, f}, nil
	}
	return nil, fmt.Errorf("sim: open %s: %w", name, os.ErrNotExist)
}

// Rename gives a file a name that is free.
func (r *Dir) Rename(from, to string) error {
	if err := r.d.change(); err != nil {
		return err
	}
	f := r.names[from]
	switch {
	case f == nil:
		return fmt.Errorf("sim: rename %s: %w", from, os.ErrNotExist)
	case r.names[to] != nil:
		return fmt.Errorf("sim: rename to %s: %w", to, os.ErrExist)
	}
	delete(r.names, from)
	r.names[to] = f
	r.moves = append(r.moves, move{from, to, f})
	return nil
}

// Remove takes a name away.
func (r *Dir) Remove(name string) error {
	if err := r.d.change(); err != nil {
		return err
	}
	f := r.names[name]
	if f == nil {
		return fmt.Errorf("sim: remove %s: %w", name, os.ErrNotExist)
	}
	delete(r.names, name)
	r.moves = append(r.moves, move{name, "", f})
	return nil
}

// Sync makes the names durable.
func (r *Dir) Sync() error {
	if err := r.d.change(); err != nil {
		return err
	}
	if r.d.failSync {
		r.d.failSync = false
		return ErrIO
	}
	r.stable, r.moves = maps.Clone(r.names), nil
	return nil
}

func (r *Dir) crash() {
	rng := r.d.rng
	names := maps.Clone(r.stable)
	fate := rng.IntN(3) // of names: lost, kept, by chance
	for _, m := range r.moves {
		if fate == 0 || fate == 2 && rng.IntN(2) == 0 || m.from != "" && names[m.from] != m.file {
			continue
		}
		delete(names, m.from)
		if m.to != "" {
			names[m.to] = m.file
		}
	}
	content := rng.IntN(4)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		f := names[name]
		for _, p := range f.pending {
			switch content {
			case 0: // lost
			case 1:
				copy(f.stable[p.off:], p.data)
			default:
				r.d.keepSome(f.stable, p)
			}
		}
		f.now, f.pending = slices.Clone(f.stable), nil
	}
	r.names, r.stable, r.moves = names, maps.Clone(names), nil
}

// keepSome lets each sector of p come through or not.
func (d *Disk) keepSome(img []byte, p write) {
	odds := 2 + d.rng.IntN(8)
	for at := 0; at < len(p.data); {
		n := min(SectorBytes-int(p.off+int64(at))%SectorBytes, len(p.data)-at)
		if d.rng.IntN(odds) > 0 {
			kept := n
			if d.Tear && d.rng.IntN(4) == 0 {
				kept = d.rng.IntN(n)
			}
			copy(img[p.off+int64(at):], p.data[at:at+kept])
		}
		at += n
	}
}

// File is an open file.
type File struct {
	d *Disk
	f *file
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(b []byte, off int64) (int, error) {
	if off >= int64(len(f.f.now)) {
		return 0, io.EOF
	}
	f.f.mu.RLock()
	n := copy(b, f.f.now[off:])
	f.f.mu.RUnlock()
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt, within the size of the file.
func (f *File) WriteAt(b []byte, off int64) (int, error) {
	dying := f.d.cutAfter == 0 && !f.d.dead // a write under way when the power goes may still reach the disk
	err := f.d.change()
	if off < 0 || off+int64(len(b)) > int64(len(f.f.now)) {
		return 0, fmt.Errorf("%w: %d bytes at %d of %d", ErrOutside, len(b), off, len(f.f.now))
	}
	if err != nil && !dying {
		return 0, err
	}
	f.f.mu.Lock()
	copy(f.f.now[off:], b)
	f.f.mu.Unlock()
	f.f.pending = append(f.f.pending, write{off, slices.Clone(b)})
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

// Size returns the size in bytes.
func (f *File) Size() (int64, error) { return int64(len(f.f.now)), nil }

// Sync makes what was written durable. ErrIO: never, see FailSync.
func (f *File) Sync() error {
	if err := f.d.change(); err != nil {
		return err
	}
	if f.d.failSync {
		f.d.failSync, f.f.pending = false, nil
		return ErrIO
	}
	for _, p := range f.f.pending {
		copy(f.f.stable[p.off:], p.data)
	}
	f.f.pending = nil
	return nil
}

// Close does nothing: a process that ends closes everything.
func (f *File) Close() error { return nil }
