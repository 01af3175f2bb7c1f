package targets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/internal/freeport"
	"github.com/etalon-kv/etalon/results"
)

// ClusterConfig says what a Cluster starts.
type ClusterConfig struct {
	// Command is a program, and the arguments that come before etcd's flags, by which it starts a member of
	// a cluster. Flags come after them, for every member.
	Command, Flags []string
	// Nodes is how many members there are.
	Nodes int
	// Dir holds a data directory a member. A single member may have one from before.
	Dir string
	// Unsynced starts the members with --unsafe-no-fsync.
	Unsynced bool
	// MaxTxnOps is the most operations of a transaction. 0 = the program's own.
	MaxTxnOps int
}

// Cluster is members that run as child processes on this machine, all of one program that takes etcd's
// flags. They listen on loopback, on ports that were free, and end with this process.
type Cluster struct {
	cfg       ClusterConfig
	clients   []string // addresses of members for clients
	processes []*process
}

// quotaBytes is above what any run stores: a full store is not what is measured.
const quotaBytes = 16 << 30

// startTries is how often a start is tried when others take the ports.
const startTries = 3

// StartCluster starts the members and returns when ready says of their addresses that they serve. The
// caller closes the cluster.
func StartCluster(ctx context.Context, cfg ClusterConfig, ready func(context.Context, []string) error) (*Cluster, error) {
	if len(cfg.Command) == 0 || cfg.Nodes < 1 {
		return nil, fmt.Errorf("targets: a cluster of %d members of %q", cfg.Nodes, cfg.Command)
	}
	for try := 1; ; try++ {
		c := &Cluster{cfg: cfg}
		err := c.start(ctx, ready)
		if err == nil {
			return c, nil
		}
		err = errors.Join(err, c.Close())
		if try == startTries || !strings.Contains(err.Error(), "address already in use") {
			return nil, err
		}
		if cfg.Nodes == 1 {
			continue // who is alone goes on with what it has, wherever it listens
		}
		for i := range cfg.Nodes {
			if err := os.RemoveAll(c.dir(i)); err != nil {
				return nil, err
			}
		}
	}
}

func (c *Cluster) start(ctx context.Context, ready func(context.Context, []string) error) error {
	ports, err := freeport.Find(2 * c.cfg.Nodes)
	if err != nil {
		return err
	}
	clients, others := ports[:c.cfg.Nodes], ports[c.cfg.Nodes:]
	var members []string
	for i := range c.cfg.Nodes {
		members = append(members, fmt.Sprintf("m%d=http://%s", i+1, others[i]))
	}
	// Settings of the environment are not part of the experiment.
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "ETCD_") })
	for i := range c.cfg.Nodes {
		client, other := "http://"+clients[i], "http://"+others[i]
		argv := append(slices.Clone(c.cfg.Command), "--name=m"+strconv.Itoa(i+1), "--data-dir="+c.dir(i),
			"--listen-client-urls="+client, "--advertise-client-urls="+client,
			"--listen-peer-urls="+other, "--initial-advertise-peer-urls="+other,
			"--initial-cluster="+strings.Join(members, ","), "--initial-cluster-state=new", "--initial-cluster-token=etalon-bench",
			"--quota-backend-bytes="+strconv.Itoa(quotaBytes), "--log-level=error")
		if c.cfg.MaxTxnOps > 0 {
			argv = append(argv, "--max-txn-ops="+strconv.Itoa(c.cfg.MaxTxnOps))
		}
		if c.cfg.Unsynced {
			argv = append(argv, "--unsafe-no-fsync")
		}
		p, err := startProcess(fmt.Sprint("member ", i+1), append(argv, c.cfg.Flags...), env)
		if err != nil {
			return err
		}
		c.processes = append(c.processes, p)
	}
	c.clients = clients
	return c.await(ctx, ready)
}

// await returns when ready does, or a member has ended.
func (c *Cluster) await(ctx context.Context, ready func(context.Context, []string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel(nil)
	for _, p := range c.processes {
		watching.Go(func() {
			select {
			case <-p.done:
				cancel(fmt.Errorf("targets: %s ended: %s", p.name, p.how()))
			case <-ctx.Done():
			}
		})
	}
	err := ready(ctx, c.clients)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (c *Cluster) dir(i int) string { return filepath.Join(c.cfg.Dir, fmt.Sprint("member-", i+1)) }

// Close stops all members and waits for them. A second Close does nothing.
func (c *Cluster) Close() error {
	var errs []error
	for _, p := range c.processes {
		p.tell()
	}
	for _, p := range c.processes {
		errs = append(errs, p.await())
	}
	return errors.Join(errs...)
}

// Used are the sums over the processes.
func (c *Cluster) Used() bench.Used {
	var sum bench.Used
	for _, p := range c.processes {
		u := p.use()
		add(&sum.UserCPU, u.UserCPU)
		add(&sum.SystemCPU, u.SystemCPU)
		add(&sum.RSSBytes, u.RSSBytes)
	}
	return sum
}

// add keeps what is unknown so.
func add[T ~int64](sum *T, v T) {
	if *sum < 0 || v < 0 {
		*sum = -1
	} else {
		*sum += v
	}
}

// Gauges are the sizes of the data directories. What the engines have written is not known: see
// deviceCounter for why the kernel's count of a process does not tell.
func (c *Cluster) Gauges() bench.Gauges {
	g := unknownGauges()
	g.DiskBytes, g.LogBytes = 0, 0
	for i := range c.processes {
		disk, log := treeBytes(c.dir(i))
		g.DiskBytes, g.LogBytes = g.DiskBytes+disk, g.LogBytes+log
	}
	return g
}

// treeBytes are what the files below dir take on disk, and the part of that in directories of logs.
func treeBytes(dir string) (all, log int64) {
	// What is removed meanwhile is left out.
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		n := allocated(info)
		all += n
		if parent := filepath.Base(filepath.Dir(path)); parent == "wal" || parent == "log" {
			log += n
		}
		return nil
	})
	return all, log
}

// Verdicts tell whether all members ran all the time.
func (c *Cluster) Verdicts() []results.Verdict {
	v := results.Verdict{Name: "members", OK: true, Detail: fmt.Sprintf("%d started, all ran to the end", len(c.processes))}
	for _, p := range c.processes {
		if p.ended() {
			v.OK, v.Detail = false, p.name+" ended during the run: "+p.how()
			break
		}
	}
	return []results.Verdict{v}
}

// alive reports whether all members run.
func (c *Cluster) alive() bool {
	return !slices.ContainsFunc(c.processes, (*process).ended)
}

// PIDs are the processes of the members, in order.
func (c *Cluster) PIDs() []int {
	var all []int
	for _, p := range c.processes {
		all = append(all, p.cmd.Process.Pid)
	}
	return all
}
