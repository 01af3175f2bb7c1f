//go:build unix

package bolt

import (
	"io/fs"
	"os"
	"syscall"
)

// allocatedBytes is what a file takes on disk: bbolt enlarges its file far ahead, and the part
// that was never written is a hole.
func allocatedBytes(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int64(st.Blocks) * 512
	}
	return info.Size()
}

// unlock drops bbolt's lock. Closing the file is not enough where its map is left behind: the map
// keeps the open file, and that the lock.
func unlock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
