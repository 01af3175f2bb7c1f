//go:build unix

package results

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// lockDir locks the directory itself for one writer until Close, or until the process ends.
func lockDir(root *os.Root) (io.Closer, error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}
