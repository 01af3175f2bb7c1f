// Command etcdmvcc does the work of package work on etcd's own multi-version store: bbolt and
// google/btree, with the batching etcd ships with (10,000 operations or 100 ms, fsync on).
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/pkg/v3/traceutil"
	"go.etcd.io/etcd/server/v3/lease"
	"go.etcd.io/etcd/server/v3/storage/backend"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.uber.org/zap"

	"github.com/etalon-kv/etalon/scripts/peers/work"
)

func main() {
	var plan work.Plan
	plan.Flags(flag.CommandLine)
	data := flag.String("dir", "", "where the data goes meanwhile; empty = a temporary directory")
	flag.Parse()
	if err := run(plan, *data); err != nil {
		fmt.Fprintln(os.Stderr, "etcdmvcc:", err)
		os.Exit(1)
	}
}

func run(plan work.Plan, data string) error {
	dir, err := os.MkdirTemp(data, "etcdmvcc")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	log := zap.NewNop()
	open := func() (work.Store, error) {
		config := backend.DefaultBackendConfig(log)
		config.Path = filepath.Join(dir, "db")
		b := backend.New(config)
		return &store{b: b, kv: mvcc.New(log, b, &lease.FakeLessor{}, mvcc.StoreConfig{})}, nil
	}
	return work.Run(plan, open, true, os.Stdout)
}

type store struct {
	b  backend.Backend
	kv mvcc.WatchableKV
}

// Put gives etcd a key of its own, which its index keeps; in etcd it is the request's memory. The
// value it copies.
func (s *store) Put(key, value []byte) error {
	s.kv.Put(bytes.Clone(key), value, lease.NoLease)
	return nil
}

func (s *store) Get(key []byte) ([]byte, error) {
	r, err := s.kv.Range(context.Background(), key, nil, mvcc.RangeOptions{})
	if err != nil {
		return nil, err
	}
	if len(r.KVs) != 1 {
		return nil, fmt.Errorf("%q: %d keys, want 1", key, len(r.KVs))
	}
	return r.KVs[0].Value, nil
}

func (s *store) Range(lo, hi []byte) (int, error) {
	r, err := s.kv.Range(context.Background(), lo, hi, mvcc.RangeOptions{})
	if err != nil {
		return 0, err
	}
	return len(r.KVs), nil
}

func (s *store) Sync() error {
	s.kv.Commit()
	return nil
}

func (s *store) Compact() error {
	done, err := s.kv.Compact(traceutil.TODO(), s.kv.Rev())
	if err != nil {
		return err
	}
	<-done
	return nil
}

func (s *store) Close() error {
	s.kv.Commit()
	s.kv.Close()
	return s.b.Close()
}
