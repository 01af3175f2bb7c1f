package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/nearest"
)

// targetDocs are the targets and what they are, in a line each.
var targetDocs = map[string]string{
	"null":    "does nothing: the ceiling of the load generator on this machine",
	"engine":  "a bare storage engine: one operation is one snapshot read or one committed batch",
	"raft":    "consensus alone: members in one process, their logs, no state machine; one operation is one entry or one read index",
	"mvcc":    "a multi-version store on an engine: one operation is one read at a revision or one transaction",
	"replica": "the replicated store without its wire: members in one process; one operation is one command or one linearizable read",
	"server":  "the replicated store over its wire: members are child processes, asked by etcd's official client",
	"etcd":    "somebody's etcd, asked by its official client: a binary (--etcd-binary) that is started for each run, or --endpoints",
}

// durabilityDocs are the durabilities that can be asked of a target.
var durabilityDocs = map[string]string{
	"sync":     "every write is fsynced before it is acknowledged, by a sync of its own",
	"group":    "as sync, but writes that wait at the same time share one fsync",
	"interval": "acknowledged at once, committed in the background by the policy; a crash may lose the last interval",
	"none":     "no sync is asked for; nothing is promised after a crash",
}

const defaultPolicy = "10000ops/100ms"

// Bounds on what a cell may ask for.
const (
	maxClients = 100_000
)

// factorTable is every factor a suite may vary, in the order of lists and names.
func factorTable() []suite.Factor {
	on := func(targets ...string) func(map[string]string) bool {
		return func(c map[string]string) bool { return slices.Contains(targets, c["target"]) }
	}
	keeps := func(c map[string]string) bool { return c["target"] != "null" }
	return []suite.Factor{
		{Name: "target", Default: "engine", Doc: "what load is applied to", Check: oneOf("target", slices.Sorted(maps.Keys(targetDocs)))},
		{Name: "engine", Default: "bolt", Doc: "storage engine", Check: oneOf("engine", engineNames), Applies: on("engine", "mvcc", "replica", "server")},
		{Name: "index", Default: "packed", Doc: "key index of a multi-version store", Check: oneOf("index", indexNames), Applies: on("mvcc", "replica", "server")},
		{Name: "log", Default: "wal", Doc: "Raft log of each member", Check: oneOf("log", logNames), Applies: on("raft", "replica", "server")},
		{Name: "nodes", Default: "3", Doc: "members of a group", Check: oneOf("nodes", nodeCounts), Applies: on("raft", "replica", "server", "etcd")},
		{Name: "durability", Default: "group", Doc: "what an acknowledged write has survived", Check: oneOf("durability", slices.Sorted(maps.Keys(durabilityDocs))), Applies: keeps},
		{Name: "policy", Default: defaultPolicy, Doc: "when the engine commits what was acknowledged (durability interval) or what the log has (replica, server): operations, bytes or time, whichever comes first; none = at once", Check: checkPolicy,
			Applies: func(c map[string]string) bool {
				return c["durability"] == "interval" && on("engine", "mvcc")(c) || on("replica", "server")(c)
			}},
		{Name: "workload", Default: "ycsb-a", Doc: "mix of operations", Check: oneOf("workload", bench.Workloads())},
		{Name: "clients", Default: "16", Doc: "workers that send operations", Check: wholeNumber("clients", 1, maxClients)},
		{Name: "rate", Default: "max", Doc: "operations a second offered (open loop): 5000, poisson:5000, steps:1000x10s,2000x10s; max = closed loop", Check: checkRate},
		{Name: "records", Default: "100000", Doc: "records loaded before the run", Check: wholeNumber("records", 0, 1<<40)},
		{Name: "key", Default: strconv.Itoa(bench.DefaultKeyBytes), Doc: "bytes a key", Check: wholeNumber("key", bench.MinKeyBytes, engine.MaxKeyBytes)},
		{Name: "value", Default: "256", Doc: "bytes a value: 256, uniform:100-1000, lognormal:…", Check: func(v string) error { _, err := bench.ParseSizes(v); return err }},
		{Name: "compress", Default: "0.5", Doc: "share of a value's size that a compressor leaves, 1 = incompressible", Check: checkCompress},
		{Name: "keys", Default: "default", Doc: "which keys are asked for: zipfian, uniform, latest, …; default = the workload's own", Check: func(v string) error { return checkSpec(bench.Spec{Workload: "get", Distribution: notDefault(v)}) }},
		{Name: "watchers", Default: strconv.Itoa(bench.DefaultWatchers), Doc: "watchers of all keys, of workload watch", Check: wholeNumber("watchers", 1, 1_000_000),
			Applies: func(c map[string]string) bool { return c["workload"] == "watch" }},
		{Name: "batch", Default: "1", Doc: "pairs a write", Check: wholeNumber("batch", 1, 1<<20)},
	}
}

