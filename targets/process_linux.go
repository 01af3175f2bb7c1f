package targets

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/etalon-kv/etalon/bench"
)

// ownGroup makes a child that signals of the terminal do not reach, and that the kernel kills when
// its parent's thread ends.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// clockTick is the unit of times in /proc, the same on every architecture that Go knows.
const clockTick = 10 * time.Millisecond

// readProcess reads what the kernel knows of a process; false if it knows of none.
func readProcess(pid int) (bench.Used, bool) {
	u := bench.Used{RSSBytes: -1}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, false
	}
	// Fields are counted behind the name, which is in parentheses and may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 22 {
		return u, false
	}
	number := func(i int) int64 {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	u.UserCPU, u.SystemCPU = time.Duration(number(11))*clockTick, time.Duration(number(12))*clockTick
	if pages := number(21); pages >= 0 {
		u.RSSBytes = pages * int64(os.Getpagesize())
	}
	return u, true
}

// allocated is what a file takes on disk: not its length where it has holes.
func allocated(info os.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * 512
	}
	return info.Size()
}
