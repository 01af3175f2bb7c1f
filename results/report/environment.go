package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/plot"
)

// seenEnv is an environment and how many runs were made in it.
type seenEnv struct {
	env  results.Env
	runs int
}

// environments returns the different environments in order of first appearance. The load before a
// run differs each time and does not make another environment.
func environments(records []*results.Record) []seenEnv {
	var out []seenEnv
	index := map[string]int{}
	for _, r := range records {
		e := r.Env
		e.LoadAvg = 0
		key := fmt.Sprintf("%+v", e) // fmt prints maps in sorted order
		i, ok := index[key]
		if !ok {
			i = len(out)
			index[key] = i
			out = append(out, seenEnv{env: e})
		}
		out[i].runs++
	}
	return out
}

// machines are the environments in a line each; those that differ in the measured speed of the disk
// only, as after a suite that was stopped and taken up again, are one.
func machines(envs []seenEnv) []string {
	type syncs struct{ median, p99 [2]time.Duration } // least and most
	var lines []string
	of := map[string]*syncs{}
	for _, seen := range envs {
		e := seen.env
		line := machine(e)
		s := of[line]
		if s == nil {
			lines = append(lines, line)
			s = &syncs{}
			of[line] = s
		}
		if e.DiskSyncN == 0 {
			continue
		}
		if s.median[0] == 0 {
			s.median, s.p99 = [2]time.Duration{e.DiskSyncP50, e.DiskSyncP50}, [2]time.Duration{e.DiskSyncP99, e.DiskSyncP99}
		}
		s.median = [2]time.Duration{min(s.median[0], e.DiskSyncP50), max(s.median[1], e.DiskSyncP50)}
		s.p99 = [2]time.Duration{min(s.p99[0], e.DiskSyncP99), max(s.p99[1], e.DiskSyncP99)}
	}
	for i, line := range lines {
		if s := of[line]; s.median[1] > 0 {
			lines[i] += fmt.Sprintf(" · disk sync %s median, %s p99", reach(s.median), reach(s.p99))
		}
	}
	return lines
}

// reach is a range of times, or the one time that it is.
func reach(t [2]time.Duration) string {
	lo, hi := plot.FormatTime(float64(t[0])), plot.FormatTime(float64(t[1]))
	if lo == hi {
		return lo
	}
	return lo + " to " + hi
}

// machine is an environment in one line, without what was measured of it.
func machine(e results.Env) string {
	return results.Inert(strings.Join([]string{
		e.CPU, count(e.Cores, "core"), plot.Trim(plot.FormatBytes(float64(e.MemBytes))) + " memory", e.OS + " " + e.Kernel,
		e.Mounted() + " on " + e.Device, e.GoVersion, "build " + e.Commit,
	}, " · "))
}

// environmentPairs is an environment in full.
func environmentPairs(e results.Env) []pair {
	pairs := []pair{
		{"host (hash)", e.Host}, {"CPU", e.CPU}, {"cores", fmt.Sprint(e.Cores)}, {"GOMAXPROCS", fmt.Sprint(e.GOMAXPROCS)},
		{"memory", plot.Trim(plot.FormatBytes(float64(e.MemBytes)))}, {"cgroup CPU limit", e.CgroupCPU}, {"cgroup memory limit", e.CgroupMem},
		{"CPU governor", e.Governor}, {"system", e.OS + "/" + e.Arch}, {"kernel", e.Kernel}, {"file system", e.FileSystem},
		{"device", e.Device},
		{"disk sync (4 KiB append, fdatasync)", fmt.Sprintf("%s median, %s p99, of %d",
			plot.FormatTime(float64(e.DiskSyncP50)), plot.FormatTime(float64(e.DiskSyncP99)), e.DiskSyncN)},
		{"reading the clock", plot.FormatTime(float64(e.TimerCost))},
		{"Go", e.GoVersion}, {"GOGC", e.GOGC}, {"GOMEMLIMIT", e.GOMEMLIM}, {"build", e.Commit},
	}
	return append(inert(pairs), mapPairs(e.Modules)...)
}

// mapPairs is a map in order of its names.
func mapPairs(m map[string]string) []pair {
	var pairs []pair
	for _, name := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, pair{name, m[name]})
	}
	return inert(pairs)
}

// inert makes texts of a record one harmless line each; empty ones say so.
func inert(pairs []pair) []pair {
	for i, p := range pairs {
		if p.Value == "" {
			p.Value = "–"
		}
		pairs[i] = pair{results.Inert(p.Name), results.Inert(p.Value)}
	}
	return pairs
}
