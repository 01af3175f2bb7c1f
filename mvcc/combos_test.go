package mvcc_test

import (
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/badger"
	"github.com/etalon-kv/etalon/engines/bolt"
	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/engines/pebble"
	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/mvcc/index/gbtree"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
	"github.com/etalon-kv/etalon/mvcc/index/tbtree"
)

type namedEngine struct {
	name string
	open func(tb testing.TB, dir string) (engine.Backend, error)
}

// engines are all of them, bare.
func engines() []namedEngine {
	return []namedEngine{
		{"mem", func(testing.TB, string) (engine.Backend, error) { return mem.Open(mem.Options{}) }},
		{"bolt", func(_ testing.TB, dir string) (engine.Backend, error) { return bolt.Open(dir, bolt.Options{}) }},
		{"pebble", func(_ testing.TB, dir string) (engine.Backend, error) { return pebble.Open(dir, pebble.Options{}) }},
		{"badger", func(_ testing.TB, dir string) (engine.Backend, error) { return badger.Open(dir, badger.Options{}) }},
	}
}

// smallEngines are all of them with little memory, so that dozens can be open at once.
func smallEngines() []namedEngine {
	all := engines()
	for i, e := range all {
		switch e.name {
		case "pebble":
			all[i].open = func(_ testing.TB, dir string) (engine.Backend, error) {
				return pebble.Open(dir, pebble.Options{MemTableBytes: 1 << 20})
			}
		case "badger":
			all[i].open = func(_ testing.TB, dir string) (engine.Backend, error) {
				return badger.Open(dir, badger.Options{MemTableBytes: 8 << 20, MemTables: 2})
			}
		}
	}
	return all
}

// buffered is e under engine.Buffered.
func (e namedEngine) buffered(p engine.Policy) namedEngine {
	return namedEngine{e.name + "+buffered", func(tb testing.TB, dir string) (engine.Backend, error) {
		b, err := e.open(tb, dir)
		if err != nil {
			return nil, err
		}
		return engine.Buffered(b, p)
	}}
}

type namedIndex struct {
	name string
	make func() index.Index
}

func indexes() []namedIndex {
	return []namedIndex{{"packed", packed.New}, {"tbtree", tbtree.New}, {"gbtree", gbtree.New}}
}
