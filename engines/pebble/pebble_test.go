package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	lib "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engine/enginetest"
	"github.com/etalon-kv/etalon/internal/seedtest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// faulty fails operations whose kind and path match, from the n-th on, for count times.
type faulty struct {
	on        atomic.Bool
	match     func(op errorfs.Op) bool
	skip      atomic.Int64
	left      atomic.Int64
	triggered atomic.Int64
}

func (f *faulty) String() string { return "faulty" }

func (f *faulty) MaybeError(op errorfs.Op) error {
	if !f.on.Load() || !f.match(op) || f.skip.Add(-1) >= 0 || f.left.Add(-1) < 0 {
		return nil
	}
	f.triggered.Add(1)
	return errors.New("injected")
}

func TestFailureOfTheDiskIsFinal(t *testing.T) {
	log := func(kinds ...errorfs.OpKind) func(errorfs.Op) bool {
		return func(op errorfs.Op) bool {
			for _, k := range kinds {
				if op.Kind == k && strings.HasSuffix(op.Path, ".log") {
					return true
				}
			}
			return false
		}
	}
	ending := func(kind errorfs.OpKind, part string) func(errorfs.Op) bool {
		return func(op errorfs.Op) bool {
			same := op.Kind == kind || kind == errorfs.OpFileSync && op.Kind == errorfs.OpFileSyncData
			return same && strings.Contains(filepath.Base(op.Path), part)
		}
	}
	for _, c := range []struct {
		name  string
		match func(errorfs.Op) bool
		sync  bool
	}{
		{"a sync of the log", log(errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo), true},
		{"a write of the log", log(errorfs.OpFileWrite), true},
		{"a write of the log behind unsynced batches", log(errorfs.OpFileWrite), false},
		{"a new log", log(errorfs.OpCreate, errorfs.OpReuseForWrite), false},
		{"a new table", ending(errorfs.OpCreate, ".sst"), false},
		{"a write of a table", ending(errorfs.OpFileWrite, ".sst"), false},
		{"a sync of a table", ending(errorfs.OpFileSync, ".sst"), false},
		{"a write of the MANIFEST", ending(errorfs.OpFileWrite, "MANIFEST"), false},
		{"a sync of the MANIFEST", ending(errorfs.OpFileSync, "MANIFEST"), false},
	} {
		t.Run(c.name+" that fails once", func(t *testing.T) { failOnce(t, c.match, c.sync) })
	}
}

// failOnce writes until the injected fault is reported, and then some more.
func failOnce(t *testing.T, match func(errorfs.Op) bool, sync bool) {
	f := &faulty{match: match}
	f.left.Store(1)
	dir := t.TempDir()
	b, err := open(dir, Options{MemTableBytes: 1 << 20}, errorfs.Wrap(vfs.Default, f))
	must(t, err)
	value := strings.Repeat("v", 8<<10)
	must(t, enginetest.Put(b, true, 1, "before", "x"))
	f.on.Store(true)
	acked, failed := 0, error(nil)
	for i := 0; i < 20_000 && failed == nil; i++ {
		if failed = enginetest.Put(b, sync, 1, fmt.Sprintf("key%06d", i), value); failed == nil {
			acked++
		}
	}
	if !errors.Is(failed, engine.ErrFailed) || !strings.Contains(failed.Error(), "injected") || f.triggered.Load() == 0 {
		t.Fatalf("after %d batches and %d faults: %v, want ErrFailed with the cause", acked, f.triggered.Load(), failed)
	}
	for range 3 {
		for what, err := range map[string]error{
			"apply": enginetest.Put(b, sync, 1, "after", value), "synced apply": enginetest.Put(b, true, 1, "after", value), "sync": b.Sync(),
		} {
			if !errors.Is(err, engine.ErrFailed) {
				t.Errorf("%s after the failure = %v, want ErrFailed", what, err)
			}
		}
	}
	view, err := b.Snapshot()
	must(t, err)
	if v, err := view.Get(nil, 1, []byte("before")); err == nil && string(v) != "x" || err != nil && !errors.Is(err, engine.ErrFailed) {
		t.Errorf("read after the failure = %q, %v, want x or ErrFailed", v, err)
	}
	must(t, view.Close())
	b.Stats()
	must(t, b.Close())

	b, err = Open(dir, Options{})
	must(t, err)
	got, err := enginetest.Content(b, 1)
	must(t, err)
	if got["before"] != "x" || got["after"] != "" {
		t.Errorf("after reopening before=%q after=%.10q, want x and nothing", got["before"], got["after"])
	}
	n := len(got) - 1
	for i := range n {
		if got[fmt.Sprintf("key%06d", i)] != value {
			t.Fatalf("after reopening %d keys but not key%06d: no prefix", n, i)
		}
	}
	if n > acked+1 || sync && n < acked {
		t.Errorf("after reopening %d batches, %d were acknowledged", n, acked)
	}
	must(t, b.Close())
}

