package wal

import (
	"errors"
	"os"
	"syscall"
)

// reserve makes f size bytes of zeros whose blocks are allocated.
func reserve(f *os.File, size int64) error {
	for {
		err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
			return f.Truncate(size) // the space may then run out in a write, which is final
		}
		return err
	}
}

// syncData makes what was written to f durable, and its size, but not its times.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
