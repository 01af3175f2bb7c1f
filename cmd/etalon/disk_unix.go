//go:build unix

package main

import (
	"errors"
	"strings"
	"syscall"
)

// isDiskTrouble tells errors that every further run would meet too: a full or read-only disk. The
// engines' libraries do not always wrap what the system said, so the words count as well.
func isDiskTrouble(err error) bool {
	for _, code := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS} {
		if errors.Is(err, code) || err != nil && strings.Contains(err.Error(), code.Error()) {
			return true
		}
	}
	return false
}