func TestABrokenInvariantFailsTheBackendAndNotTheProcess(t *testing.T) {
	b, err := Open(t.TempDir(), Options{})
	must(t, err)
	must(t, enginetest.Put(b, true, 1, "k", "v"))
	b.(*backend).lib.Logger.Fatalf("told %s", "so")
	if err := enginetest.Put(b, false, 1, "k", "w"); !errors.Is(err, engine.ErrFailed) || !strings.Contains(err.Error(), "told so") {
		t.Errorf("apply = %v, want ErrFailed with the message", err)
	}
	must(t, b.Close())
}

func TestABatchSurvivesItsApply(t *testing.T) {
	b, err := Open(t.TempDir(), Options{MemTableBytes: 1 << 20})
	must(t, err)
	for _, size := range []int{10, 2 << 20} { // the large one is kept by pebble
		w := b.NewBatch()
		w.Set(1, []byte("a"), bytes.Repeat([]byte("1"), size))
		must(t, b.Apply(w, false))
		w.Set(1, []byte("b"), []byte("2"))
		must(t, enginetest.Put(b, false, 1, "a", "overwritten"))
		must(t, b.Apply(w, true))
		got, err := enginetest.Content(b, 1)
		must(t, err)
		if len(got["a"]) != size || got["b"] != "2" || w.Len() != 2 {
			t.Errorf("size %d: a has %d bytes, b=%q, batch of %d", size, len(got["a"]), got["b"], w.Len())
		}
		w.Reset()
		w.DeleteRange(1, nil, nil)
		must(t, b.Apply(w, false))
	}
	must(t, b.Close())
}

func TestABatchOverTheLimitIsRefusedAndStopsGrowing(t *testing.T) {
	b, err := Open(t.TempDir(), Options{})
	must(t, err)
	w := b.NewBatch()
	value := make([]byte, 16<<20)
	for range 320 { // 5 GiB
		w.Set(1, []byte("k"), value)
	}
	if err := b.Apply(w, true); !errors.Is(err, engine.ErrBatchTooBig) {
		t.Errorf("apply of %d bytes = %v, want ErrBatchTooBig", w.SizeBytes(), err)
	}
	if n := len(w.(*batch).b.Repr()); n > maxBatchBytes+1<<20 {
		t.Errorf("the refused batch holds %d bytes", n)
	}
	must(t, enginetest.Put(b, true, 1, "k", "v"))
	must(t, b.Close())
}

func TestOneBitFlippedAnywhereNeverChangesAnAnswer(t *testing.T) {
	r := seedtest.Rand(t)
	dir := t.TempDir()
	want := fillForRot(t, dir, r)
	image := readTree(t, dir)
	rounds := 150
	if testing.Short() {
		rounds = 40
	}
	var refused, noticed, harmless int
	for range rounds {
		copyDir := t.TempDir()
		name := image.flip(t, copyDir, r)
		b, err := Open(copyDir, Options{})
		if err != nil {
			refused++
			continue
		}
		got, err := enginetest.Content(b, 1)
		if err == nil {
			if diff := enginetest.Differ(want, got); diff != "" {
				t.Fatalf("a flipped bit in %s changed the content silently: %s", name, diff)
			}
			harmless++
		} else {
			if !errors.Is(err, engine.ErrCorrupt) {
				t.Errorf("a flipped bit in %s: %v, want ErrCorrupt", name, err)
			}
			noticed++
		}
		b.Close() // may fail over the damage
	}
	t.Logf("%d flips: %d refused at open, %d noticed by reads, %d without effect", rounds, refused, noticed, harmless)
}

