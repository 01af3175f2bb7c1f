//go:build !linux

package bench

// readHost reads what the kernel knows of this process: elsewhere than on Linux, its CPU time where
// that can be told; its resident memory is unknown.
func readHost(u *usage) {
	u.rssBytes = -1
	u.userCPU, u.systemCPU = cpuTime()
}
