package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/server"
)

// serveCommand runs one member.
func serveCommand(tty terminal) *cobra.Command {
	var o struct{ engine, index, name, dir, clients, peers string }
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run one member of a replicated store that speaks etcd's API",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := slog.New(slog.NewJSONHandler(tty.err, nil))
			if _, err := newIndex(o.index); err != nil {
				return usageError{err}
			}
			u, err := url.Parse(o.clients)
			if err != nil {
				return usageError{err}
			}
			n, err := server.StartNode(cmd.Context(), server.NodeConfig{
				Dir: o.dir, Name: o.name, Token: "etcd-cluster", PeerURLs: []string{o.peers}, ClientURLs: []string{o.clients},
				Cluster: map[string][]string{o.name: {o.peers}}, Engine: o.engine,
				State: apply.Config{
					Open:   func(dir string) (engine.Backend, error) { return openEngine(o.engine, dir, nil, log) },
					Index:  func() index.Index { i, _ := newIndex(o.index); return i }, // checked above
					Logger: log,
				},
				OpenLog: func(dir string, id uint64) (server.Log, error) {
					fs, err := wal.Dir(dir)
					if err != nil {
						return nil, err
					}
					return wal.Open(fs, wal.Options{ID: id, Logger: log})
				},
				Server: server.Config{Logger: log},
			})
			if err != nil {
				return err
			}
			listener, err := net.Listen("tcp", u.Host)
			if err != nil {
				return err
			}
			g := grpc.NewServer(n.Server.Options()...)
			n.Server.Register(g)
			stop := context.AfterFunc(cmd.Context(), func() {
				n.Server.Stop()
				g.Stop()
			})
			defer stop()
			log.Info("ready to serve client requests", "address", listener.Addr().String())
			if err := g.Serve(listener); err != nil && cmd.Context().Err() == nil {
				return fmt.Errorf("serving: %w", err)
			}
			return n.Close()
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.engine, "engine", "bolt", "storage engine")
	f.StringVar(&o.index, "index", "packed", "key index")
	f.StringVar(&o.name, "name", "default", "name of the member")
	f.StringVar(&o.dir, "data-dir", "default.etalon", "data directory")
	f.StringVar(&o.clients, "listen-client-urls", "http://127.0.0.1:2379", "where clients connect")
	f.StringVar(&o.peers, "listen-peer-urls", "http://127.0.0.1:2380", "where members connect")
	return cmd
}
