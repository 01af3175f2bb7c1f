//go:build !linux

package targets

import (
	"os"
	"syscall"

	"github.com/etalon-kv/etalon/bench"
)

// ownGroup has nothing to say here: children are stopped by Close.
func ownGroup() *syscall.SysProcAttr { return nil }

// readProcess knows nothing here.
func readProcess(int) (bench.Used, bool) {
	return bench.Used{UserCPU: -1, SystemCPU: -1, RSSBytes: -1}, true
}

// allocated is what a file takes on disk, as far as it is known here.
func allocated(info os.FileInfo) int64 { return info.Size() }
