package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"slices"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/replica"
	"github.com/etalon-kv/etalon/replica/peers"
	"github.com/etalon-kv/etalon/server"
	"github.com/etalon-kv/etalon/server/security"
)

// memberMemTableBytes is the size of badger's memtables in a member. Each is in memory twice, as a list and
// as the mapped file of its log, and what a member has to lose is in its own log anyway.
const memberMemTableBytes = 16 << 20

// memberCacheBytes is how much of its newest entries a member's log keeps in memory: what is not committed yet,
// and some for followers that are a little behind. Those farther behind are sent what is read from the files. With
// the 4 MiB of a log that is alone, entries are a third of what lives in a member of a few ten thousand keys.
const memberCacheBytes = 2 << 20

// memberCoreCacheBytes is the same of the core. It has the same bytes, so this need be no more than what others
// ask for at once; what is older it asks of the log, in whose memory it is.
const memberCoreCacheBytes = 1 << 20

// memberOptions are what the engine is opened with: what was asked, and what a member wants otherwise than
// a store that is alone. That one has all its pages at hand; a member leaves what nobody reads to the
// system's cache.
func (o *serveOptions) memberOptions() map[string]any {
	with := map[string]any{}
	switch o.engine {
	case "bolt":
		with["lazyPages"] = true
	case "badger":
		with["memTableBytes"] = memberMemTableBytes
	}
	maps.Copy(with, o.optionsOf(o.engine))
	return with
}

// open opens the engine, behind the policy.
func (o *serveOptions) open(dir string, log *slog.Logger) (engine.Backend, error) {
	b, err := openEngine(o.engine, dir, o.memberOptions(), log)
	if err != nil {
		return nil, err
	}
	members, err := o.members()
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	names := slices.Sorted(maps.Keys(members))
	return behindInTurn(b, o.policy, turn{slices.Index(names, o.name), len(names)})
}

// openLog opens the member's log.
func (o *serveOptions) openLog(dir string, id uint64, log *slog.Logger) (server.Log, error) {
	if o.log != "wal" {
		switch {
		case o.log == "mem":
			log.Warn("the log is in memory: this member cannot come back to its cluster once it has ended")
		case o.noFsync:
			log.Warn("the log does not survive a crash of the machine", "log", o.log, "unsafe-no-fsync", o.noFsync)
		}
		return openLog(o.log, dir, id, o.optionsOf(o.log), log)
	}
	fs, err := wal.Dir(dir)
	if err != nil {
		return nil, err
	}
	if o.noFsync {
		log.Warn("the log is not synced: a crash of the machine loses acknowledged writes")
		fs = lazyFS{fs}
	}
	var asked walOptions
	if err := decodeOptions("wal", o.optionsOf("wal"), &asked); err != nil {
		return nil, err
	}
	if asked.CacheBytes == 0 {
		asked.CacheBytes = memberCacheBytes
	}
	full := asked.of(id)
	full.Logger = log
	return wal.Open(fs, full)
}

// Close implements io.Closer.
func (m memberLog) Close() error {
	var all []error
	for _, c := range m.closers {
		all = append(all, c.Close())
	}
	return errors.Join(all...)
}

// lazyFS is a file system that never waits for the disk: --unsafe-no-fsync.
type lazyFS struct{ wal.FS }

func (f lazyFS) SyncDir() error { return nil }

func (f lazyFS) Create(name string, size int64) (wal.File, error) {
	file, err := f.FS.Create(name, size)
	return lazyFile{file}, err
}

func (f lazyFS) Open(name string) (wal.File, error) {
	file, err := f.FS.Open(name)
	return lazyFile{file}, err
}

type lazyFile struct{ wal.File }

func (f lazyFile) Sync() error { return nil }

// transport listens for the other members.
func (o *serveOptions) transport(id server.Identity, c *security.Config, dial *tls.Config, log *slog.Logger) (replica.Transport, error) {
	accept, err := c.Server()
	if err != nil {
		return nil, err
	}
	listeners, err := listenAll(o.listenPeer)
	if err != nil {
		return nil, err
	}
	var addrs []string
	for _, text := range o.advertisePeer {
		u, err := url.Parse(text)
		if err != nil {
			closeAll(listeners)
			return nil, err
		}
		addrs = append(addrs, u.Host)
	}
	t, err := peers.NewTCP(peers.Config{
		ID: id.Member, Group: id.Cluster, Incarnation: id.Incarnation, Listeners: listeners, Addrs: addrs,
		ServerTLS: accept, ClientTLS: dial, Introduce: id.Introduce, Logger: log,
	})
	if err != nil {
		closeAll(listeners)
		return nil, err
	}
	return t, nil
}

// join asks the members of a running cluster who they are.
func (o *serveOptions) join(ctx context.Context, members map[string][]string, dial *tls.Config, log *slog.Logger) (*server.Joining, error) {
	var last error
	for name, urls := range members {
		if name == o.name {
			continue
		}
		for _, text := range urls {
			u, err := url.Parse(text)
			if err != nil {
				return nil, usageError{err}
			}
			cluster, payload, err := peers.Introduction(ctx, u.Host, dial)
			if err == nil {
				return server.Introduced(cluster, payload)
			}
			log.Warn("asking a member who is in the cluster", "member", name, "error", err)
			last = err
		}
	}
	if last == nil {
		return nil, usagef("--initial-cluster-state existing, and --initial-cluster names nobody else")
	}
	return nil, fmt.Errorf("no member of the cluster can be reached: %w", last)
}

// stopWithInput is the flag by which a member ends together with the process that has started it.
const stopWithInput = "stop-with-stdin"

// untilInputEnds is ctx, ended earlier with in if that was asked for.
func (o *serveOptions) untilInputEnds(ctx context.Context, in io.Reader) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	if o.stopWithInput {
		go func() { // ends with the process: a read cannot be interrupted
			_, _ = io.Copy(io.Discard, in)
			stop()
		}()
	}
	return ctx, stop
}
