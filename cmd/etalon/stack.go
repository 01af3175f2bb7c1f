package main

import (
	"context"
	"encoding/hex"
	"errors"
	"io"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/nearest"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/mvcc/index/gbtree"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
	"github.com/etalon-kv/etalon/mvcc/index/tbtree"
	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/targets"
)

// indexNames are the key indexes of the multi-version store.
var indexNames = []string{"gbtree", "tbtree", "packed"}

// indexDocs say in a line what each index is.
var indexDocs = map[string]string{
	"gbtree": "github.com/google/btree, as in etcd: the reference",
	"tbtree": "github.com/tidwall/btree",
	"packed": "B+tree of packed leaves: few bytes a key, counts of a range without visiting it",
}

// newIndex makes an empty index. This switch is the only place where names become indexes.
func newIndex(name string) (index.Index, error) {
	switch name {
	case "gbtree":
		return gbtree.New(), nil
	case "tbtree":
		return tbtree.New(), nil
	case "packed":
		return packed.New(), nil
	default:
		return nil, nearest.Error("index", name, indexNames)
	}
}

// stack is what a run drives: its target, and what must be closed after it. A zero stack is closed.
type stack struct {
	target  bench.Target
	hash    func(context.Context) (string, error) // of the content, once it is loaded
	closers []io.Closer                           // in the order in which they were opened
}

// openStack opens what the job's cell names in dir, with the given durability.
func (j job) openStack(ctx context.Context, dir string, d results.Durability) (s stack, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
			s = stack{}
		}
	}()
	switch j.Run.Factors["target"] {
	case "raft":
		err = j.openGroup(ctx, &s, dir, d)
	case "replica":
		err = j.openReplicas(ctx, &s, dir, d)
	case "server":
		err = j.openServers(ctx, &s, dir, d)
	case "etcd":
		err = j.openEtcd(ctx, &s, dir, d)
	default:
		err = j.openStore(ctx, &s, dir, d)
	}
	return s, err
}

// openStore opens an engine, and a multi-version store on it if the cell says so.
func (j job) openStore(ctx context.Context, s *stack, dir string, d results.Durability) error {
	b, err := j.open(dir, d)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, b)
	s.hash = func(ctx context.Context) (string, error) { return hashOf(ctx, b) }
	files := dir // whose device is watched
	if !b.Caps().Persistent {
		files = ""
	}
	if j.Run.Factors["target"] != "mvcc" {
		s.target, err = targets.NewEngine(b, d, files)
		return err
	}
	x, err := newIndex(j.Run.Factors["index"])
	if err != nil {
		return err
	}
	store, err := mvcc.Open(ctx, mvcc.Config{Backend: b, Index: x})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, store)
	s.target, err = targets.NewMVCC(store, b, d, files)
	return err
}

// hashOf makes all of b durable and hashes it.
func hashOf(ctx context.Context, b engine.Backend) (hash string, err error) {
	if err := b.Sync(); err != nil {
		return "", err
	}
	snap, err := b.Snapshot()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, snap.Close()) }()
	sum, err := engine.Hash(ctx, snap)
	return hex.EncodeToString(sum[:]), err
}

// Close closes what is open, from the top.
func (s stack) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i].Close())
	}
	return errors.Join(errs...)
}