func checkSpec(s bench.Spec) error { return s.Validate() }

// notDefault is v, or "" where the factor leaves the choice to the workload.
func notDefault(v string) string {
	if v == "default" {
		return ""
	}
	return v
}

func oneOf(kind string, accepted []string) func(string) error {
	return func(v string) error {
		if slices.Contains(accepted, v) {
			return nil
		}
		return nearest.Error(kind, v, accepted)
	}
}

func wholeNumber(name string, least, most int64) func(string) error {
	return func(v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%s %q, accepted: a whole number from %d to %d", name, v, least, most)
		}
		return nil
	}
}

// checkRate wants one spelling for one thing: a closed loop is "max" and not also 0.
func checkRate(v string) error {
	schedule, err := bench.ParseSchedule(v, 0)
	if err == nil && schedule == nil && v != "max" {
		return fmt.Errorf("rate %q, accepted for a closed loop: max", v)
	}
	return err
}

// checkSteps refuses steps that the measured phase would cut off.
func checkSteps(rate string, measured time.Duration) error {
	schedule, err := bench.ParseSchedule(rate, 0)
	if steps, ok := schedule.(bench.Steps); err == nil && ok && steps.Length() > measured {
		return fmt.Errorf("rate=%s takes %v, longer than the measured phase: want --duration (in a suite: duration) %[2]v or more, not %v",
			rate, steps.Length(), measured)
	}
	return err
}

func checkCompress(v string) error {
	c, err := strconv.ParseFloat(v, 64)
	if err != nil || !(c > 0 && c <= 1) {
		return fmt.Errorf("compress %q, accepted: above 0 up to 1 (incompressible)", v)
	}
	return nil
}

func checkPolicy(v string) error {
	if v == noPolicy {
		return nil
	}
	if _, err := parsePolicy(v); err != nil {
		return fmt.Errorf("%w, or %s", err, noPolicy)
	}
	return nil
}

// parsePolicy reads "10000ops/4MiB/100ms": limits on operations, bytes and time, any of them, in
// any order; what is left out takes engine.Policy's default.
func parsePolicy(text string) (engine.Policy, error) {
	var p engine.Policy
	bad := fmt.Errorf("policy %q, accepted: limits joined by '/', each once, such as 10000ops, 4MiB, 100ms", text)
	for _, part := range strings.Split(text, "/") {
		if n, ok := strings.CutSuffix(part, "ops"); ok && p.MaxOps == 0 {
			v, err := strconv.Atoi(n)
			if err != nil || v < 1 {
				return p, bad
			}
			p.MaxOps = v
		} else if n, ok := strings.CutSuffix(part, "MiB"); ok && p.MaxBytes == 0 {
			v, err := strconv.ParseInt(n, 10, 64)
			if err != nil || v < 1 || v > 4<<10 {
				return p, bad
			}
			p.MaxBytes = v << 20
		} else if d, err := time.ParseDuration(part); err == nil && d > 0 && d <= time.Hour && p.Interval == 0 {
			p.Interval = d
		} else {
			return p, bad
		}
	}
	return p, nil
}

