package pebble

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fence is pebble's way to the disk. Up to the first failure of something that changes the disk it
// only counts. At that failure it goes down: it keeps the cause, tells pebble that all went well,
// and from then on sends every change to a file system in memory, or nowhere for files that were
// open, so that pebble can neither alter the disk nor fail again, and can still be closed. What
// was created in memory since then is found there; everything else is still read from the disk.
// Damage that this does to pebble's own idea of its files (a half-written table) shows as an
// error of a read, never as an answer.
//
// It stands from before pebble is opened, because pebble flushes in the background by then already:
// Open asks it afterwards.
type fence struct {
	vfs.FS        // the disk
	mem    vfs.FS // what is created after the failure
	cause  error  // of the failure; written before down is set
	once   sync.Once
	down   atomic.Bool
	// written is all that was written to files, in bytes.
	written atomic.Int64
	// witness hears of synced MANIFESTs and logs.
	witness *witness
}

func newFence(disk vfs.FS, w *witness) *fence {
	return &fence{FS: disk, mem: vfs.NewMem(), witness: w}
}

// failure is what brought the fence down, nil while it stands.
func (f *fence) failure() error {
	if !f.down.Load() {
		return nil
	}
	return f.cause
}

// trip brings the fence down, whoever noticed.
func (f *fence) trip(cause error) {
	f.once.Do(func() {
		f.cause = cause
		f.down.Store(true)
	})
}

// caught handles the error of a change of the disk: it tells whether the fence is down now, so
// that the change must be made in memory; otherwise (no error, or none of the disk) err is for
// pebble.
func (f *fence) caught(op, name string, err error) bool {
	if err == nil || errors.Is(err, fs.ErrNotExist) && op == "remove" {
		return false
	}
	f.trip(fmt.Errorf("pebble: %s %s: %w", op, name, err))
	return true
}

// change makes one change: on the disk while the fence stands, else by the second function.
func (f *fence) change(op, name string, disk, mem func() error) error {
	if !f.down.Load() {
		if err := disk(); !f.caught(op, name, err) {
			return err
		}
	}
	_ = mem() // the file may be on the disk only: then there is nothing to do
	return nil
}

// file makes one file, likewise.
func (f *fence) file(op, name string, cat vfs.DiskWriteCategory, disk func() (vfs.File, error)) (vfs.File, error) {
	if !f.down.Load() {
		file, err := disk()
		if err == nil {
			return &fencedFile{File: file, fence: f, name: name, role: roleOf(f.PathBase(name))}, nil
		}
		if !f.caught(op, name, err) {
			return nil, err
		}
	}
	if err := f.mem.MkdirAll(f.PathDir(name), 0o700); err != nil {
		return nil, err
	}
	return f.mem.Create(name, cat)
}

func (f *fence) Create(name string, cat vfs.DiskWriteCategory) (vfs.File, error) {
	return f.file("create", name, cat, func() (vfs.File, error) { return f.FS.Create(name, cat) })
}

func (f *fence) OpenReadWrite(name string, cat vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.file("open", name, cat, func() (vfs.File, error) { return f.FS.OpenReadWrite(name, cat, opts...) })
}

func (f *fence) ReuseForWrite(old, name string, cat vfs.DiskWriteCategory) (vfs.File, error) {
	return f.file("reuse", name, cat, func() (vfs.File, error) { return f.FS.ReuseForWrite(old, name, cat) })
}

func (f *fence) Link(old, name string) error {
	return f.change("link", name, func() error { return f.FS.Link(old, name) }, func() error { return f.mem.Link(old, name) })
}

func (f *fence) Remove(name string) error {
	return f.change("remove", name, func() error { return f.FS.Remove(name) }, func() error { return f.mem.Remove(name) })
}

func (f *fence) RemoveAll(name string) error {
	return f.change("remove", name, func() error { return f.FS.RemoveAll(name) }, func() error { return f.mem.RemoveAll(name) })
}

func (f *fence) Rename(old, name string) error {
	return f.change("rename", name, func() error { return f.FS.Rename(old, name) }, func() error { return f.mem.Rename(old, name) })
}

func (f *fence) MkdirAll(dir string, perm os.FileMode) error {
	return f.change("mkdir", dir, func() error { return f.FS.MkdirAll(dir, perm) }, func() error { return f.mem.MkdirAll(dir, perm) })
}

// Open is for reading only: such files are the disk's own and cost nothing more.
func (f *fence) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if f.down.Load() {
		if file, err := f.mem.Open(name, opts...); err == nil {
			return file, nil
		}
	}
	return f.FS.Open(name, opts...)
}

func (f *fence) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &fencedFile{File: file, fence: f, name: name, role: ordinary}, nil
}

func (f *fence) Stat(name string) (vfs.FileInfo, error) {
	if f.down.Load() {
		if info, err := f.mem.Stat(name); err == nil {
			return info, nil
		}
	}
	return f.FS.Stat(name)
}

func (f *fence) List(dir string) ([]string, error) {
	names, err := f.FS.List(dir)
	if err == nil && f.down.Load() {
		more, _ := f.mem.List(dir)
		names = append(names, more...)
		slices.Sort(names)
		names = slices.Compact(names)
	}
	return names, err
}

// Unwrap is part of vfs.FS.
func (f *fence) Unwrap() vfs.FS { return f.FS }

// fencedFile is a file or directory of the disk that was opened for changes.
type fencedFile struct {
	vfs.File
	fence *fence
	name  string
	// A MANIFEST or log is written from its start on, by one goroutine at a time: length and sum
	// are what was written so far.
	role   role
	length int64
	sum    uint32
}

// do makes one change of the file, or none once the fence is down.
func (f *fencedFile) do(op string, change func() error) error {
	if f.fence.down.Load() {
		return nil
	}
	if err := change(); err != nil && !f.fence.caught(op, f.name, err) {
		return err
	}
	return nil
}

// Write is spelt out because it is the hot one.
func (f *fencedFile) Write(p []byte) (int, error) {
	if f.fence.down.Load() {
		return len(p), nil
	}
	if f.role != ordinary {
		f.length += int64(len(p))
		f.sum = crc32.Update(f.sum, castagnoli, p)
	}
	n, err := f.File.Write(p)
	f.fence.written.Add(int64(n))
	if err != nil && !f.fence.caught("write", f.name, err) {
		return n, err
	}
	return len(p), nil
}

func (f *fencedFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.do("write", func() error {
		n, err := f.File.WriteAt(p, off)
		f.fence.written.Add(int64(n))
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (f *fencedFile) Preallocate(off, n int64) error {
	return f.do("preallocate", func() error { return f.File.Preallocate(off, n) })
}

func (f *fencedFile) Sync() error     { return f.synced(f.File.Sync) }
func (f *fencedFile) SyncData() error { return f.synced(f.File.SyncData) }

// synced syncs and tells the witness.
func (f *fencedFile) synced(sync func() error) error {
	length, sum := f.length, f.sum
	return f.do("sync", func() error {
		err := sync()
		if err == nil && f.role != ordinary {
			err = f.fence.witness.note(f.role, f.name, length, sum)
		}
		return err
	})
}

func (f *fencedFile) SyncTo(n int64) (full bool, err error) {
	full = true // what pebble hears of a file that the fence has cut off
	err = f.do("sync", func() (err error) {
		full, err = f.File.SyncTo(n)
		return err
	})
	return full, err
}

// Close closes the file in any case.
func (f *fencedFile) Close() error {
	if err := f.File.Close(); err != nil && !f.fence.down.Load() && !f.fence.caught("close", f.name, err) {
		return err
	}
	return nil
}
