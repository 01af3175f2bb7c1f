package badger

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	lib "github.com/dgraph-io/badger/v4"

	"github.com/etalon-kv/etalon/engine"
)

// newRand returns a source whose seed is logged; ETALON_SEED sets it.
func newRand(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("ETALON_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("ETALON_SEED=%d repeats this", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(b engine.Backend, sync bool, s engine.Space, key, value string) error {
	w := b.NewBatch()
	w.Set(s, []byte(key), []byte(value))
	return b.Apply(w, sync)
}

// dump reads space s both ways and key by key, checks that all agree, and returns its content.
func dump(b engine.Backend, s engine.Space) (map[string]string, error) {
	view, err := b.Snapshot()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	m := make(map[string]string)
	it := view.Scan(s, nil, nil)
	for it.Next() {
		m[string(it.Key())] = string(it.Value())
	}
	if err := it.Close(); err != nil {
		return nil, err
	}
	n := 0
	it = view.ScanBack(s, nil, nil)
	for ; it.Next(); n++ {
		if m[string(it.Key())] != string(it.Value()) {
			return nil, fmt.Errorf("key %q differs backwards", it.Key())
		}
	}
	if err := it.Close(); err != nil {
		return nil, err
	}
	if n != len(m) {
		return nil, fmt.Errorf("%d keys forwards, %d backwards", len(m), n)
	}
	for k, v := range m {
		if got, err := view.Get(nil, s, []byte(k)); err != nil || string(got) != v {
			return nil, fmt.Errorf("get %q: %d bytes, %v", k, len(got), err)
		}
	}
	return m, nil
}

func TestTheSpaceOfTheExclamationMarkIsLikeAnyOther(t *testing.T) {
	b, err := Open(t.TempDir(), Options{})
	must(t, err)
	keys := []string{"\x00", "badger!", "badger!txn", "badger", "\xff", "a"}
	for _, s := range []engine.Space{32, 33, 34} {
		for _, k := range keys {
			must(t, put(b, false, s, k, fmt.Sprint(s, k)))
		}
	}
	for _, s := range []engine.Space{32, 33, 34} {
		got, err := dump(b, s)
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
		if got, err := dump(b, s); err != nil || len(got) != want {
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
		must(t, put(b, false, 1, fmt.Sprintf("key%06d", i), strings.Repeat("v", 10_000)))
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
	if err := put(b, true, 1, "k", strings.Repeat("v", valueThreshold)); !errors.Is(err, engine.ErrBatchTooBig) {
		t.Errorf("a value of %d bytes: %v, want ErrBatchTooBig", valueThreshold, err)
	}
	must(t, put(b, true, 1, "k", strings.Repeat("v", valueThreshold-1)))
	got, err := dump(b, 1)
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
		for what, err := range map[string]error{"apply": put(b, false, 1, "k", "v"), "sync": b.Sync()} {
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