// cellSpec is the workload of a cell.
func cellSpec(cell map[string]string, contentSeed uint64) (bench.Spec, error) {
	records, err := strconv.ParseUint(cell["records"], 10, 64)
	if err != nil {
		return bench.Spec{}, err
	}
	keyBytes, err := strconv.Atoi(cell["key"])
	if err != nil {
		return bench.Spec{}, err
	}
	compress, err := strconv.ParseFloat(cell["compress"], 64)
	if err != nil {
		return bench.Spec{}, err
	}
	batch, err := strconv.Atoi(cell["batch"])
	if err != nil {
		return bench.Spec{}, err
	}
	spec := bench.Spec{
		Workload: cell["workload"], Records: records, KeyBytes: keyBytes, ValueSize: cell["value"],
		Compressibility: compress, Distribution: notDefault(cell["keys"]), Batch: batch, Seed: contentSeed,
	}
	if cell["workload"] == "watch" {
		if spec.Watchers, err = strconv.Atoi(cell["watchers"]); err != nil {
			return bench.Spec{}, err
		}
	}
	if err := spec.Validate(); err != nil {
		return spec, err
	}
	if spec.Records != records { // 0 is the workload's default there, and no records here
		return spec, fmt.Errorf("records=0, but workload=%s needs loaded records", spec.Workload)
	}
	return spec, nil
}

// checkCell refuses combinations of factors that mean nothing.
func checkCell(cell map[string]string) error {
	spec, err := cellSpec(cell, 0)
	if err != nil {
		return err
	}
	if spec.Batch > 1 && !writesPairs(spec.Workload) {
		return fmt.Errorf("batch=%d with workload=%s, which writes nothing: batch wants a workload with writes", spec.Batch, spec.Workload)
	}
	clients, err := strconv.ParseInt(cell["clients"], 10, 64)
	if err != nil {
		return err
	}
	if err := checkWrites(spec, clients); err != nil {
		return err
	}
	return checkTarget(cell)
}

// checkTarget refuses what the cell's target cannot do.
func checkTarget(cell map[string]string) error {
	t, workload, durability := cell["target"], cell["workload"], cell["durability"]
	plain := t == "engine" || t == "raft" // no revisions, no transactions
	wire := t == "server" || t == "etcd"
	batch, err := strconv.Atoi(cell["batch"])
	if err != nil {
		return err
	}
	switch {
	case workload == "compare-and-put" && plain:
		return fmt.Errorf("workload=compare-and-put with target=%s, which cannot compare: accepted with %s; ycsb-f reads and puts without", t, strings.Join(storeTargets, ", "))
	case bench.NeedsRevisions(workload) && plain:
		return fmt.Errorf("workload=%s with target=%s, which has no revisions: accepted with %s", workload, t, strings.Join(storeTargets, ", "))
	case durability == "interval" && (t == "raft" || replicated(cell)):
		return fmt.Errorf("durability=interval with target=%s, whose members vote by what their logs hold: accepted are %s", t, strings.Join(durabilitiesOf(t), ", "))
	case durability == "sync" && replicated(cell):
		return fmt.Errorf("durability=sync with target=%s, where writes that wait share a sync: accepted are %s", t, strings.Join(durabilitiesOf(t), ", "))
	case durability == "none" && t == "server" && cell["log"] != "wal":
		return fmt.Errorf("durability=none with target=server and log=%s: only wal is written without syncs", cell["log"])
	case wire && batch > mostTxnOps:
		return fmt.Errorf("batch=%d with target=%s, where a transaction has at most %d operations", batch, t, mostTxnOps)
	case durability == "interval" && cell["policy"] == noPolicy:
		return fmt.Errorf("durability=interval with policy=none, which has no interval: give a policy such as %s", defaultPolicy)
	}
	return nil
}

// storeTargets are those with revisions.
var storeTargets = []string{"mvcc", "replica", "server", "etcd"}

func durabilitiesOf(target string) []string {
	if target == "raft" {
		return []string{"sync", "group", "none"}
	}
	return []string{"group", "none"}
}

func writesPairs(workload string) bool {
	return !slices.Contains([]string{"get", "scan", "ycsb-c"}, workload)
}
