// Command etalonmvcc does the work of package work on Etalon's multi-version store, on any of its
// engines and indexes, with the batching that etcd ships with (10,000 operations or 100 ms, synced).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/badger"
	"github.com/etalon-kv/etalon/engines/bolt"
	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/engines/pebble"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/mvcc/index/gbtree"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
	"github.com/etalon-kv/etalon/mvcc/index/tbtree"
	"github.com/etalon-kv/etalon/scripts/peers/work"
)

func main() {
	var plan work.Plan
	plan.Flags(flag.CommandLine)
	o := options{}
	flag.StringVar(&o.engine, "engine", "bolt", "mem, bolt, pebble, badger")
	flag.StringVar(&o.index, "index", "packed", "gbtree, tbtree, packed")
	flag.StringVar(&o.data, "dir", "", "where the data goes meanwhile; empty = a temporary directory")
	flag.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile to this file")
	flag.Parse()
	if err := run(plan, o); err != nil {
		fmt.Fprintln(os.Stderr, "etalonmvcc:", err)
		os.Exit(1)
	}
}

type options struct{ engine, index, data, profile string }

func run(plan work.Plan, o options) (err error) {
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	dir, err := os.MkdirTemp(o.data, "etalonmvcc")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	open := func() (work.Store, error) { return openStore(o, filepath.Join(dir, "data")) }
	return work.Run(plan, open, o.engine != "mem", os.Stdout)
}

func openStore(o options, dir string) (work.Store, error) {
	x, err := newIndex(o.index)
	if err != nil {
		return nil, err
	}
	bare, err := openEngine(o.engine, dir)
	if err != nil {
		return nil, err
	}
	b, err := engine.Buffered(bare, engine.Policy{}) // the zero Policy is etcd's
	if err != nil {
		return nil, errors.Join(err, bare.Close())
	}
	s, err := mvcc.Open(context.Background(), mvcc.Config{Backend: b, Index: x})
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return &store{b: b, kv: s}, nil
}

func openEngine(name, dir string) (engine.Backend, error) {
	switch name {
	case "mem":
		return mem.Open(mem.Options{})
	case "bolt":
		return bolt.Open(dir, bolt.Options{})
	case "pebble":
		return pebble.Open(dir, pebble.Options{})
	case "badger":
		return badger.Open(dir, badger.Options{})
	}
	return nil, fmt.Errorf("engine %q, accepted: mem, bolt, pebble, badger", name)
}

func newIndex(name string) (index.Index, error) {
	switch name {
	case "gbtree":
		return gbtree.New(), nil
	case "tbtree":
		return tbtree.New(), nil
	case "packed":
		return packed.New(), nil
	}
	return nil, fmt.Errorf("index %q, accepted: gbtree, tbtree, packed", name)
}

type store struct {
	b  engine.Backend
	kv *mvcc.Store
}

func (s *store) Put(key, value []byte) error {
	t, err := s.kv.Begin()
	if err != nil {
		return err
	}
	if _, err := t.Put(key, value, 0); err != nil {
		t.Rollback()
		return err
	}
	_, err = t.Commit(false)
	return err
}

func (s *store) Get(key []byte) ([]byte, error) {
	kv, ok, err := s.kv.Get(key, 0)
	if err == nil && !ok {
		err = fmt.Errorf("%q is not there", key)
	}
	return kv.Value, err
}

func (s *store) Range(lo, hi []byte) (int, error) {
	r, err := s.kv.Range(lo, hi, mvcc.RangeOptions{})
	return len(r.KVs), err
}

func (s *store) Sync() error { return s.kv.Sync() }

func (s *store) Compact() error {
	rev := s.kv.Rev()
	if err := s.kv.Compact(rev); err != nil {
		return err
	}
	return s.kv.WaitCompacted(context.Background(), rev)
}

func (s *store) Close() error {
	return errors.Join(s.kv.Close(), s.b.Close())
}
