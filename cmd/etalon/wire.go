package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/internal/nearest"
	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/targets"
)

// etcdComponent is the component of a suite's options that says where the target etcd is.
const etcdComponent = "etcd"

// etcdOptions are what a suite may set of it; one of them must be.
type etcdOptions struct {
	// Binary is a program with etcd's flags, or this one; it is started for each run.
	Binary string `json:"binary"`
	// Endpoints are URLs of a cluster that runs, joined by commas.
	Endpoints string `json:"endpoints"`
}

func (o *etcdOptions) validate() error {
	if o.Binary != "" && o.Endpoints != "" {
		return errors.New("the target etcd is a binary or endpoints, and both are given")
	}
	return nil
}

// errNoEtcd says what the target etcd lacks.
var errNoEtcd = errors.New("target=etcd wants to know which: --etcd-binary FILE, started for each run, or --endpoints URL,… of a cluster that runs; --only target=server leaves it out")

// etcdFlags are the flags by which a command line sets them.
type etcdFlags struct {
	binary    string
	endpoints []string
}

func (f *etcdFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.binary, "etcd-binary", "", "the target etcd: a program with etcd's flags (etcd, or another etalon), started for each run")
	cmd.Flags().StringSliceVar(&f.endpoints, "endpoints", nil, "the target etcd: URLs of a cluster that runs; keys below "+targets.Prefix+" are written and removed")
}

// etcdFlag is the flag of an option that was asked of the target etcd.
func etcdFlag(option string) (flag string, ok bool) {
	switch option {
	case etcdComponent + ".binary":
		return "--etcd-binary", true
	case etcdComponent + ".endpoints":
		return "--endpoints", true
	}
	return "", false
}

// into enters what was given in a suite's options.
func (f *etcdFlags) into(s *suite.Suite) error {
	if f.binary == "" && len(f.endpoints) == 0 {
		return nil
	}
	given := map[string]any{}
	if f.binary != "" {
		path, err := exec.LookPath(f.binary)
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			return fmt.Errorf("--etcd-binary: %w", err)
		}
		given["binary"] = path
	}
	if len(f.endpoints) > 0 {
		given["endpoints"] = strings.Join(f.endpoints, ",")
	}
	s.Options = maps.Clone(s.Options)
	if s.Options == nil {
		s.Options = map[string]map[string]any{}
	}
	s.Options[etcdComponent] = given
	return checkEngineOptions(etcdComponent, given)
}

// checkWire refuses cells that the suite's options make impossible.
func checkWire(s suite.Suite, cell map[string]string) error {
	if cell["target"] != "etcd" {
		return nil
	}
	var o etcdOptions
	if err := decodeOptions(etcdComponent, s.Options[etcdComponent], &o); err != nil {
		return err
	}
	switch {
	case o.Binary == "" && o.Endpoints == "":
		return errNoEtcd
	case o.Endpoints != "" && cell["durability"] != "group":
		return fmt.Errorf("durability=%s with --endpoints: it is a matter of the servers that run there, and not to be chosen here", cell["durability"])
	case o.Endpoints != "" && strings.Contains(o.Endpoints, "https:"):
		return fmt.Errorf("--endpoints %s: only http: is spoken here", o.Endpoints)
	}
	return nil
}

// mostTxnOps bounds the pairs of a write over the wire: what etcd allows unless told otherwise.
const mostTxnOps = 128

// connectionsFor is how many connections so many workers share: enough to keep two cores busy, few enough
// that requests which wait together are sent together.
func connectionsFor(clients int) int { return min(max(clients/16, 1), 8) }

// openServers starts the members of the job's cell as processes of this very program, and connects.
func (j job) openServers(ctx context.Context, s *stack, dir string, d results.Durability) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	f := j.Run.Factors
	flags := []string{"--engine=" + f["engine"], "--index=" + f["index"], "--log=" + f["log"], "--policy=" + f["policy"]}
	for _, component := range components(f) {
		text := askedText(j.Options[component])
		for _, name := range slices.Sorted(maps.Keys(text)) {
			flags = append(flags, "--option="+component+"."+name+"="+text[name])
		}
	}
	label := d
	if f["log"] == "mem" {
		label = results.DurabilityNone
	}
	return j.openCluster(ctx, s, targets.ClusterConfig{Command: []string{self, "serve"}, Flags: flags, Dir: dir}, d, label)
}

// openEtcd connects to the cluster that the options name, or starts one.
func (j job) openEtcd(ctx context.Context, s *stack, dir string, d results.Durability) error {
	var o etcdOptions
	if err := decodeOptions(etcdComponent, j.Options[etcdComponent], &o); err != nil {
		return err
	}
	if o.Binary != "" {
		command, err := memberCommand(ctx, o.Binary)
		if err != nil {
			return err
		}
		return j.openCluster(ctx, s, targets.ClusterConfig{Command: command, Dir: dir}, d, d)
	}
	nodes, clients, err := j.sizes()
	if err != nil {
		return err
	}
	t, err := targets.NewEtcd(ctx, targets.EtcdConfig{
		Endpoints: strings.Split(o.Endpoints, ","), Name: j.Run.Factors["target"], Nodes: nodes, Connections: connectionsFor(clients),
	})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, t)
	s.target, s.hash = t, t.Hash
	return nil
}

// openCluster starts a cluster and connects.
func (j job) openCluster(ctx context.Context, s *stack, cfg targets.ClusterConfig, d, label results.Durability) error {
	nodes, clients, err := j.sizes()
	if err != nil {
		return err
	}
	cfg.Nodes, cfg.Unsynced, cfg.MaxTxnOps = nodes, d == results.DurabilityNone, mostTxnOps
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return err
	}
	c, err := targets.StartCluster(ctx, cfg, targets.ClusterReady)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, c)
	t, err := targets.NewEtcd(ctx, targets.EtcdConfig{
		Cluster: c, Name: j.Run.Factors["target"], Nodes: nodes, Durability: label, Connections: connectionsFor(clients), Dir: cfg.Dir,
	})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, t)
	s.target, s.hash = t, t.Hash
	return nil
}

func (j job) sizes() (nodes, clients int, err error) {
	if nodes, err = strconv.Atoi(j.Run.Factors["nodes"]); err != nil {
		return 0, 0, err
	}
	clients, err = strconv.Atoi(j.Run.Factors["clients"])
	return nodes, clients, err
}

// memberCommand is how a program is started as a member: etcd by its flags alone, this one by serve.
func memberCommand(ctx context.Context, binary string) ([]string, error) {
	for _, command := range [][]string{{binary}, {binary, "serve"}} {
		out, err := exec.CommandContext(ctx, command[0], append(slices.Clone(command[1:]), "--version")...).Output()
		if err == nil && strings.Contains(string(out), "etcd Version:") {
			return command, nil
		}
	}
	return nil, fmt.Errorf("%s is no member of an etcd cluster: with --version it does not print \"etcd Version\", nor does it after serve", binary)
}

// unknownComponent is the error for options of what does not exist.
func unknownComponent(name string) error {
	return nearest.Error("engine or log", name, append([]string{"wal", etcdComponent}, engineNames...))
}
