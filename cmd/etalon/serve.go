package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn" // the gateway's way to the server in its own process

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica"
	"github.com/etalon-kv/etalon/server"
	"github.com/etalon-kv/etalon/server/rpc"
	"github.com/etalon-kv/etalon/server/web"
)

// serveCommand runs one member.
func serveCommand(tty terminal) *cobra.Command {
	o := &serveOptions{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run one member of a replicated store that speaks etcd's API",
		Long: "Run one member of a replicated store that speaks etcd's API.\n\n" +
			"Flags have etcd's names and meanings; each can be given as an environment variable (--data-dir as\n" +
			"ETCD_DATA_DIR), or all of them in a file (--config-file).",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.version {
				text, err := versionText()
				if err != nil {
					return err
				}
				fmt.Fprintf(tty.out, "etcd Version: %s\n%s", server.Version, text)
				return nil
			}
			if err := o.complete(cmd); err != nil {
				return usageError{err}
			}
			if err := o.check(cmd.Flags()); err != nil {
				return usageError{err}
			}
			level, err := logLevel(o.logLevel)
			if err != nil {
				return usageError{err}
			}
			log := slog.New(slog.NewJSONHandler(tty.err, &slog.HandlerOptions{Level: level}))
			noteForeign(cmd.Flags(), log)
			o.noteUnused(cmd.Flags(), os.Environ(), log)
			ctx, stop := o.untilInputEnds(cmd.Context(), tty.in)
			defer stop()
			return o.serve(ctx, log)
		},
	}
	o.register(cmd.Flags())
	return cmd
}

func logLevel(name string) (slog.Level, error) {
	switch name {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error", "panic", "fatal", "dpanic":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("--log-level %q, accepted: debug, info, warn, error, panic, fatal", name)
}

// retention is --auto-compaction-retention in the mode's unit.
func (o *serveOptions) retention() (server.Retention, error) {
	bad := fmt.Errorf("--auto-compaction-retention %q in mode %s, accepted: a duration or a number of hours (periodic), a number of revisions (revision)", o.compactionRetain, o.compactionMode)
	n, err := strconv.ParseInt(o.compactionRetain, 10, 64)
	switch {
	case err == nil && n < 0:
		return server.Retention{}, bad
	case err == nil && o.compactionMode == "revision":
		return server.Retention{Revisions: n}, nil
	case err == nil:
		return server.Retention{Period: time.Duration(n) * time.Hour}, nil
	}
	d, err := time.ParseDuration(o.compactionRetain)
	if err != nil || d < 0 || o.compactionMode == "revision" {
		return server.Retention{}, bad
	}
	return server.Retention{Period: d}, nil
}

// door is what clients come in by, and what is served there.
type door struct {
	split *web.Splitter
	http  *http.Server
}

// frugal sets up the runtime for a member, which is expected to need little memory, until stop is called.
func (o *serveOptions) frugal() (stop func()) {
	if !o.pprof {
		runtime.MemProfileRate = 0 // nobody can ask for the profile, and its table is a mebibyte
	}
	if _, set := os.LookupEnv("GOGC"); set {
		return func() {}
	}
	if o.engine == "badger" {
		return paceHeap(badgerGCPercent)
	}
	return paceHeap(gcPercent)
}

// serve runs the member until ctx ends or it fails.
func (o *serveOptions) serve(ctx context.Context, log *slog.Logger) (err error) {
	defer o.frugal()()
	var closers []func() error // in the order in which things were opened
	defer func() {
		for i := len(closers) - 1; i >= 0; i-- {
			cerr := closers[i]()
			switch {
			case err == nil:
				err = cerr
			case cerr != nil: // what has failed before fails again when it is closed
				log.Warn("closing", "error", cerr)
			}
		}
	}()
	clientTLS, err := o.security(&o.client, filepath.Join(o.dir(), "fixtures", "client"), o.listenClient)
	if err != nil {
		return usageError{err}
	}
	// Who speaks both is no client of gRPC, and is better served with HTTP/1.
	offered, err := clientTLS.Server("http/1.1", "h2")
	if err != nil {
		return err
	}
	// Before anything is opened: an address that is taken should not cost a start.
	listeners, err := listenAll(append(append([]string{}, o.listenClient...), o.listenMetrics...))
	if err != nil {
		return err
	}
	closers = append(closers, func() error { closeAll(listeners); return nil })
	n, err := o.node(ctx, log)
	if err != nil {
		return err
	}
	closers = append(closers, n.Close)

	g, err := n.Server.RPC(rpc.Config{Keepalive: rpc.Keepalive{MinTime: o.keepaliveMin, Interval: o.keepaliveInterval, Timeout: o.keepaliveTimeout}})
	if err != nil {
		return err
	}
	handler, gateway, err := o.handler(n.Server, g)
	if err != nil {
		return err
	}
	closers = append(closers, gateway)
	failed := make(chan error, 2*len(listeners)+1)
	var doors []door
	for i, l := range listeners {
		t := offered
		if urls := append(append([]string{}, o.listenClient...), o.listenMetrics...); strings.HasPrefix(urls[i], "http:") {
			t = nil
		}
		d := door{split: web.Split(l, t, web.Limits{}), http: &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout, MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}}
		doors = append(doors, d)
		go func() { failed <- g.Serve(d.split.GRPC()) }()
		go func() { failed <- d.http.Serve(d.split.HTTP()) }()
	}
	closers = append(closers, func() error { return shut(n, g, doors) })
	go o.announce(ctx, n, log)
	select {
	case <-ctx.Done():
		log.Info("stopping")
		return nil
	case <-n.Replica.Done():
		if err := n.Replica.Err(); err != nil {
			return fmt.Errorf("the member has stopped: %w", err)
		}
		log.Info("the member was removed from its cluster")
		return nil
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	}
}

