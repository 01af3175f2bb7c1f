package targets

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap" // what the client logs with: here, nothing
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/results"
)

// Etcd is the target of a server of etcd's API over its wire, asked by etcd's official client: of a
// Cluster that was started for the run, or of one that runs anyway. A write is one Put or Txn, a read
// one linearizable Range, a read-modify-write a Range and a Txn that compares the mod revision, again
// until it was not overtaken.
//
// Sessions share a few connections; they may run side by side. What the client costs is time and CPU of
// this process, which a record shows beside those of the servers.
type Etcd struct {
	cfg     EtcdConfig
	clients []*clientv3.Client
	version string
	stages  *scraper
	device  func() int64
}

// EtcdConfig says who is asked, and how.
type EtcdConfig struct {
	// Cluster was started for this run, and is closed by its owner; or nil, and Endpoints are URLs of
	// a cluster that others use, too: what is written there has a prefix, and is removed at the end.
	Cluster   *Cluster
	Endpoints []string
	// Name is how the cluster is called in the options of a record.
	Name string
	// Nodes is how many members it must have.
	Nodes int
	// Durability is the label: what is known of the servers. Empty = results.DurabilityUnknown.
	Durability results.Durability
	// Connections that sessions share. 0 = 1.
	Connections int
	// Timeout bounds each operation. 0 = 10 s.
	Timeout time.Duration
	// Dir is where the servers' files are, for the count of the device below; "" = unknown.
	Dir string
	// Options are further effective options by component, for the record.
	Options map[string]map[string]string
}

// Prefix stands before the keys of a run on a cluster that others use, too.
const Prefix = "etalon-bench/"

// NewEtcd connects to the cluster, and returns when it answers. The caller closes it, then the cluster.
func NewEtcd(ctx context.Context, cfg EtcdConfig) (_ *Etcd, err error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Durability == "" {
		cfg.Durability = results.DurabilityUnknown
	}
	e := &Etcd{cfg: cfg, device: deviceCounter(cfg.Dir)}
	if c := cfg.Cluster; c != nil {
		e.cfg.Endpoints = c.clients
		e.stages = newScraper(c.clients)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.closeClients())
		}
	}()
	for range max(cfg.Connections, 1) {
		c, err := connect(e.cfg.Endpoints)
		if err != nil {
			return nil, err
		}
		e.clients = append(e.clients, c)
	}
	if err := e.inspect(ctx); err != nil {
		return nil, err
	}
	if cfg.Cluster == nil {
		return e, e.sweep(ctx)
	}
	return e, nil
}

// connect makes a client of its own connections.
func connect(endpoints []string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints: endpoints, Logger: zap.NewNop(), DialTimeout: 10 * time.Second,
		MaxUnaryRetries:    1, // what fails is an error to be counted, and not time
		MaxCallSendMsgSize: 64 << 20,
	})
}

// inspect waits until the cluster answers, and looks at what it is.
func (e *Etcd) inspect(ctx context.Context) error {
	list, err := e.clients[0].MemberList(ctx)
	if err != nil {
		return fmt.Errorf("targets: %s does not answer: %w", strings.Join(e.cfg.Endpoints, ", "), err)
	}
	if n := len(list.Members); n != e.cfg.Nodes {
		return fmt.Errorf("targets: the cluster at %s has nodes=%d, and the cell says nodes=%d", strings.Join(e.cfg.Endpoints, ", "), n, e.cfg.Nodes)
	}
	s, err := e.clients[0].Status(ctx, e.cfg.Endpoints[0])
	if err != nil {
		return err
	}
	e.version = s.Version
	return nil
}

