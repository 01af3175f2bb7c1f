//go:build linux || darwin

package main

import (
	"math"
	"syscall"
)

// freeBytes is what may still be written below dir, which exists; without an answer there is no limit.
func freeBytes(dir string) int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return math.MaxInt64
	}
	return int64(min(s.Bavail*uint64(s.Bsize), math.MaxInt64))
}
