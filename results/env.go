package results

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"time"
)

const unknown = "unknown"

// CollectEnv looks at the machine, the system, the limits and the software of this process, and
// measures what a sync costs in dataDir and a reading of the clock anywhere. It takes some 0.4 s and
// leaves nothing behind. What cannot be found out is "unknown", -1 for sizes and the load, and a
// DiskSyncN of 0 when dataDir cannot be written: none of that is worth not running for. Outside
// Linux it knows less.
func CollectEnv(ctx context.Context, dataDir string) Env {
	e := Env{
		Host: unknown, OS: runtime.GOOS, Arch: runtime.GOARCH, Kernel: unknown, CPU: unknown,
		Cores: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0), MemBytes: -1,
		CgroupCPU: unknown, CgroupMem: unknown, Governor: unknown, FileSystem: unknown, Device: unknown,
		GoVersion: runtime.Version(), Commit: unknown, LoadAvg: -1,
	}
	if name, err := os.Hostname(); err == nil {
		e.Host = hostHash(name)
	}
	e.GOGC, e.GOMEMLIM = collectorSettings()
	if info, ok := debug.ReadBuildInfo(); ok {
		e.Commit, e.Modules = buildOf(info)
	}
	// The platform is read before the measurements, which load it.
	readPlatform(&e, dataDir)
	e.TimerCost = timerCost()
	if h, err := measureSync(ctx, dataDir); err == nil && h.Count() > 0 {
		e.DiskSyncP50, _ = h.Quantile(0.5)
		e.DiskSyncP99, _ = h.Quantile(0.99)
		e.DiskSyncN = int(h.Count())
	}
	return e
}

// hostHash tells machines apart without naming them.
func hostHash(id string) string {
	sum := sha256.Sum256([]byte("etalon host\n" + strings.TrimSpace(id)))
	return hex.EncodeToString(sum[:4])
}

// collectorSettings asks the running collector, which knows better than the environment variables.
func collectorSettings() (gogc, limit string) {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}}
	metrics.Read(s)
	gogc, limit = unknown, unknown
	if s[0].Value.Kind() == metrics.KindUint64 {
		if gogc = strconv.FormatUint(s[0].Value.Uint64(), 10); s[0].Value.Uint64() > 1<<31 {
			gogc = "off"
		}
	}
	if s[1].Value.Kind() == metrics.KindUint64 {
		if limit = strconv.FormatUint(s[1].Value.Uint64(), 10); s[1].Value.Uint64() >= 1<<62 {
			limit = "off"
		}
	}
	return gogc, limit
}

// buildOf are the commit, "+dirty" appended if files were changed, and the versions of all modules
// that are linked in.
func buildOf(info *debug.BuildInfo) (commit string, modules map[string]string) {
	commit, modules = unknown, map[string]string{}
	dirty := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if dirty && commit != unknown {
		commit += "+dirty"
	}
	for _, m := range info.Deps {
		v := m.Version
		if m.Replace != nil {
			v += " replaced by " + m.Replace.Version
		}
		modules[m.Path] = v
	}
	return commit, modules
}

// timerCost is the least of several averages: what a reading costs when nothing comes between.
func timerCost() time.Duration {
	const batch = 2000
	best := time.Duration(1 << 62)
	for range 10 {
		start := time.Now()
		for range batch {
			_ = time.Now()
		}
		best = min(best, time.Since(start)/batch)
	}
	return best
}

// Bounds of measureSync.
const (
	syncTime  = 300 * time.Millisecond
	syncLeast = 5 // even if a sync takes longer than all of syncTime
	syncMost  = 2000
	syncBytes = 4 << 10
)

// measureSync appends 4 KiB and syncs, again and again, in a file of its own.
func measureSync(ctx context.Context, dir string) (h *Histogram, err error) {
	f, err := os.CreateTemp(dir, tempPrefix+"sync-")
	if err != nil {
		return nil, fmt.Errorf("results: measure sync: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, syncBytes)
	if _, err := rand.Read(block); err != nil { // nothing to compress or to leave sparse
		return nil, err
	}
	h = NewHistogram()
	for start := time.Now(); h.Count() < syncMost && ctx.Err() == nil; {
		if time.Since(start) > syncTime && h.Count() >= syncLeast {
			break
		}
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return nil, fmt.Errorf("results: measure sync: %w", err)
		}
		if err := syncData(f); err != nil {
			return nil, fmt.Errorf("results: measure sync: %w", err)
		}
		h.Record(time.Since(began))
	}
	return h, nil
}

// tellingMounts are the mount options that change what a sync promises, or what a byte costs.
var tellingMounts = []string{"nobarrier", "barrier=0", "sync", "dirsync", "data=", "compress", "nodatacow"}

// Mounted is the file system in a few words: its type, and those mount options that change what a sync
// promises or a byte costs. FileSystem has them all.
func (e Env) Mounted() string {
	kind, options, _ := strings.Cut(e.FileSystem, " ")
	for option := range strings.SplitSeq(options, ",") {
		if slices.ContainsFunc(tellingMounts, func(t string) bool {
			return option == t || strings.HasPrefix(option, t) && (strings.HasSuffix(t, "=") || t == "compress")
		}) {
			kind += " " + option
		}
	}
	return kind
}
