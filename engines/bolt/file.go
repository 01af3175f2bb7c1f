package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/bits"
	"os"
	"path/filepath"
	"runtime/debug"
	"unsafe" // the memory map is an address: bbolt offers no slice of it

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/etalon-kv/etalon/engine"
)

const (
	dirName    = "bolt"
	dirFormat  = 1
	fileName   = "data.bolt"
	wedgedText = "bolt: the writer did not let go of its transaction; the memory map is kept until the process ends"
)

// file is an open bbolt database with what must be known of it beside.
type file struct {
	*bbolt.DB
	os        *os.File // bbolt's own; closed by it
	pageBytes int
	mapBytes  int64
	// wedged: a panic left the writer's lock taken, and DB.Close would wait for it for ever.
	// Written and read by the writer and by Close, which Guard keeps apart.
	wedged bool
}

// create makes a new file in dir.
func create(dir string, o *Options) error {
	// A small map: the file is closed again at once.
	db, err := bbolt.Open(filepath.Join(dir, fileName), 0o600, o.library(int64(o.PageBytes)*4))
	if err != nil {
		return fmt.Errorf("bolt: create: %w", err)
	}
	return db.Close()
}

// open opens the file of an existing store. It never creates one: bbolt would, for a missing and
// for an empty file, and what was there would be forgotten without a word.
func open(dir string, o *Options) (f *file, err error) {
	path := filepath.Join(dir, fileName)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s is missing", engine.ErrCorrupt, path)
	case err != nil:
		return nil, fmt.Errorf("bolt: open: %w", err)
	case info.Size() < 2*minPageBytes:
		return nil, fmt.Errorf("%w: %s has %d bytes, less than its two meta pages", engine.ErrCorrupt, path, info.Size())
	}
	f = &file{mapBytes: mapSize(max(o.MapBytes, 2*(info.Size()+int64(o.GrowBytes))))}
	lib := o.library(f.mapBytes)
	lib.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		var err error
		f.os, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
		return f.os, err
	}
	// A damaged list of free pages makes bbolt panic in Open.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			f, err = nil, errors.Join(corrupt(r), unlock(f.os), f.os.Close())
		}
	}()
	f.DB, err = bbolt.Open(path, 0o600, lib)
	if err != nil {
		return nil, openError(path, f.mapBytes, err)
	}
	f.AllocSize = o.GrowBytes
	f.pageBytes = f.Info().PageSize
	return f, nil
}

// mapSize is what bbolt makes of a requested map: a power of two up to 1 GiB, then whole GiB.
func mapSize(n int64) int64 {
	const step = 1 << 30
	if n > step {
		return (n + step - 1) / step * step
	}
	return max(32<<10, int64(1)<<bits.Len64(uint64(n-1)))
}

func openError(path string, mapBytes int64, err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%w: %s is locked by another program", engine.ErrInUse, path)
	case errors.Is(err, berrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %s: %w", engine.ErrNewerFormat, path, err)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum):
		return fmt.Errorf("%w: %s: %w", engine.ErrCorrupt, path, err)
	}
	return fmt.Errorf("bolt: open %s with mapBytes %d: %w", path, mapBytes, err)
}

// mapped is the first n bytes of the memory map, which does not move while the file is open. Where
// the file is shorter than n they cannot be read: a fault.
func (f *file) mapped(n int64) []byte {
	info := f.Info()
	// The number is an address outside of the heap, which the collector need not know of.
	base := *(**byte)(unsafe.Pointer(&info.Data))
	return unsafe.Slice(base, min(n, f.mapBytes))
}

// close releases the file. It does not sync: every commit did.
func (f *file) close(log *slog.Logger) error {
	if !f.wedged {
		return f.DB.Close()
	}
	if log != nil {
		log.Error(wedgedText)
	}
	return errors.Join(unlock(f.os), f.os.Close())
}

// corrupt is the error for a panic of bbolt: an assertion of its own, or a fault in the map.
func corrupt(r any) error {
	return fmt.Errorf("%w: bbolt: %v", engine.ErrCorrupt, r)
}
