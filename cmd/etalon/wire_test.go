package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/targets"
)

// wireJob is a short run on the cell of the given factors. Members are processes of this very test.
func wireJob(t *testing.T, factors map[string]string) job {
	t.Helper()
	t.Setenv(asCommand, "1")
	all := map[string]string{"nodes": "1", "clients": "4", "records": "300", "policy": "none", "workload": "ycsb-a"}
	for name, v := range factors {
		all[name] = v
	}
	if all["target"] == "etcd" {
		delete(all, "policy")
	}
	return job{Run: suite.Run{Seed: 7, Factors: cellOf(t, all)}, Duration: 100 * time.Millisecond, Dir: filepath.Join(t.TempDir(), "data")}
}

func TestMembersInProcessesOfTheirOwnAreMeasured(t *testing.T) {
	for _, c := range []struct {
		factors map[string]string
		label   results.Durability
		option  string
	}{
		{map[string]string{"target": "server", "engine": "bolt"}, results.DurabilityGroup, "pageBytes"},
		{map[string]string{"target": "server", "engine": "mem", "log": "mem", "workload": "ycsb-f"}, results.DurabilityNone, ""},
		{map[string]string{"target": "server", "engine": "pebble", "nodes": "3", "durability": "none"}, results.DurabilityNone, ""},
		{map[string]string{"target": "etcd", "workload": "ycsb-e"}, results.DurabilityGroup, ""}, // an etalon in the place of etcd
	} {
		t.Run(results.CellText(c.factors), func(t *testing.T) {
			if testing.Short() && c.factors["nodes"] == "3" {
				t.Skip("waits for an election")
			}
			j := wireJob(t, c.factors)
			j.Options = map[string]map[string]any{}
			if c.option != "" {
				j.Options[c.factors["engine"]] = map[string]any{c.option: 8192}
			}
			if c.factors["target"] == "etcd" {
				j.Options[etcdComponent] = map[string]any{"binary": os.Args[0]}
			}
			if j.usesFixture() {
				j.Fixture = filepath.Join(t.TempDir(), "fixture")
				var err error
				if j.FixtureHash, err = j.build(t.Context()); err != nil || len(j.FixtureHash) != 8 {
					t.Fatal(j.FixtureHash, err)
				}
			}
			rec, err := j.measure(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !rec.Valid() || rec.Count() == 0 || rec.Durability != c.label || rec.Consistency != results.Linearizable {
				t.Errorf("%d operations, %s, %s, %+v", rec.Count(), rec.Durability, rec.Consistency, rec.Verdicts)
			}
			if rec.Generator == nil || rec.Resources.AllocBytes != -1 {
				t.Errorf("resources %+v, of the generator %+v", rec.Resources, rec.Generator)
			}
			if rec.Bytes.EngineWritten != -1 { // nobody knows
				t.Errorf("engines are said to have written %d bytes", rec.Bytes.EngineWritten)
			}
			if c.option != "" && !strings.Contains(rec.Options["server"]["flags"], c.option+"=8192") {
				t.Errorf("options %v", rec.Options["server"])
			}
		})
	}
}

func TestARunWhoseServerIsKilledIsInvalid(t *testing.T) {
	j := wireJob(t, map[string]string{"target": "server", "engine": "bolt"})
	s, err := j.openStack(t.Context(), j.Dir, results.DurabilityGroup)
	if err != nil {
		t.Fatal(err)
	}
	source, err := j.source("ycsb-a")
	if err != nil {
		t.Fatal(err)
	}
	pid := s.closers[0].(*targets.Cluster).PIDs()[0]
	killed := false
	runner := bench.Runner{
		Source: source, Target: s.target, Workers: 4, Measure: 200 * time.Millisecond, Interval: 20 * time.Millisecond,
		LoadBatch: j.loadBatch(source), MaxErrorRate: 1, // so that the errors alone do not decide
		Progress: func(p bench.Progress) {
			if p.Phase == "measure" && p.Elapsed > 0 && !killed {
				killed = true
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Error(err)
				}
			}
		},
	}
	rec, err := runner.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if rec.Valid() || rec.Verdicts[len(rec.Verdicts)-1].Name != "members" {
		t.Errorf("verdicts %+v", rec.Verdicts)
	}
	var unavailable int64
	for _, o := range rec.Ops {
		unavailable += o.Errors["unavailable"]
	}
	if unavailable == 0 {
		t.Errorf("errors by class: %+v", rec.Ops)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestAClusterThatOthersUseIsLeftAsItWas(t *testing.T) {
	j := wireJob(t, map[string]string{"target": "etcd", "workload": "ycsb-e"})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var addrs []string
	c, err := targets.StartCluster(t.Context(), targets.ClusterConfig{Command: []string{self, "serve"}, Flags: []string{"--engine=mem"}, Nodes: 1, Dir: t.TempDir()},
		func(ctx context.Context, members []string) error {
			addrs = members
			return targets.ClusterReady(ctx, members)
		})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	keys := func() (n int) {
		all, err := targets.NewEtcd(t.Context(), targets.EtcdConfig{Cluster: c, Nodes: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer all.Close()
		session, err := all.Open(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		op := bench.Op{Kind: bench.Scan, Key: []byte{0}, Limit: 1000}
		if err := session.Do(t.Context(), &op); err != nil {
			t.Fatal(err)
		}
		return op.Items
	}
	j.Options = map[string]map[string]any{etcdComponent: {"endpoints": "http://" + addrs[0]}}
	rec, err := j.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !rec.Valid() || rec.Count() == 0 || rec.Durability != results.DurabilityUnknown || j.usesFixture() {
		t.Errorf("%d operations, %s, %+v", rec.Count(), rec.Durability, rec.Verdicts)
	}
	if n := keys(); n != 0 {
		t.Errorf("%d keys are left", n)
	}
	j.Run.Factors["nodes"] = "3"
	if _, err := j.measure(t.Context()); err == nil || !strings.Contains(err.Error(), "has nodes=1, and the cell says nodes=3") {
		t.Errorf("three members were expected of one: %v", err)
	}
}

func TestWhatCannotBeAskedOfServersIsRefused(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--target server --durability sync", "where writes that wait share a sync: accepted are group, none"},
		{"--target server --durability interval", "whose members vote by what their logs hold"},
		{"--target server --durability none --log bolt", "only wal is written without syncs"},
		{"--target server --workload put --batch 129", "a transaction has at most 128 operations"},
		{"--target server --option etcd.binary=x --option bolt.pageByte=1", `did you mean "pageBytes"?`},
		{"--target etcd", "--etcd-binary FILE"},
		{"--target etcd --etcd-binary /no/such/file", "/no/such/file"},
		{"--target etcd --endpoints http://localhost:1 --durability none", "not to be chosen here"},
		{"--target etcd --endpoints https://localhost:1", "only http"},
		{"--target etcd --endpoints http://localhost:1 --etcd-binary /bin/true", "both are given"},
		{"--target etcd --option etcd.binry=x", `did you mean "binary"?`},
	} {
		t.Run(c.args, func(t *testing.T) {
			status, _, errs := command(t, append([]string{"bench"}, strings.Fields(c.args)...)...)
			if status != exitUsage || !strings.Contains(errs, c.want) {
				t.Errorf("status %d, %q; want 2 and %q", status, errs, c.want)
			}
		})
	}
	if _, err := memberCommand(t.Context(), "/bin/true"); err == nil || !strings.Contains(err.Error(), "is no member of an etcd cluster") {
		t.Errorf("/bin/true as etcd: %v", err)
	}
}

func TestARunOverTheWireCanBeRepeated(t *testing.T) {
	r := &results.Record{SuiteSeed: 3, Factors: cellOf(t, map[string]string{"target": "etcd", "nodes": "1", "workload": "put"}),
		Options: map[string]map[string]string{askedOptions: {"etcd.binary": "/opt/my etcd"}}}
	want := "etalon bench --target=etcd --nodes=1 --workload=put --etcd-binary='/opt/my etcd' --seed=3"
	if got := repeatCommand(r); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