// ClusterReady is for StartCluster: it returns when each member has a leader and serves.
func ClusterReady(ctx context.Context, endpoints []string) error {
	for _, endpoint := range endpoints {
		c, err := connect([]string{endpoint})
		if err != nil {
			return err
		}
		for {
			try, cancel := context.WithTimeout(ctx, time.Second)
			_, err = c.Get(try, "ready")
			cancel()
			if err == nil || ctx.Err() != nil {
				break
			}
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		if err := errors.Join(err, c.Close()); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes what runs have written to a cluster that others use, too.
func (e *Etcd) sweep(ctx context.Context) error {
	_, err := e.clients[0].Delete(ctx, Prefix, clientv3.WithPrefix())
	if err != nil {
		return fmt.Errorf("targets: remove keys below %s: %w", Prefix, err)
	}
	return nil
}

// Close ends the connections. On a cluster that others use it removes what the run has written.
func (e *Etcd) Close() error {
	var err error
	if e.cfg.Cluster == nil {
		ctx, cancel := context.WithTimeout(context.Background(), e.cfg.Timeout)
		defer cancel()
		err = e.sweep(ctx)
	}
	return errors.Join(err, e.closeClients())
}

func (e *Etcd) closeClients() error {
	var errs []error
	for _, c := range e.clients {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Hash is that of all keys and revisions of the first endpoint.
func (e *Etcd) Hash(ctx context.Context) (string, error) {
	h, err := e.clients[0].HashKV(ctx, e.cfg.Endpoints[0], 0)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%08x", h.Hash), nil
}

// Durability is the label of what the target gives.
func (e *Etcd) Durability() results.Durability { return e.cfg.Durability }

// Consistency is linearizable: so is every read that is asked for.
func (e *Etcd) Consistency() results.Consistency { return results.Linearizable }

// Options are those of the servers and of the client.
func (e *Etcd) Options() map[string]map[string]string {
	all := maps.Clone(e.cfg.Options)
	if all == nil {
		all = map[string]map[string]string{}
	}
	server := map[string]string{"nodes": strconv.Itoa(e.cfg.Nodes), "version": e.version}
	if c := e.cfg.Cluster; c != nil {
		server["command"] = strings.Join(append([]string{filepath.Base(c.cfg.Command[0])}, c.cfg.Command[1:]...), " ")
		server["flags"] = strings.Join(c.cfg.Flags, " ")
		server["unsafeNoFsync"] = strconv.FormatBool(c.cfg.Unsynced)
	} else {
		server["endpoints"], server["keyPrefix"] = strings.Join(e.cfg.Endpoints, ","), Prefix
	}
	all[e.cfg.Name] = server
	all["client"] = map[string]string{
		"client": "go.etcd.io/etcd/client/v3", "connections": strconv.Itoa(len(e.clients)), "timeout": e.cfg.Timeout.String(), "asked": "any member",
	}
	return all
}

// Gauges are those of the cluster, if it was started for this.
func (e *Etcd) Gauges() bench.Gauges {
	if e.cfg.Cluster == nil {
		return unknownGauges()
	}
	g := e.cfg.Cluster.Gauges()
	g.DeviceBytes = e.device()
	return g
}

// Used is what the servers have used, where they are known.
func (e *Etcd) Used() bench.Used {
	if e.cfg.Cluster == nil {
		return bench.Used{UserCPU: -1, SystemCPU: -1, RSSBytes: -1}
	}
	return e.cfg.Cluster.Used()
}

// Verdicts tell whether the servers ran all the time.
func (e *Etcd) Verdicts() []results.Verdict {
	if e.cfg.Cluster == nil {
		return nil
	}
	return e.cfg.Cluster.Verdicts()
}

// TakeStages implements bench.Staged: what the leader's /metrics tell.
func (e *Etcd) TakeStages() []results.Stage {
	if e.stages == nil {
		return nil
	}
	return e.stages.take()
}

// Drain returns when every member has applied everything that was acknowledged. Where a member has
// ended there is nothing to wait for: the verdicts say so.
func (e *Etcd) Drain(ctx context.Context) error {
	c := e.cfg.Cluster
	if c == nil || !c.alive() {
		return nil
	}
	if err := ClusterReady(ctx, c.clients); err != nil && c.alive() {
		return err
	}
	return nil
}

// ErrorClass names the class of an error of Do; "" is one it does not know.
func (e *Etcd) ErrorClass(err error) string {
	for _, c := range []errorClass{
		{rpctypes.ErrNoSpace, "no-space"}, {rpctypes.ErrTooManyRequests, "busy"}, {rpctypes.ErrRequestTooLarge, "too-large"},
		{rpctypes.ErrTooManyOps, "too-many-ops"}, {rpctypes.ErrNoLeader, "no-leader"}, {rpctypes.ErrLeaderChanged, "leadership-lost"},
		{rpctypes.ErrCompacted, "compacted"}, {rpctypes.ErrFutureRev, "future-revision"}, {rpctypes.ErrEmptyKey, "empty-key"},
		{rpctypes.ErrCorrupt, "corrupt"}, {rpctypes.ErrTimeout, "server-timeout"}, {rpctypes.ErrStopped, "stopped"},
	} {
		if errors.Is(rpctypes.Error(err), c.err) {
			return c.name
		}
	}
	switch status.Code(err) {
	case codes.DeadlineExceeded:
		return bench.ClassTimeout
	case codes.Canceled:
		return bench.ClassCanceled
	case codes.Unavailable:
		return "unavailable"
	case codes.ResourceExhausted:
		return "busy"
	case codes.Unknown:
		return ""
	default:
		return "rpc-" + strings.ToLower(status.Code(err).String())
	}
}

var (
	_ bench.Target       = (*Etcd)(nil)
	_ bench.Drainer      = (*Etcd)(nil)
	_ bench.Gauger       = (*Etcd)(nil)
	_ bench.Labeled      = (*Etcd)(nil)
	_ bench.Described    = (*Etcd)(nil)
	_ bench.ErrorClasser = (*Etcd)(nil)
	_ bench.Staged       = (*Etcd)(nil)
	_ bench.Watchable    = (*Etcd)(nil)
	_ bench.Compactor    = (*Etcd)(nil)
	_ bench.Remote       = (*Etcd)(nil)
	_ bench.Judged       = (*Etcd)(nil)
)
