package mvcctest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/seedtest"
	"github.com/etalon-kv/etalon/mvcc"
)

// pair is what an engine holds in the space of records.
type pair struct{ key, value []byte }

func pairs(t *testing.T, b engine.Backend) (list []pair) {
	t.Helper()
	snap, err := b.Snapshot()
	must(t, err)
	defer snap.Close()
	it := snap.Scan(1, nil, nil)
	for it.Next() {
		list = append(list, pair{bytes.Clone(it.Key()), bytes.Clone(it.Value())})
	}
	must(t, it.Close())
	return list
}

func edit(t *testing.T, b engine.Backend, fill func(w engine.Batch)) {
	t.Helper()
	w := b.NewBatch()
	fill(w)
	must(t, b.Apply(w, false))
}

// damaged is a store with some history, half of it compacted, and what is in its engine.
func damaged(t *testing.T, h Harness) (*house, []pair) {
	t.Helper()
	x := h.build(t)
	for i := range 12 {
		commit(t, x.store, func(w *mvcc.Txn) {
			_, err := w.Put(fmt.Appendf(nil, "key%d", i%5), fmt.Appendf(nil, "value %d", i), int64(i%3))
			must(t, err)
			if i%4 == 3 {
				_, err = w.Delete([]byte("key0"))
				must(t, err)
			}
		})
	}
	compact(t, x.store, 6)
	return x, pairs(t, x.backend)
}

// testDamage alters records behind the back of the store: what becomes of the files of an engine
// shows as such records, or as the engine's own error.
func testDamage(t *testing.T, h Harness) {
	if x := h.build(t); x.backend.Caps().Persistent {
		x.close(t, true)
		testRot(t, h)
		return
	}
	t.Run("a flipped bit of a record is an error that names it, in an open store and at open", func(t *testing.T) {
		x, good := damaged(t, h)
		r := seedtest.Rand(t)
		for _, p := range good {
			for i := range p.value {
				bit := r.IntN(8)
				if os.Getenv("ETALON_LONG") == "" && r.IntN(4) > 0 {
					continue
				}
				bad := bytes.Clone(p.value)
				bad[i] ^= 1 << bit
				edit(t, x.backend, func(w engine.Batch) { w.Set(1, p.key, bad) })
				_, err := x.openStore(x.backend)
				wantCorrupt(t, err, p, false)
				put(t, x.store, "other", "") // so that a new snapshot is made
				_, err = x.store.HashKV(t.Context(), 0)
				wantCorrupt(t, err, p, false)
				if p.value[8]&1 == 0 { // a tombstone has no value to read
					wantCorrupt(t, readAll(x.store, int64(p.key[7])), p, true)
				}
				edit(t, x.backend, func(w engine.Batch) { w.Set(1, p.key, p.value) })
				if t.Failed() {
					t.Fatalf("record %x, byte %d, bit %d", p.key, i, bit)
				}
			}
		}
	})
	t.Run("a record of another history breaks the chain", func(t *testing.T) { testForeign(t, h) })
	t.Run("a record that is missing or stands elsewhere is an error at open", func(t *testing.T) {
		x, good := damaged(t, h)
		r := seedtest.Rand(t)
		for n, p := range good {
			edit(t, x.backend, func(w engine.Batch) { w.Delete(1, p.key) })
			if n < len(good)-1 { // without the last it is the state before
				_, err := x.openStore(x.backend)
				wantErr(t, fmt.Sprintf("open without record %x", p.key), err, mvcc.ErrCorrupt)
			}
			for bit := r.IntN(4); bit < len(p.key)*8; bit += 4 {
				moved := bytes.Clone(p.key)
				moved[bit/8] ^= 1 << (bit % 8)
				was := value(good, moved)
				edit(t, x.backend, func(w engine.Batch) { w.Set(1, moved, p.value) })
				_, err := x.openStore(x.backend)
				wantErr(t, fmt.Sprintf("open with record %x as %x", p.key, moved), err, mvcc.ErrCorrupt)
				edit(t, x.backend, func(w engine.Batch) {
					w.Delete(1, moved)
					if was != nil {
						w.Set(1, moved, was)
					}
				})
			}
			edit(t, x.backend, func(w engine.Batch) { w.Set(1, p.key, p.value) })
		}
		x.reopen(t) // whole again
	})
}

