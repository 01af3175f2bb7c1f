package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/etalon-kv/etalon/internal/nearest"
)

// The members of a local cluster are processes of their own, each the same as a user would start with
// serve: one can be killed, paused or looked at by itself, has its own heap and collector (so that
// engines can be compared), and takes no other with it when its engine fails.

// clusterOptions are the flags of cluster.
type clusterOptions struct {
	nodes                  int
	engines, indexes, logs []string
	policy, dir            string
	port                   int
	serve                  []string               // further flags of every member
	given                  func(flag string) bool // on the command line
}

// mostNodes bounds a local cluster; etcd advises seven.
const mostNodes = 9

// clusterCommand runs a local cluster.
func clusterCommand(tty terminal) *cobra.Command {
	o := &clusterOptions{}
	cmd := &cobra.Command{
		Use:   "cluster [-- FLAGS OF SERVE]",
		Short: "Run a local cluster to play with, of one engine or of several",
		Long: "Run a local cluster to play with: its members are processes on this machine, and listen on loopback.\n" +
			"Members may have different engines; they apply the same log and must reach equal hashes.\n" +
			"It runs until Ctrl-C. With --dir it can be started again; otherwise what it stored is removed.",
		Example: "  etalon cluster --engine bolt,pebble,badger\n  etalon cluster --nodes 5 --dir here --port 2379\n  etalon cluster -- --snapshot-count 1000",
		Args: func(cmd *cobra.Command, args []string) error {
			if at := cmd.ArgsLenAtDash(); len(args) > 0 && at != 0 {
				return usagef("etalon cluster takes no arguments but those after --, got %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.serve, o.given = args, cmd.Flags().Changed
			if err := o.check(); err != nil {
				return usageError{err}
			}
			return o.run(cmd.Context(), tty)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.nodes, "nodes", 3, "number of members")
	f.StringSliceVar(&o.engines, "engine", []string{"bolt"}, "engine of all members, or of each: "+strings.Join(engineNames, ", "))
	f.StringSliceVar(&o.indexes, "index", []string{"packed"}, "key index of all members, or of each: "+strings.Join(indexNames, ", "))
	f.StringSliceVar(&o.logs, "log", []string{"wal"}, "Raft log of all members, or of each: "+strings.Join(logNames, ", "))
	f.StringVar(&o.policy, "policy", defaultPolicy, "when engines commit: limits joined by '/', or none: at once")
	f.StringVar(&o.dir, "dir", "", "directory for the members' data and logs, to be started again (default: a temporary one)")
	f.IntVar(&o.port, "port", 0, "first port; members take two each, for clients and for members (default: free ones)")
	return cmd
}

// check refuses what makes no sense, before anything is touched.
func (o *clusterOptions) check() error {
	if o.nodes < 1 || o.nodes > mostNodes {
		return fmt.Errorf("--nodes %d, accepted: 1 to %d", o.nodes, mostNodes)
	}
	nodes := 0
	for _, part := range []struct {
		flag     string
		given    []string
		accepted []string
	}{{"engine", o.engines, engineNames}, {"index", o.indexes, indexNames}, {"log", o.logs, logNames}} {
		for _, word := range part.given {
			if !slices.Contains(part.accepted, word) {
				return nearest.Error(part.flag, word, part.accepted)
			}
		}
		switch n := len(part.given); {
		case n == 0:
			return fmt.Errorf("--%s is empty, accepted: %s", part.flag, strings.Join(part.accepted, ", "))
		case n > 1 && !o.given("nodes") && (nodes == 0 || nodes == n):
			o.nodes, nodes = n, n // as many members as engines are named
		case n > 1 && n != o.nodes:
			return fmt.Errorf("--%s names %d for %d members, accepted: one for all, or one for each", part.flag, n, o.nodes)
		}
	}
	if o.port < 0 || o.port > 65536-2*o.nodes {
		return fmt.Errorf("--port %d, accepted: 1 to %d, or 0 for free ones", o.port, 65536-2*o.nodes)
	}
	return nil
}

// nth is the i-th of list, or the only one.
func nth(list []string, i int) string { return list[min(i, len(list)-1)] }

// run runs the cluster until ctx ends or all members have.
func (o *clusterOptions) run(ctx context.Context, tty terminal) (err error) {
	c := &cluster{tty: tty}
	dir, temporary := o.dir, o.dir == ""
	if !temporary {
		if dir, err = filepath.Abs(dir); err != nil {
			return err
		}
	} else {
		if dir, err = os.MkdirTemp("", "etalon-cluster-"); err != nil {
			return err
		}
		defer func() {
			if err != nil && ctx.Err() == nil && len(c.processes) > 0 {
				fmt.Fprintf(tty.out, "Logs and data are left in %s\n", dir)
				return
			}
			err = errors.Join(err, os.RemoveAll(dir))
		}()
	}
	l, err := o.layout(dir)
	if err != nil {
		return err
	}
	if err := l.check(o.serve); err != nil {
		return err
	}
	if err := l.store(dir); err != nil {
		return err
	}
	c.dir, c.ready, c.ended = dir, make(chan *process, len(l.Members)), make(chan *process, len(l.Members))
	defer func() { err = errors.Join(err, c.stop()) }()
	for _, m := range l.Members {
		if err := c.start(m, l.args(m, dir, o.serve)); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := c.await(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	c.tell(l, time.Since(began), temporary)
	return c.watch(ctx)
}

// await returns when all members are ready, ctx ends, or a member has ended.
func (c *cluster) await(ctx context.Context) error {
	for range c.processes {
		select {
		case <-c.ready:
		case p := <-c.ended:
			return fmt.Errorf("%s has ended before it was ready: %s; its log is %s", p.member.Name, p.how(), p.logPath)
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// tell prints how to reach the cluster.
func (c *cluster) tell(l *layout, took time.Duration, temporary bool) {
	out := c.tty.out
	fmt.Fprintf(out, "A cluster of %d is ready after %.1f s.\n\n", len(l.Members), took.Seconds())
	var endpoints []string
	for i, m := range l.Members {
		fmt.Fprintf(out, "  %-4s %-7s http://%-22s pid %-8d log %s\n", m.Name, m.Engine, m.Client, c.processes[i].cmd.Process.Pid, c.processes[i].logPath)
		endpoints = append(endpoints, m.Client)
	}
	fmt.Fprintf(out, "\nReach it with any client of etcd:\n\n  export ETCDCTL_ENDPOINTS=%s\n  etcdctl put greeting hello\n  etcdctl get greeting\n  etcdctl endpoint status -w table\n  etcdctl endpoint hashkv\n",
		strings.Join(endpoints, ","))
	fmt.Fprintf(out, "\nor without one:\n\n  curl http://%s/health\n  curl http://%s/v3/kv/range -d '{\"key\":\"Z3JlZXRpbmc=\"}'\n\n", endpoints[0], endpoints[0])
	if temporary {
		fmt.Fprintf(out, "Ctrl-C stops it and removes %s.\n", c.dir)
	} else {
		fmt.Fprintf(out, "Ctrl-C stops it; etalon cluster --dir %s starts it again.\n", shellWord(c.dir))
	}
}

// watch reports members that end by themselves, until ctx ends or none is left.
func (c *cluster) watch(ctx context.Context) error {
	for left := len(c.processes); left > 0; left-- {
		select {
		case p := <-c.ended:
			c.failed = append(c.failed, p.member.Name)
			fmt.Fprintf(c.tty.err, "etalon: %s (%s) has ended: %s\nIts log is %s. To start it again, in another terminal:\n  %s\n",
				p.member.Name, p.member.Engine, p.how(), p.logPath, p.command())
		case <-ctx.Done():
			fmt.Fprintln(c.tty.out, "Stopping.")
			if len(c.failed) > 0 {
				return fmt.Errorf("ended by themselves: %s", strings.Join(c.failed, ", "))
			}
			return nil
		}
	}
	return errors.New("all members have ended")
}
