// Package engines_test holds what concerns several engines at once: copies between every two of
// them, and the suite on Buffered over each.
package engines_test

import (
	"errors"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engine/enginetest"
	"github.com/etalon-kv/etalon/engines/badger"
	"github.com/etalon-kv/etalon/engines/bolt"
	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/engines/pebble"
)

func bare() map[string]enginetest.Harness {
	return map[string]enginetest.Harness{
		"mem": {Open: func(testing.TB, string) (engine.Backend, error) { return mem.Open(mem.Options{}) }},
		"bolt": {Open: func(_ testing.TB, dir string) (engine.Backend, error) {
			return bolt.Open(dir, bolt.Options{})
		}},
		"pebble": {Open: func(_ testing.TB, dir string) (engine.Backend, error) {
			return pebble.Open(dir, pebble.Options{})
		}},
		"badger": {Open: func(_ testing.TB, dir string) (engine.Backend, error) {
			return badger.Open(dir, badger.Options{})
		}, DiesOnFullDisk: true},
	}
}

// buffered puts engine.Buffered over what h opens. The limits are low, so that commits happen in
// the middle of things.
func buffered(h enginetest.Harness) enginetest.Harness {
	over := h
	over.Open = func(tb testing.TB, dir string) (engine.Backend, error) {
		inner, err := h.Open(tb, dir)
		if err != nil {
			return nil, err
		}
		b, err := engine.Buffered(inner, engine.Policy{Interval: 5 * time.Millisecond, MaxOps: 50, MaxBytes: 1 << 20})
		if err != nil {
			return nil, errors.Join(err, inner.Close())
		}
		return b, nil
	}
	return over
}

func TestPairs(t *testing.T) {
	all := bare()
	all["buffered"] = buffered(all["bolt"])
	enginetest.RunPairs(t, all)
}

func TestBuffered(t *testing.T) {
	for name, h := range bare() {
		t.Run(name, func(t *testing.T) { enginetest.Run(t, buffered(h)) })
	}
}
