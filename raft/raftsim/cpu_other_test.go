//go:build !unix

package raftsim

import "time"

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }
