//go:build unix

package main

import (
	"errors"
	"syscall"
)

// isDiskTrouble tells errors that every further run would meet too: a full or read-only disk.
func isDiskTrouble(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS)
}
