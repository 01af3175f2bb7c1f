package bench

import (
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// usage is what this process has used since it started. -1 is unknown.
type usage struct {
	userCPU, systemCPU       time.Duration
	rssBytes                 int64
	gcCycles                 int64
	gcPause                  time.Duration
	allocBytes, allocObjects int64
}

// readUsage reads all of it, without stopping the process.
func readUsage() usage {
	var u usage
	readHost(&u)
	var gc debug.GCStats
	debug.ReadGCStats(&gc)
	u.gcCycles, u.gcPause = gc.NumGC, gc.PauseTotal
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/allocs:objects"}}
	metrics.Read(samples)
	u.allocBytes, u.allocObjects = int64(samples[0].Value.Uint64()), int64(samples[1].Value.Uint64())
	return u
}

// usageOf is what a target that works elsewhere has used: of its heaps nothing is known.
func usageOf(t Remote) usage {
	u := t.Used()
	return usage{
		userCPU: u.UserCPU, systemCPU: u.SystemCPU, rssBytes: u.RSSBytes,
		gcCycles: -1, gcPause: -1, allocBytes: -1, allocObjects: -1,
	}
}

// since are the resources used between u and now.
func (u usage) since(now usage, maxRSS int64) results.Resources {
	return results.Resources{
		UserCPU:      difference(u.userCPU, now.userCPU),
		SystemCPU:    difference(u.systemCPU, now.systemCPU),
		MaxRSSBytes:  maxRSS,
		GCCycles:     difference(u.gcCycles, now.gcCycles),
		GCPause:      difference(u.gcPause, now.gcPause),
		AllocBytes:   difference(u.allocBytes, now.allocBytes),
		AllocObjects: difference(u.allocObjects, now.allocObjects),
	}
}

// difference is b - a, unknown if either is.
func difference[T ~int64](a, b T) T {
	if a < 0 || b < 0 {
		return -1
	}
	return b - a
}
