//go:build unix

package bench

import (
	"syscall"
	"time"
)

// cpuTime is what this process has used, 0 where the kernel does not tell.
func cpuTime() (user, system time.Duration) {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0, 0
	}
	return time.Duration(r.Utime.Nano()), time.Duration(r.Stime.Nano())
}
