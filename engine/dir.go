package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The layout of a directory:
//
//	LOCK            empty; its flock is the right to use the directory; never removed
//	store/FORMAT    the marker: which engine, which format
//	store/data/     the engine's own files
//	store.new/      the same during a first start, until it is renamed to store
//
// The rename is the one moment in which the directory becomes a store. Before it everything below
// store.new is worthless and is thrown away by the next start; after it everything is complete
// and on disk, because every file and directory below store.new is synced first.
const (
	lockName   = "LOCK"
	storeName  = "store"
	newName    = "store.new"
	markerName = "FORMAT"
	dataName   = "data"
	// lostName is made by mkfs at the root of a file system; it makes a directory no one's.
	lostName = "lost+found"
)

// Dir is an engine's directory, locked against every other user in this and other processes as
// long as it is open. It is safe for concurrent use.
type Dir struct {
	path   string // absolute, so that a later chdir does no harm
	lock   *os.File
	format int
}

// OpenDir locks dir for the engine called name, and makes it (mode 0700) and its parents if
// missing. On the first start it calls init, if not nil, with an empty directory in which the
// engine creates its first files; nothing there is used unless init and every step after it
// succeeded, and OpenDir syncs what init left. A crash at any moment leaves a directory that the
// next OpenDir opens: either as a first start or as a complete store.
//
// Errors: ErrInUse; ErrForeignDir for a directory with anything in it that no OpenDir made, or of
// another engine; ErrNewerFormat for a format above format (which counts from 1); ErrCorrupt for
// a damaged marker. After these four the directory is as it was, to the byte. An older format
// opens: see Format.
func OpenDir(dir, name string, format int, init func(tmp string) error) (*Dir, error) {
	if dir == "" {
		return nil, errors.New("engine: no directory given")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("engine: open %s: %w", dir, err)
	}
	want := marker{engine: name, format: format}
	if err := want.valid(); err != nil {
		return nil, err
	}
	// Look before anything is made, so that a foreign directory does not even get a LOCK.
	if _, err := inspect(abs, want); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("engine: open %s: %w", dir, err)
	}
	lock, err := lockFile(filepath.Join(abs, lockName))
	if err != nil {
		return nil, fmt.Errorf("engine: open %s: %w", dir, err)
	}
	d := &Dir{path: abs, lock: lock}
	if err := d.start(want, init); err != nil {
		lock.Close()
		return nil, err
	}
	return d, nil
}

// Path is the absolute path of the directory that belongs to the engine alone.
func (d *Dir) Path() string { return DataPath(d.path) }

// DataPath is where OpenDir(dir) keeps the engine's own files, for tools and tests that look at
// them without the engine.
func DataPath(dir string) string { return filepath.Join(dir, storeName, dataName) }

// Format is the format that the directory was made with, at most the one given to OpenDir.
func (d *Dir) Format() int { return d.format }

// Close releases the directory. The engine's files must be closed before. A second Close answers
// ErrClosed.
func (d *Dir) Close() error {
	if err := d.lock.Close(); err != nil {
		if errors.Is(err, os.ErrClosed) {
			return ErrClosed
		}
		return fmt.Errorf("engine: close %s: %w", d.path, err)
	}
	return nil
}

// start does, under the lock, what is left to do: nothing for a complete store.
func (d *Dir) start(want marker, init func(tmp string) error) error {
	// What was seen before the lock was taken may have been another process at work.
	found, err := inspect(d.path, want)
	if err != nil {
		return err
	}
	if found == nil {
		if err := d.create(want, init); err != nil {
			return fmt.Errorf("engine: first start in %s: %w", d.path, err)
		}
		found = &want
	}
	d.format = found.format
	// On every open: an earlier start may have been killed between the rename and its sync.
	return syncUp(d.path)
}

// create builds the store beside its place and moves it there.
func (d *Dir) create(m marker, init func(tmp string) error) (err error) {
	tmp := filepath.Join(d.path, newName)
	if err := os.RemoveAll(tmp); err != nil { // of an interrupted first start
		return err
	}
	// LOCK must be on disk before store.new is: inspect takes a store.new without it for foreign.
	if err := syncPath(d.path); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(tmp)
		}
	}()
	data := filepath.Join(tmp, dataName)
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, markerName), m.encode(), 0o600); err != nil {
		return err
	}
	if init != nil {
		if err := init(data); err != nil {
			return err
		}
	}
	if err := syncTree(tmp); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(d.path, storeName))
}

// syncTree syncs every file and directory below root, root included.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !e.IsDir() && !e.Type().IsRegular() {
			return nil
		}
		return syncPath(path)
	})
}

// syncUp syncs dir and the directories above it, also those that this call did not make: an
// earlier start may have been killed between making and syncing one. It stops where it may not look.
func syncUp(dir string) error {
	if err := syncPath(dir); err != nil {
		return err
	}
	for parent := filepath.Dir(dir); parent != dir; dir, parent = parent, filepath.Dir(parent) {
		if err := syncPath(parent); errors.Is(err, fs.ErrPermission) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// syncPath syncs one file or directory.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
