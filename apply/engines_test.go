package apply_test

import (
	"testing"

	"github.com/etalon-kv/etalon/apply"
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

// combo is an engine with an index.
type combo struct {
	name  string
	open  func(dir string) (engine.Backend, error)
	index func() index.Index
}

func openMem(string) (engine.Backend, error)        { return mem.Open(mem.Options{}) }
func openBolt(dir string) (engine.Backend, error)   { return bolt.Open(dir, bolt.Options{}) }
func openPebble(dir string) (engine.Backend, error) { return pebble.Open(dir, pebble.Options{}) }

// Small memtables, because badger makes them whole at every start.
func openBadger(dir string) (engine.Backend, error) {
	return badger.Open(dir, badger.Options{MemTableBytes: 8 << 20})
}

// buffered is open under engine.Buffered.
func buffered(open func(dir string) (engine.Backend, error), p engine.Policy) func(string) (engine.Backend, error) {
	return func(dir string) (engine.Backend, error) {
		b, err := open(dir)
		if err != nil {
			return nil, err
		}
		return engine.Buffered(b, p)
	}
}

// combos are all engines, bare and buffered, with one index or another.
func combos() []combo {
	return []combo{
		{"mem", openMem, packed.New},
		{"bolt", openBolt, tbtree.New},
		{"pebble", openPebble, gbtree.New},
		{"badger", openBadger, packed.New},
		{"bolt+buffered", buffered(openBolt, engine.Policy{}), packed.New},
		{"pebble+buffered", buffered(openPebble, engine.Policy{MaxOps: 50}), packed.New},
		{"badger+buffered", buffered(openBadger, engine.Policy{MaxOps: 50}), tbtree.New},
	}
}

// open opens a machine of c in dir, closed with the test unless that was done before.
func (c combo) machine(tb testing.TB, dir string) *apply.Machine {
	tb.Helper()
	if c.name == "mem" {
		dir = ""
	}
	m, err := apply.Open(tb.Context(), apply.Config{Dir: dir, Open: c.open, Index: c.index})
	if err != nil {
		tb.Fatalf("%s: %v", c.name, err)
	}
	return m
}
