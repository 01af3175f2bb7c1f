package badger

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	lib "github.com/dgraph-io/badger/v4"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engine/enginetest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheSpaceOfTheExclamationMarkIsLikeAnyOther(t *testing.T) {
	b, err := Open(t.TempDir(), Options{})
	must(t, err)
	keys := []string{"\x00", "badger!", "badger!txn", "badger", "\xff", "a"}
	for _, s := range []engine.Space{32, 33, 34} {
		for _, k := range keys {
			must(t, enginetest.Put(b, false, s, k, fmt.Sprint(s, k)))
		}
	}
	for _, s := range []engine.Space{32, 33, 34} {
		got, err := enginetest.Content(b, s)
		must(t, err)
		for _, k := range keys {
			if got[k] != fmt.Sprint(s, k) {
				t.Errorf("space %d, key %q: %q", s, k, got[k])
			}
		}
	}
	w := b.NewBatch()
	w.DeleteRange(33, nil, nil)
	must(t, b.Apply(w, true))
	for s, want := range map[engine.Space]int{32: len(keys), 33: 0, 34: len(keys)} {
		if got, err := enginetest.Content(b, s); err != nil || len(got) != want {
			t.Errorf("space %d: %d keys, %v, want %d", s, len(got), err, want)
		}
	}
	must(t, b.Close())
}

func TestALogIsOnDiskBeforeItsSuccessorIsMade(t *testing.T) {
	dir := t.TempDir()
	b, err := Open(dir, Options{MemTableBytes: 8 << 20})
	must(t, err)
	bb := b.(*backend)
	fid, end := bb.mem.log()
	replaced := 0
	for i := 0; replaced < 3 && i < 100_000; i++ {
		must(t, enginetest.Put(b, false, 1, fmt.Sprintf("key%06d", i), strings.Repeat("v", 10_000)))
		now, at := bb.mem.log()
		if now != fid {
			replaced++
			synced, err := readWitness(bb.dir.Path())
			must(t, err)
			if synced[fid] != end {
				t.Errorf("log %d was synced up to %v when it was replaced, want %v", fid, synced[fid], end)
			}
		}
		fid, end = now, at
	}
	if replaced < 3 {
		t.Errorf("only %d logs were replaced", replaced)
	}
	must(t, b.Close())
}

func TestALongValueIsRefusedAndALongestTaken(t *testing.T) {
	b, err := Open(t.TempDir(), Options{})
	must(t, err)
	if err := enginetest.Put(b, true, 1, "k", strings.Repeat("v", valueThreshold)); !errors.Is(err, engine.ErrBatchTooBig) {
		t.Errorf("a value of %d bytes: %v, want ErrBatchTooBig", valueThreshold, err)
	}
	must(t, enginetest.Put(b, true, 1, "k", strings.Repeat("v", valueThreshold-1)))
	got, err := enginetest.Content(b, 1)
	if err != nil || len(got["k"]) != valueThreshold-1 {
		t.Errorf("%d bytes, %v", len(got["k"]), err)
	}
	must(t, b.Close())
}

func TestAFailureIsFinalAlsoWhenBadgerPanics(t *testing.T) {
	b, err := Open(t.TempDir(), Options{})
	must(t, err)
	must(t, b.(*backend).db.Close()) // behind the adapter's back
	for range 3 {
		for what, err := range map[string]error{"apply": enginetest.Put(b, false, 1, "k", "v"), "sync": b.Sync()} {
			if !errors.Is(err, engine.ErrFailed) {
				t.Errorf("%s = %v, want ErrFailed", what, err)
			}
		}
	}
	must(t, b.Close())
}

func TestTheLookIntoTheLibraryFitsIt(t *testing.T) {
	db, err := lib.Open(lib.DefaultOptions(t.TempDir()).WithLogger(nil))
	must(t, err)
	defer db.Close()
	m, err := newMemtable(db)
	must(t, err)
	fid, end := m.log()
	if fid == 0 || end != (mark{end: logHeader}) || m.full() {
		t.Errorf("a new log: %d up to %v, full %v, want up to %d", fid, end, m.full(), logHeader)
	}
	must(t, db.Update(func(txn *lib.Txn) error { return txn.Set([]byte("k"), []byte("v")) }))
	if _, end := m.log(); end.end <= logHeader || end.version != 1 {
		t.Errorf("a log with one transaction: %v", end)
	}
}

func TestOptionsOutOfRangeAreNamed(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"memTableBytes", Options{MemTableBytes: 1 << 20}},
		{"memTables", Options{MemTables: -1}},
		{"l0Stall", Options{L0Tables: 8, L0Stall: 8}},
		{"compactors", Options{Compactors: 1}},
		{"blockBytes", Options{BlockBytes: 5}},
		{"bloomFalsePositive", Options{BloomFalsePositive: 1}},
		{"compression", Options{Compression: "lz4"}},
		{"cacheBytes", Options{Options: engine.Options{CacheBytes: -5}}},
		{"levelMultiplier", Options{LevelMultiplier: 1}},
	} {
		if _, err := Open(t.TempDir(), c.o); err == nil || !strings.Contains(err.Error(), "option "+c.name+" is") {
			t.Errorf("%+v: %v, want an error that names %s", c.o, err, c.name)
		}
	}
}

func TestOptionsTellAllThatIsInEffect(t *testing.T) {
	b, err := Open(t.TempDir(), Options{Compression: "zstd", MemTableBytes: 16 << 20})
	must(t, err)
	defer b.Close()
	m := b.(engine.Described).Options()
	for name, want := range map[string]string{
		"compression": "zstd", "memTableBytes": fmt.Sprint(16 << 20), "skipVerify": "false",
		"badger.MemTableSize": fmt.Sprint(16 << 20), "badger.SyncWrites": "false", "badger.DetectConflicts": "false",
		"badger.ChecksumVerificationMode": "2", "badger.Compression": "2", "badger.NumVersionsToKeep": "1",
		"badger.ValueThreshold": fmt.Sprint(valueThreshold),
	} {
		if m[name] != want {
			t.Errorf("%s = %q, want %q", name, m[name], want)
		}
	}
	fields := reflect.TypeFor[lib.Options]()
	for i := range fields.NumField() {
		f := fields.Field(i)
		if _, ok := m["badger."+f.Name]; !ok && f.IsExported() && !strings.Contains("Dir ValueDir Logger EncryptionKey", f.Name) {
			t.Errorf("option %s of badger is missing", f.Name)
		}
	}
}
