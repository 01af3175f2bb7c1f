package main

import (
	"maps"
	"slices"
	"time"

	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/internal/nearest"
)

// defaultSuite is what etalon run does when nothing is said.
const defaultSuite = "quick"

// suiteDefaults are the values of what a suite file leaves out.
func suiteDefaults() suite.Suite {
	return suite.Suite{Seed: 1, Reps: 10, Warmup: 2 * time.Second, Duration: 10 * time.Second}
}

// builtinSuites are the suites that need no file. scripts/quick.yaml is quick in words; a test
// holds the two equal.
func builtinSuites() map[string]suite.Suite {
	return map[string]suite.Suite{
		"quick": {
			Name: "quick",
			Doc:  "every engine, bare and under the mvcc layer, three YCSB workloads; behind the wire, YCSB A; 3 repetitions, over a minute",
			Seed: 1, Reps: 3, Warmup: 50 * time.Millisecond, Duration: 250 * time.Millisecond,
			Factors: map[string][]string{
				"target":   {"engine", "mvcc", "server"},
				"nodes":    {"1"},
				"engine":   {"mem", "bolt", "pebble", "badger"},
				"workload": {"ycsb-a", "ycsb-c", "ycsb-e"},
				"records":  {"10000"},
			},
			// A start of a server takes its time.
			Exclude: []map[string]string{{"target": "server", "workload": "ycsb-c"}, {"target": "server", "workload": "ycsb-e"}},
		},
		"layers": {
			Name: "layers",
			Doc:  "what each floor costs, per engine: engine, mvcc, raft, replica, server, each write synced in a group; one client and many, 5 repetitions, about 50 minutes",
			Seed: 1, Reps: 5, Warmup: time.Second, Duration: 5 * time.Second,
			Factors: map[string][]string{
				"target":   {"engine", "mvcc", "raft", "replica", "server"},
				"nodes":    {"1"},
				"engine":   {"mem", "bolt", "pebble", "badger"},
				"workload": {"put", "get"},
				"clients":  {"1", "64"},
				"records":  {"100000"},
			},
		},
		"etcd": {
			Name: "etcd",
			Doc:  "ours on each engine beside a real etcd (--etcd-binary), 1 and 3 members, puts and reads, 5 repetitions, about an hour",
			Seed: 1, Reps: 5, Warmup: time.Second, Duration: 5 * time.Second,
			Factors: map[string][]string{
				"target":   {"server", "etcd"},
				"nodes":    {"1", "3"},
				"engine":   {"mem", "bolt", "pebble", "badger"},
				"workload": {"put", "get"},
				"clients":  {"1", "100"},
				"records":  {"20000"},
			},
		},
		"mvcc": mvccSuite(),
		"raft": {
			Name: "raft",
			Doc:  "consensus alone: every log under groups of 1, 3 and 5, one client and many, 5 repetitions, about half an hour",
			Seed: 1, Reps: 5, Warmup: 2 * time.Second, Duration: 10 * time.Second,
			Factors: map[string][]string{
				"target":   {"raft"},
				"log":      logNames,
				"nodes":    nodeCounts,
				"workload": {"put"},
				"clients":  {"1", "64"},
			},
		},
		"engines": {
			Name: "engines",
			Doc:  "every engine under every YCSB workload, 10 repetitions, about two hours",
			Seed: 1, Reps: 10, Warmup: 3 * time.Second, Duration: 20 * time.Second,
			Factors: map[string][]string{
				"engine":   {"mem", "bolt", "pebble", "badger"},
				"workload": {"ycsb-a", "ycsb-b", "ycsb-c", "ycsb-d", "ycsb-e", "ycsb-f"},
				"records":  {"1000000"},
			},
		},
	}
}

// mvccSuite measures what only a multi-version store does beside YCSB's workloads. Watchers are told
// of a fixed rate of writes: in a closed loop a fast engine would only bury them.
func mvccSuite() suite.Suite {
	const watched = "1000"
	closed := []string{"ycsb-a", "ycsb-c", "ycsb-e", "ycsb-f", "compare-and-put", "recreate", "range-at-revision", "compaction"}
	s := suite.Suite{
		Name: "mvcc",
		Doc:  "every engine with every index under the mvcc layer, nine workloads, 1 to 100 watchers, 5 repetitions, about an hour",
		Seed: 1, Reps: 5, Warmup: time.Second, Duration: 4 * time.Second,
		Factors: map[string][]string{
			"target":   {"mvcc"},
			"engine":   {"mem", "bolt", "pebble", "badger"},
			"index":    {"gbtree", "tbtree", "packed"},
			"workload": append(slices.Clone(closed), "watch"),
			"rate":     {"max", watched},
			"watchers": {"1", "10", "100"},
			"records":  {"100000"},
		},
		Exclude: []map[string]string{{"workload": "watch", "rate": "max"}},
	}
	for _, w := range closed {
		s.Exclude = append(s.Exclude, map[string]string{"workload": w, "rate": watched})
	}
	return s
}

func builtinNames() []string { return slices.Sorted(maps.Keys(builtinSuites())) }

// unknownWord is the error for a word that is none of those accepted.
func unknownWord(kind, given string, accepted []string) error {
	return nearest.Error(kind, given, accepted)
}