// testForeign puts a record of another history, sound in itself, among those of a store.
func testForeign(t *testing.T, h Harness) {
	x, y := h.build(t), h.build(t)
	for i := range 4 {
		put(t, x.store, "a", fmt.Sprint(i))
		put(t, y.store, "a", fmt.Sprint(i%2))
	}
	p := pairs(t, y.backend)[2] // at 4.0, the first that differs
	edit(t, x.backend, func(w engine.Batch) { w.Set(1, p.key, p.value) })
	_, err := x.openStore(x.backend)
	var c *mvcc.CorruptError
	if !errors.As(err, &c) || c.Rev.Main != 5 {
		t.Errorf("open = %v, want a CorruptError at 5.0, where the chain breaks", err)
	}
}

func value(all []pair, key []byte) []byte {
	for _, p := range all {
		if bytes.Equal(p.key, key) {
			return p.value
		}
	}
	return nil
}

// readAll reads the store at rev, and at the newest.
func readAll(s *mvcc.Store, rev int64) error {
	rev = max(rev, s.Compacted())
	_, err := s.Range(nil, nil, mvcc.RangeOptions{Rev: rev})
	return err
}

func wantCorrupt(t *testing.T, err error, p pair, named bool) {
	t.Helper()
	var c *mvcc.CorruptError
	if !errors.As(err, &c) || !errors.Is(err, mvcc.ErrCorrupt) {
		t.Errorf("%v, want a CorruptError", err)
		return
	}
	if c.Rev.Main != int64(p.key[7]) || c.Rev.Sub != int64(p.key[11]) {
		t.Errorf("%v, want revision %d.%d", err, p.key[7], p.key[11])
	}
	if named && !bytes.HasPrefix(c.Key, []byte("key")) {
		t.Errorf("%v does not name the key", err)
	}
}

// testRot flips bits in the files of a persistent engine.
func testRot(t *testing.T, h Harness) {
	t.Run("a flipped bit in a file is an error or changes no answer", func(t *testing.T) {
		x, _ := damaged(t, h)
		want, err := everything(x.store)
		must(t, err)
		x.close(t, true)
		r := seedtest.Rand(t)
		caught := 0
		for range rounds(5, 15) {
			dir := t.TempDir()
			must(t, os.CopyFS(dir, os.DirFS(x.dir)))
			file, size := someFile(t, r, dir)
			// Most pages of a small store are empty; records and what leads to them are not.
			offset := r.IntN(size)
			for i := 0; i < 2000 && byteAt(t, file, offset) == 0; i++ {
				offset = r.IntN(size)
			}
			flip(t, file, offset, r.IntN(8))
			got, err := reread(t, h, dir)
			switch {
			case err != nil:
				caught++
			case got != want:
				t.Fatalf("%s with a flipped bit at %d answers\n%s\nand not\n%s", file, offset, got, want)
			}
		}
		t.Logf("%d of the flips were found", caught)
	})
}

func someFile(t *testing.T, r *rand.Rand, dir string) (name string, size int) {
	t.Helper()
	var names []string
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > 0 {
			names = append(names, path)
		}
		return err
	}))
	name = names[r.IntN(len(names))]
	info, err := os.Stat(name)
	must(t, err)
	return name, int(info.Size())
}

func byteAt(t *testing.T, name string, offset int) byte {
	t.Helper()
	f, err := os.Open(name)
	must(t, err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], int64(offset))
	must(t, err)
	return b[0]
}

func flip(t *testing.T, name string, offset, bit int) {
	t.Helper()
	b := []byte{byteAt(t, name, offset) ^ 1<<bit}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	must(t, err)
	defer f.Close()
	_, err = f.WriteAt(b, int64(offset))
	must(t, err)
}

// everything is all that a store answers.
func everything(s *mvcc.Store) (string, error) {
	var b strings.Builder
	for rev := s.Compacted(); rev <= s.Rev(); rev++ {
		res, err := s.Range(nil, nil, mvcc.RangeOptions{Rev: rev})
		if err != nil {
			return "", err
		}
		b.WriteString(resultText(res))
	}
	chain, err := s.Chain(0)
	fmt.Fprint(&b, chain)
	return b.String(), err
}

// reread opens dir and reads everything; a failure anywhere is its error.
func reread(t *testing.T, h Harness, dir string) (string, error) {
	b, err := h.Open(t, dir)
	if err != nil {
		return "", err
	}
	defer b.Close()
	s, err := (&house{h: h}).openStore(b)
	if err != nil {
		return "", err
	}
	defer s.Close()
	return everything(s)
}