// fillForRot leaves tables and a log in dir, closed, and returns the content of space 1.
func fillForRot(t *testing.T, dir string, r *rand.Rand) map[string]string {
	b, err := Open(dir, Options{MemTableBytes: 1 << 20})
	must(t, err)
	want := make(map[string]string)
	for i := range 2000 {
		key, value := fmt.Sprintf("key%05d", r.IntN(5000)), fmt.Sprintf("%d-%0*d", i, r.IntN(2000), i)
		want[key] = value
		must(t, enginetest.Put(b, i%50 == 49, 1, key, value))
	}
	must(t, b.(engine.Drainer).Drain(context.Background()))
	must(t, b.Close())
	return want
}

// tree is the files of a directory.
type tree map[string][]byte

func readTree(t *testing.T, dir string) tree {
	files := make(tree)
	must(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		files[rel], err = os.ReadFile(path)
		return err
	}))
	return files
}

// flip writes the tree to dir with one bit changed in one table, log or MANIFEST, and returns its
// name.
func (f tree) flip(t *testing.T, dir string, r *rand.Rand) string {
	var names []string
	for name, data := range f {
		base := filepath.Base(name)
		if len(data) > 0 && (strings.HasSuffix(base, ".sst") || strings.HasSuffix(base, ".log") || strings.HasPrefix(base, "MANIFEST")) {
			names = append(names, name)
		}
	}
	if len(names) < 3 {
		t.Fatalf("only %v to damage", names)
	}
	name := names[r.IntN(len(names))]
	at := r.IntN(len(f[name]))
	for path, data := range f {
		if path == name {
			data = bytes.Clone(data)
			data[at] ^= 1 << r.IntN(8)
		}
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, path), data, 0o600))
	}
	return fmt.Sprintf("%s at %d", name, at)
}

func TestOptionsOutOfRangeAreNamed(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"memTableBytes", Options{MemTableBytes: -1}},
		{"memTableBytes", Options{MemTableBytes: 3 << 30}},
		{"memTables", Options{MemTables: 1}},
		{"l0Stop", Options{L0Compaction: 8, L0Stop: 8}},
		{"compactions", Options{Compactions: -2}},
		{"blockBytes", Options{BlockBytes: 5}},
		{"bloomBits", Options{BloomBits: -2}},
		{"compression", Options{Compression: "lz4"}},
		{"cacheBytes", Options{Options: engine.Options{CacheBytes: -5}}},
		{"walBytesPerSync", Options{WALBytesPerSync: -1}},
	} {
		if _, err := Open(t.TempDir(), c.o); err == nil || !strings.Contains(err.Error(), "option "+c.name+" is") {
			t.Errorf("%+v: %v, want an error that names %s", c.o, err, c.name)
		}
	}
}

func TestOptionsTellAllThatIsInEffect(t *testing.T) {
	b, err := Open(t.TempDir(), Options{Compression: "zstd", BloomBits: -1})
	must(t, err)
	defer b.Close()
	m := b.(engine.Described).Options()
	for name, want := range map[string]string{
		"compression": "zstd", "bloomBits": "-1", "memTableBytes": fmt.Sprint(64 << 20),
		"pebble.Options.mem_table_size":       fmt.Sprint(64 << 20),
		"pebble.Options.format_major_version": strconv.Itoa(int(lib.FormatNewest)),
		"pebble.Options.cache_size":           fmt.Sprint(engine.DefaultCacheBytes),
		"pebble.Level0.compression":           "ZSTD",
	} {
		if m[name] != want {
			t.Errorf("%s = %q, want %q", name, m[name], want)
		}
	}
	if len(m) < 60 {
		t.Errorf("%d options only: %v", len(m), m)
	}
}