// Bounds of HTTP/1 requests.
const (
	headerTimeout  = 10 * time.Second
	maxHeaderBytes = 64 << 10
	// drainTimeout is how long calls may take to end after the member was told to stop.
	drainTimeout = 5 * time.Second
)

// announce says when clients are served: once the member has applied what was committed before.
func (o *serveOptions) announce(ctx context.Context, n *server.Node, log *slog.Logger) {
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := n.Replica.ReadIndex(try)
		cancel()
		if err == nil {
			log.Info(readyMessage, "name", o.name, "urls", o.listenClient, "engine", o.engine, "index", o.index, "log", o.log)
			return
		}
		if errors.Is(err, replica.ErrClosed) || errors.Is(err, replica.ErrStopped) {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond): // no leader yet
		case <-ctx.Done():
		}
	}
}

// shut ends what is served: calls get a moment to end, streams are told to.
func shut(n *server.Node, g *rpc.Server, doors []door) error {
	var all []error
	for _, d := range doors {
		all = append(all, d.split.Close())
	}
	n.Server.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	_ = g.Drain(ctx) // calls that go on are ended
	g.Stop()
	for _, d := range doors {
		all = append(all, d.http.Close())
	}
	return errors.Join(all...)
}

func listenAll(urls []string) (list []net.Listener, err error) {
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			closeAll(list)
			return nil, err
		}
		l, err := net.Listen("tcp", u.Host)
		if err != nil {
			closeAll(list)
			return nil, err
		}
		list = append(list, l)
	}
	return list, nil
}

func closeAll(list []net.Listener) {
	for _, l := range list {
		_ = l.Close() // closed already, if somebody served it
	}
}

// handler is the HTTP side; the gateway in it calls g through memory.
func (o *serveOptions) handler(s *server.Server, g *rpc.Server) (http.Handler, func() error, error) {
	inside := bufconn.Listen(1 << 20)
	go func() { _ = g.Serve(inside) }() // ends with g
	conn, err := grpc.NewClient("passthrough:gateway", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return inside.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30)))
	if err != nil {
		return nil, nil, errors.Join(err, inside.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	h, err := web.Handler(ctx, s, conn)
	if err == nil && o.pprof {
		mux := http.NewServeMux()
		mux.Handle("/", h)
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
		h = mux
	}
	if err == nil && !o.gateway {
		all := h
		h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/v3") {
				http.NotFound(w, r)
				return
			}
			all.ServeHTTP(w, r)
		})
	}
	return h, func() error {
		cancel()
		return errors.Join(conn.Close(), inside.Close())
	}, err
}

// node opens and starts the member.
func (o *serveOptions) node(ctx context.Context, log *slog.Logger) (*server.Node, error) {
	peerTLS, err := o.security(&o.peer, filepath.Join(o.dir(), "fixtures", "peer"), o.listenPeer)
	if err != nil {
		return nil, usageError{err}
	}
	dialTLS, err := peerTLS.Client()
	if err != nil {
		return nil, err
	}
	members, err := o.members()
	if err != nil {
		return nil, usageError{err}
	}
	retention, err := o.retention()
	if err != nil {
		return nil, usageError{err}
	}
	election := time.Duration(o.electionMS) * time.Millisecond
	heartbeat := time.Duration(o.heartbeatMS) * time.Millisecond
	c := server.NodeConfig{
		Dir: o.dir(), Name: o.name, Token: o.token, PeerURLs: o.advertisePeer, ClientURLs: o.advertiseClient, Cluster: members, Engine: o.engine, Alone: o.forceNew,
		State: apply.Config{
			Open:   func(dir string) (engine.Backend, error) { return o.open(dir, log) },
			Index:  func() index.Index { i, _ := newIndex(o.index); return i }, // checked before
			Logger: log,
		},
		OpenLog:     func(dir string, id uint64) (server.Log, error) { return o.openLog(o.logDir(dir), id, log) },
		VolatileLog: o.log == "mem",
		Replica: replica.Config{
			TickInterval: heartbeat, Raft: raft.Config{ElectionTicks: int((election + heartbeat - 1) / heartbeat), HeartbeatTicks: 1, CacheBytes: memberCoreCacheBytes},
			SnapshotEntries: raft.Index(o.snapshotCount), KeepEntries: raft.Index(max(o.snapshotCount/2, 1)), Loose: !o.strict,
			DigestInterval: o.corruptCheckTime, Logger: log,
		},
		Server: server.Config{
			ElectionTimeout: election, MaxRequestBytes: int(o.maxRequestBytes), MaxTxnOps: int(o.maxTxnOps), MaxStreams: o.maxStreams,
			QuotaBytes: o.quotaBytes, WatchProgressInterval: o.progressInterval, MaxLearners: o.maxLearners, Retention: retention, Logger: log,
		},
	}
	if o.corruptCheckTime == 0 {
		c.Replica.DigestInterval = -1
	}
	c.OpenTransport = func(id server.Identity) (replica.Transport, error) { return o.transport(id, &peerTLS, dialTLS, log) }
	if o.clusterState == "existing" {
		c.Join = func(ctx context.Context) (*server.Joining, error) { return o.join(ctx, members, dialTLS, log) }
	}
	return server.StartNode(ctx, c)
}
