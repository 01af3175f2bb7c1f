//go:build !unix

package bench

import "time"

// cpuTime is unknown on this system.
func cpuTime() (user, system time.Duration) { return 0, 0 }
