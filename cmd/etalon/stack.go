package main

import (
	"context"
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

// stack is what a run drives, from the target down to the engine or the logs. A zero stack is closed.
type stack struct {
	target  bench.Target
	group   io.Closer   // the raft group; nil where the target is none
	store   *mvcc.Store // nil where the target has none
	backend engine.Backend
	below   []io.Closer // the logs of a raft group and what they stand on
}

// openStack opens what the job's cell names in dir, with the given durability.
func (j job) openStack(ctx context.Context, dir string, d results.Durability) (s stack, err error) {
	if j.Run.Factors["target"] == "raft" {
		return j.openGroup(ctx, dir, d)
	}
	if s.backend, err = j.open(dir, d); err != nil {
		return stack{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
			s = stack{}
		}
	}()
	files := dir // whose device is watched
	if !s.backend.Caps().Persistent {
		files = ""
	}
	if j.Run.Factors["target"] != "mvcc" {
		s.target, err = targets.NewEngine(s.backend, d, files)
		return s, err
	}
	x, err := newIndex(j.Run.Factors["index"])
	if err != nil {
		return s, err
	}
	if s.store, err = mvcc.Open(ctx, mvcc.Config{Backend: s.backend, Index: x}); err != nil {
		return s, err
	}
	s.target, err = targets.NewMVCC(s.store, s.backend, d, files)
	return s, err
}

// Close closes what is open, from the top.
func (s stack) Close() error {
	var errs []error
	if s.group != nil {
		errs = append(errs, s.group.Close())
	}
	for _, c := range s.below {
		errs = append(errs, c.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.backend != nil {
		errs = append(errs, s.backend.Close())
	}
	return errors.Join(errs...)
}
