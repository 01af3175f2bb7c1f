package wal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const lockName = "LOCK"

// dirFS is a real directory.
type dirFS struct{ path string }

// Dir returns the FS of a directory, which is made (mode 0700) with its parents if it is missing and
// synced up to the root.
func Dir(path string) (FS, error) {
	if path == "" {
		return nil, errors.New("wal: no directory given")
	}
	abs, err := filepath.Abs(path) // a later chdir does no harm
	if err != nil {
		return nil, fmt.Errorf("wal: %w", err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("wal: %w", err)
	}
	for dir := abs; ; dir = filepath.Dir(dir) {
		err := syncDir(dir)
		if dir != abs && errors.Is(err, os.ErrPermission) {
			break // made by somebody else, who had to sync it
		}
		if err != nil {
			return nil, fmt.Errorf("wal: %w", err)
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return dirFS{abs}, nil
}

func (d dirFS) file(name string) string { return filepath.Join(d.path, name) }

func (d dirFS) Lock() (io.Closer, error) {
	f, err := lockFile(d.file(lockName))
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d dirFS) List() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Name() != lockName {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (d dirFS) Create(name string, size int64) (File, error) {
	f, err := os.OpenFile(d.file(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := reserve(f, size); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "reserve", Path: f.Name(), Err: err}
	}
	return &freshFile{osFile: osFile{f}, size: size}, nil
}

func (d dirFS) Open(name string) (File, error) {
	f, err := os.OpenFile(d.file(name), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d dirFS) Rename(from, to string) error { return os.Rename(d.file(from), d.file(to)) }

func (d dirFS) Remove(name string) error { return os.Remove(d.file(name)) }

func (d dirFS) SyncDir() error { return syncDir(d.path) }

func syncDir(path string) error {
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

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f osFile) Sync() error {
	if err := syncData(f.File); err != nil {
		return &os.PathError{Op: "sync", Path: f.Name(), Err: err}
	}
	return nil
}

// freshFile is a file that was just reserved. A file system notes of each reserved block when it is
// written first, which a sync has to wait for, as for a second write elsewhere. So zeros are
// written well ahead, and only one sync in thousands meets blocks that were never written.
type freshFile struct {
	osFile
	size  int64
	ahead int64 // up to here it was written
	zeros []byte
}

const (
	aheadBytes = 512 << 10
	zeroBytes  = 64 << 10
)

// WriteAt implements io.WriterAt.
func (f *freshFile) WriteAt(b []byte, off int64) (int, error) {
	n, err := f.osFile.WriteAt(b, off)
	end := off + int64(len(b))
	if err != nil || end <= f.ahead {
		return n, err
	}
	if f.zeros == nil {
		f.zeros = make([]byte, zeroBytes)
	}
	until := min(end+aheadBytes, f.size)
	for f.ahead = end; f.ahead < until; {
		z := f.zeros[:min(int64(len(f.zeros)), until-f.ahead)]
		if _, err := f.osFile.WriteAt(z, f.ahead); err != nil {
			return n, err
		}
		f.ahead += int64(len(z))
	}
	if f.ahead >= f.size {
		f.zeros = nil
	}
	return n, nil
}
