//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package wal

import (
	"errors"
	"os"
)

// lockFile refuses: without a lock that dies with its process no directory is safe.
func lockFile(path string) (*os.File, error) {
	return nil, &os.PathError{Op: "flock", Path: path, Err: errors.ErrUnsupported}
}
