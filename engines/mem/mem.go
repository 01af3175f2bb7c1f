// Package mem is the engine without a disk: the reference model that the other engines are
// compared with, and the upper bound of what any of them can reach. Content is gone after Close.
//
// Every space is a copy-on-write B-tree (github.com/tidwall/btree, whose Map copies in constant
// time and compares string keys inline). Apply changes the writer's own trees and then publishes
// frozen copies of them through one atomic pointer; a Snapshot is a load of that pointer, so
// readers take no lock, wait for nothing and are never waited for. The price is that a batch
// copies the nodes on its way once, which a single put feels and a batch of 100 hardly.
package mem

import (
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/etalon-kv/etalon/engine"
	"github.com/tidwall/btree"
)

// Options are the options of the engine. Both shared ones are ignored: there is no cache beside
// the data, and nothing to say.
type Options struct {
	engine.Options
}

// degree of the trees: nodes of up to 31 items. Copying a path costs about a third less than with
// the library's default of 32, reading about the same.
const degree = 16

// itemBytes is what a tree keeps per item beside the bytes of key and value: two string headers.
const itemBytes = 32

// tree maps keys to values. A key and its value share one allocation.
type tree = btree.Map[string, string]

// space is the published content of one engine.Space.
type space struct {
	id   engine.Space
	tree *tree // frozen
}

// version is the published content: the spaces ever written, in order of id. It never changes.
type version []space

// find returns the tree of s, nil for a space never written.
func (v version) find(s engine.Space) *tree {
	for i := range v {
		if v[i].id == s {
			return v[i].tree
		}
	}
	return nil
}

// db implements engine.Backend and engine.Described.
type db struct {
	guard   engine.Guard
	current atomic.Pointer[version]
	idle    atomic.Pointer[[chunkMax]engine.Pair] // room for chunks that no iterator uses

	// Owned by the goroutine inside Apply.
	work    [256]*tree // what the next version is made from; nil until written
	touched []engine.Space

	liveBytes, batches, ops atomic.Int64
}

// Open returns an empty engine.
func Open(Options) (engine.Backend, error) {
	d := &db{}
	d.current.Store(&version{})
	return d, nil
}

// Options tells what is effective: nothing can be set.
func (d *db) Options() map[string]string {
	return map[string]string{
		"engine":             "mem",
		"durability":         "none",
		"cacheBytes":         "ignored",
		"btree.degree":       strconv.Itoa(degree),
		"btree.copyperbatch": "true",
	}
}

func (d *db) Caps() engine.Caps { return engine.Caps{} }

// Stats: LiveBytes counts keys, values and their headers; the heap that trees and older
// Snapshots take beyond that is not known, so DiskBytes is -1.
func (d *db) Stats() engine.Stats {
	return engine.Stats{
		LiveBytes: d.liveBytes.Load(),
		DiskBytes: -1,
		Batches:   d.batches.Load(),
		Ops:       d.ops.Load(),
	}
}

func (d *db) NewBatch() engine.Batch { return &batch{owner: d} }

func (d *db) Apply(b engine.Batch, _ bool) error {
	if err := d.guard.EnterWrite(); err != nil {
		return err
	}
	defer d.guard.Exit()
	own, ok := b.(*batch)
	if !ok || own.owner != d {
		return fmt.Errorf("%w: %T", engine.ErrForeignBatch, b)
	}
	if own.bad != nil {
		return own.bad
	}
	if len(own.ops) == 0 {
		return nil
	}
	for i := range own.ops {
		d.apply(&own.ops[i])
	}
	d.publish()
	d.batches.Add(1)
	d.ops.Add(int64(len(own.ops)))
	return nil
}

// apply makes one operation in the writer's trees.
func (d *db) apply(o *op) {
	t := d.work[o.space]
	if t == nil {
		if o.kind != opSet {
			return
		}
		t = btree.NewMap[string, string](degree)
		d.work[o.space] = t
	}
	if !slices.Contains(d.touched, o.space) {
		d.touched = append(d.touched, o.space)
	}
	switch o.kind {
	case opSet:
		old, had := t.Set(o.key, o.value)
		grown := len(o.value) - len(old)
		if !had {
			grown += len(o.key) + itemBytes
		}
		d.liveBytes.Add(int64(grown))
	case opDelete:
		d.remove(t, o.key)
	case opDeleteRange:
		for _, key := range o.covered(t) {
			d.remove(t, key)
		}
	}
}

func (d *db) remove(t *tree, key string) {
	if old, had := t.Delete(key); had {
		d.liveBytes.Add(-int64(len(key) + len(old) + itemBytes))
	}
}

// publish makes the touched trees visible, all at once.
func (d *db) publish() {
	next := slices.Clone(*d.current.Load())
	for _, s := range d.touched {
		frozen := space{s, d.work[s].Copy()}
		at, found := slices.BinarySearchFunc(next, s, func(x space, s engine.Space) int { return int(x.id) - int(s) })
		if found {
			next[at] = frozen
		} else {
			next = slices.Insert(next, at, frozen)
		}
	}
	d.touched = d.touched[:0]
	d.current.Store(&next)
}

// Sync has nothing to wait for: what Apply took is as durable as it will ever be.
func (d *db) Sync() error {
	if err := d.guard.EnterWrite(); err != nil {
		return err
	}
	d.guard.Exit()
	return nil
}

func (d *db) Close() error {
	return d.guard.Close(func() error {
		d.current.Store(&version{}) // the content is garbage even if somebody keeps d
		d.work = [256]*tree{}
		return nil
	})
}
