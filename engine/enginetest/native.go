package enginetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/engine"
)

// Native is an engine's library without the adapter, for BenchNative: the calls that a program
// would make that knew only this library and did the same work.
type Native struct {
	// Harness opens the adapter.
	Harness Harness
	// Open opens the library with the adapter's options. For a Persistent engine path holds what
	// the adapter left: engine.DataPath of the directory that Harness.Open was given. Others
	// ignore it and start empty.
	Open func(tb testing.TB, path string) (NativeDB, error)
	// Stored is the form in which the adapter hands key of BenchSpace to the library (the LSMs
	// put a prefix before it). It is called off the clock. nil: as it is.
	Stored func(key []byte) []byte
}

// NativeDB is an open library. Keys come in their stored form.
type NativeDB struct {
	// Write sets keys[i] to values[i] in one commit, as the adapter's Apply without sync does it.
	// It may keep and reuse a batch. keys and values may be reused after it returns.
	Write func(keys, values [][]byte) error
	// View opens a stable view.
	View func() (NativeView, error)
	// Close closes the library.
	Close func() error
}

// NativeView is a stable view of a library.
type NativeView struct {
	// Get appends the value of key to dst: the copy belongs to the work.
	Get func(dst, key []byte) ([]byte, error)
	// Scan visits n keys from lo on, with an iterator of its own, and returns the sum of the
	// lengths of their stored keys and values.
	Scan func(lo []byte, n int) (sum int, err error)
	// Close closes the view.
	Close func() error
}

// BenchNative measures what the contract costs: pairs .../via=native and .../via=backend over the
// same files, for op=get, op=scan (100 keys) and op=batch (1 and 100 operations, unsynced where
// the engine can). The ratio of the two is the tax; the geometric mean over the four is quoted.
//
// A third benchmark beside each pair, .../tax, reports backend's time over native's from turns of
// both that alternate: what the machine does meanwhile hits both alike.
func BenchNative(b *testing.B, n Native) {
	set := newBenchSet()
	if n.Stored == nil {
		n.Stored = func(key []byte) []byte { return key }
	}
	dirs := [2]string{b.TempDir(), b.TempDir()}
	var persistent bool
	for _, dir := range dirs { // one for each side: both write
		db, err := n.Harness.Open(b, dir)
		must(b, err)
		persistent = db.Caps().Persistent
		if persistent {
			set.load(b, db)
		}
		must(b, db.Close())
	}
	db := n.Harness.open(b, dirs[0])
	lib, err := n.Open(b, engine.DataPath(dirs[1]))
	must(b, err)
	defer func() { must(b, lib.Close()) }()
	stored := &benchSet{rand: set.rand, value: set.value}
	for _, key := range set.keys {
		stored.keys = append(stored.keys, n.Stored(key))
	}
	if !persistent {
		set.load(b, db)
		var values [][]byte
		for at := 0; at < benchKeys; at += 1000 { // as load does
			values = values[:0]
			for range 1000 {
				values = append(values, set.val())
			}
			must(b, lib.Write(stored.keys[at:at+1000], values))
		}
	}
	benchPairs(b, db, lib, set, stored)
}

// side is one of the two ways, ready to be called.
type side struct {
	get, scan  func() error
	write      func(ops int) error
	closeViews func() error
}

func benchPairs(b *testing.B, db engine.Backend, lib NativeDB, set, stored *benchSet) {
	native, err := nativeSide(lib, stored)
	must(b, err)
	backend, err := backendSide(db, set)
	must(b, err)
	value := fmt.Sprintf("value=%d", benchValue)
	comparePair(b, "op=get/"+value, native.get, backend.get)
	comparePair(b, fmt.Sprintf("op=scan/keys=%d/%s", benchScan, value), native.scan, backend.scan)
	must(b, native.closeViews()) // a view that stays open makes writes dearer in some engines
	must(b, backend.closeViews())
	for _, ops := range []int{1, 100} {
		comparePair(b, fmt.Sprintf("op=batch/ops=%d/%s", ops, value),
			func() error { return native.write(ops) }, func() error { return backend.write(ops) })
	}
}

func nativeSide(lib NativeDB, set *benchSet) (side, error) {
	view, err := lib.View()
	if err != nil {
		return side{}, err
	}
	var dst []byte
	var keys, values [][]byte
	return side{
		get: func() (err error) {
			if dst, err = view.Get(dst[:0], set.key()); err == nil && len(dst) != benchValue {
				err = fmt.Errorf("value of %d bytes", len(dst))
			}
			return err
		},
		scan: func() error {
			sum, err := view.Scan(set.scanFrom(), benchScan)
			if err == nil && sum < benchScan*benchValue {
				err = fmt.Errorf("scan saw %d bytes", sum)
			}
			return err
		},
		write: func(ops int) error {
			keys, values = keys[:0], values[:0]
			for range ops {
				keys, values = append(keys, set.key()), append(values, set.val())
			}
			return lib.Write(keys, values)
		},
		closeViews: view.Close,
	}, nil
}

func backendSide(db engine.Backend, set *benchSet) (side, error) {
	view, err := db.Snapshot()
	if err != nil {
		return side{}, err
	}
	var dst []byte
	w := db.NewBatch()
	return side{
		get: func() (err error) {
			if dst, err = view.Get(dst[:0], BenchSpace, set.key()); err == nil && len(dst) != benchValue {
				err = fmt.Errorf("value of %d bytes", len(dst))
			}
			return err
		},
		scan: func() error {
			it := view.Scan(BenchSpace, set.scanFrom(), nil)
			sum := 0
			for w := engine.Walk(it, benchScan); w.Next(); {
				for _, p := range w.Run() {
					sum += len(p.Key) + len(p.Value)
				}
			}
			err := it.Close()
			if err == nil && sum < benchScan*benchValue {
				err = fmt.Errorf("scan saw %d bytes", sum)
			}
			return err
		},
		write: func(ops int) error {
			w.Reset()
			for range ops {
				w.Set(BenchSpace, set.key(), set.val())
			}
			return db.Apply(w, false)
		},
		closeViews: view.Close,
	}, nil
}

// comparePair times each side alone, for benchstat, and both by turns, for the ratio.
func comparePair(b *testing.B, name string, native, backend func() error) {
	for _, via := range []struct {
		name string
		call func() error
	}{{"native", native}, {"backend", backend}} {
		b.Run(name+"/via="+via.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := via.call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run(name+"/tax", func(b *testing.B) { benchTax(b, native, backend) })
}

// benchTax gives each side turns of about a millisecond, in changing order, and reports the ratio
// of the two sums as tax. Its ns/op is that of a pair of turns, and says nothing.
func benchTax(b *testing.B, native, backend func() error) {
	perTurn := turnLength(b, native)
	calls := [2]func() error{native, backend}
	var spent [2]time.Duration
	for turn := 0; b.Loop(); turn++ {
		for i := range 2 {
			side := (i + turn) % 2
			start := time.Now()
			for range perTurn {
				if err := calls[side](); err != nil {
					b.Fatal(err)
				}
			}
			spent[side] += time.Since(start)
		}
	}
	b.ReportMetric(float64(spent[1])/float64(max(1, spent[0])), "tax")
}

// turnLength returns how many calls take about a millisecond.
func turnLength(b *testing.B, call func() error) int {
	for n := 1; ; n *= 2 {
		start := time.Now()
		for range n {
			must(b, call())
		}
		if n >= 1<<16 || time.Since(start) >= time.Millisecond {
			return n
		}
	}
}
