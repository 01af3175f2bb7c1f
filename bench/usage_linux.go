package bench

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// readHost reads what the kernel knows of this process; what it does not tell stays unknown (-1).
func readHost(u *usage) {
	u.rssBytes = -1
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
		u.userCPU = time.Duration(r.Utime.Nano())
		u.systemCPU = time.Duration(r.Stime.Nano())
	}
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(b); len(fields) > 1 {
			if pages, err := strconv.ParseInt(string(fields[1]), 10, 64); err == nil {
				u.rssBytes = pages * int64(os.Getpagesize())
			}
		}
	}
}
