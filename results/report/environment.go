package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

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

// machine is an environment in one line.
func machine(e results.Env) string {
	words := []string{
		e.CPU, count(e.Cores, "core"), plot.Trim(plot.FormatBytes(float64(e.MemBytes))) + " memory", e.OS + " " + e.Kernel,
		e.FileSystem + " on " + e.Device,
	}
	if e.DiskSyncN > 0 {
		words = append(words, fmt.Sprintf("disk sync %s median, %s p99",
			plot.FormatTime(float64(e.DiskSyncP50)), plot.FormatTime(float64(e.DiskSyncP99))))
	}
	return results.Inert(strings.Join(append(words, e.GoVersion, "build "+e.Commit), " · "))
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
