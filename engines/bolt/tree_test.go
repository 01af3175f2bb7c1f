package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/seedtest"
)

// TestTreeAnswersWhatBboltDoes looks up keys that are there, their neighbours and others, in trees
// of random shape, by the own way and by bbolt's. The own way must never give up on a sound tree.
func TestTreeAnswersWhatBboltDoes(t *testing.T) {
	r := seedtest.Rand(t)
	rounds := 24
	if testing.Short() {
		rounds = 6
	}
	for round := range rounds {
		o := Options{PageBytes: []int{1024, 4096, 16384}[r.IntN(3)], FillPercent: []float64{0, 0.1, 1}[r.IntN(3)]}
		s := mustOpen(t, t.TempDir(), o)
		keys := randomTree(t, r, s, round%4)
		sn, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		sp := sn.(*snapshot).view.space(3)
		if sp.bucket != nil {
			compareTree(t, r, sp, keys)
		}
		mustClose(t, sn)
		mustClose(t, s)
	}
}

// randomTree writes and deletes keys of one kind in space 3, and returns those that it used.
func randomTree(t *testing.T, r *rand.Rand, s engine.Backend, kind int) (keys [][]byte) {
	next := uint64(r.IntN(300)) // revisions
	key := func() []byte {
		switch kind {
		case 0:
			next += uint64(1 + r.IntN(2)*r.IntN(3))
			return append(binary.BigEndian.AppendUint64(nil, next), 0, 0, 0, byte(r.IntN(2)))
		case 1:
			return append([]byte("/registry/pods/"), strconv.Itoa(r.IntN(5000))...)
		case 2:
			return bytes.Repeat([]byte{byte(r.IntN(3))}, 1+r.IntN(12))
		}
		b := make([]byte, 1+r.IntN(700))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	for range 1 + r.IntN(8) {
		w := s.NewBatch()
		for range r.IntN(700) {
			if len(keys) > 0 && r.IntN(4) == 0 {
				w.Delete(3, keys[r.IntN(len(keys))])
				continue
			}
			k := key()
			size := r.IntN(400)
			if r.IntN(50) == 0 {
				size = r.IntN(40_000) // pages that go on in others
			}
			w.Set(3, k, bytes.Repeat([]byte{byte(r.Uint32())}, size))
			keys = append(keys, k)
		}
		if len(keys) > 3 && r.IntN(3) == 0 {
			lo := keys[r.IntN(len(keys))]
			w.DeleteRange(3, lo, append(bytes.Clone(lo), 0xff))
		}
		if err := s.Apply(w, true); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

func compareTree(t *testing.T, r *rand.Rand, sp *space, keys [][]byte) {
	for _, k := range keys[:len(keys):len(keys)] {
		keys = append(keys, append(bytes.Clone(k), 0), k[:len(k)-1])
	}
	keys = append(keys, nil, []byte{0}, []byte{0xff}, bytes.Repeat([]byte{0xff}, 40))
	r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	spans := make([]engine.Span, len(keys))
	all, oddMany := sp.many([]byte("dst"), keys, spans)
	for i, k := range keys {
		want, there := sp.seek(k)
		got, found, odd := sp.lookup(k)
		if sp.tree.root == 0 {
			if odd != errInline || oddMany != errInline {
				t.Fatalf("in a bucket without a page: %v, %v", odd, oddMany)
			}
			continue
		}
		if odd != nil || oddMany != nil {
			t.Fatalf("lookup of %q in a sound tree gives up: %v, %v", k, odd, oddMany)
		}
		if found != there || !bytes.Equal(got, want) {
			t.Fatalf("lookup(%q) = %.40q, %v; bbolt has %.40q, %v", k, got, found, want, there)
		}
		if at := spans[i]; at.Found() != there || there && !bytes.Equal(all[at.From:at.To], want) {
			t.Fatalf("many of %q is at %v; bbolt has %.40q, %v", k, at, want, there)
		}
	}
}

// image is a copy of a small store's file, and the root of its space 3.
func image(tb testing.TB) (data []byte, root uint64) {
	b, err := Open(tb.TempDir(), Options{PageBytes: 1024})
	if err != nil {
		tb.Fatal(err)
	}
	w := b.NewBatch()
	for i := range 600 {
		w.Set(3, imageKey(i), fmt.Append(nil, i))
	}
	w.Set(3, imageKey(77), make([]byte, 5000))
	if err := b.Apply(w, true); err != nil {
		tb.Fatal(err)
	}
	sn, err := b.Snapshot()
	if err != nil {
		tb.Fatal(err)
	}
	t := sn.(*snapshot).view.space(3).tree
	data = bytes.Clone(t.data)
	if err := errors.Join(sn.Close(), b.Close()); err != nil {
		tb.Fatal(err)
	}
	return data, t.root
}

func imageKey(i int) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(2*i)), 0, 0, 0, 0)
}

// FuzzTree overwrites a piece of a file: a lookup must end, and not by reading what is no page.
func FuzzTree(f *testing.F) {
	data, root := image(f)
	for page := range len(data) / 1024 {
		for _, at := range []int{0, 8, 10, 12, 16, 20, 24} {
			f.Add(uint32(1024*page+at), []byte{1, 0, 0, 0}, uint16(page))
		}
	}
	f.Add(uint32(1024*root+24), binary.NativeEndian.AppendUint64(nil, root), uint16(3))
	f.Fuzz(func(t *testing.T, at uint32, with []byte, key uint16) {
		bad := bytes.Clone(data)
		copy(bad[int(at)%len(bad):], with)
		sp := &space{tree: tree{data: bad, pageBytes: 1024, root: root, forms: new(forms)}}
		keys := [][]byte{imageKey(int(key)), imageKey(0), imageKey(77), imageKey(599), imageKey(600), {}}
		defer func() { // a tree without an end is the one thing that is thrown
			if r := recover(); r != nil && r != errEndless {
				panic(r)
			}
		}()
		for _, k := range keys {
			sp.lookup(k)
		}
		if out, odd := sp.many([]byte("dst"), keys, make([]engine.Span, len(keys))); odd != nil && string(out) != "dst" {
			t.Errorf("after %v dst is %q", odd, out)
		}
		scanPages(sp, keys[0], key%2 == 1)
	})
}

// scanPages reads some chunks, all pairs of them, as long as the pages look sound.
func scanPages(sp *space, lo []byte, back bool) {
	it := newIterator(&snapshot{}, sp, lo, nil, back)
	for range 40 {
		it.n = 0
		if it.byPages(it.walker.pairs[:]) != nil || it.last {
			return
		}
		for _, p := range it.walker.pairs[:it.n] {
			bytes.Compare(p.Key, p.Value)
		}
	}
}

// TestTreeWithoutAnEnd: bbolt would descend in it for ever.
func TestTreeWithoutAnEnd(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{PageBytes: 4096})
	if err := write(s, 0, 2000, 100); err != nil {
		t.Fatal(err)
	}
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	root := sn.(*snapshot).view.space(3).tree.root
	mustClose(t, sn)
	mustClose(t, s)
	if err := overwrite(dataFile(dir), int64(4096*root+24), binary.NativeEndian.AppendUint64(nil, root)); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, Options{})
	defer mustClose(t, s)
	sn, err = s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, sn)
	first := fmt.Appendf(nil, "key%08d", 0)
	if _, err := sn.Get(nil, 3, first); !errors.Is(err, engine.ErrCorrupt) {
		t.Errorf("Get: %v, want ErrCorrupt", err)
	}
	if _, err := engine.GetMany(sn, nil, 3, [][]byte{first}, make([]engine.Span, 1)); !errors.Is(err, engine.ErrCorrupt) {
		t.Errorf("GetMany: %v, want ErrCorrupt", err)
	}
	it := sn.Scan(3, nil, nil)
	for it.Next() {
	}
	if err := it.Close(); !errors.Is(err, engine.ErrCorrupt) {
		t.Errorf("Scan: %v, want ErrCorrupt", err)
	}
}

// pairsOf is up to most pairs of a scan of sp, by chunks of random sizes and single steps, from the
// pages or from the cursor.
func pairsOf(t *testing.T, r *rand.Rand, sp *space, lo, hi []byte, back, odd bool) (all []string) {
	it := newIterator(&snapshot{}, sp, lo, hi, back)
	it.odd = odd
	for {
		if r.IntN(4) == 0 {
			if !it.Next() {
				break
			}
			all = append(all, pairText(it.Key(), it.Value()))
			continue
		}
		chunk := it.Chunk(1 + r.IntN(70))
		if len(chunk) == 0 {
			break
		}
		for _, p := range chunk {
			all = append(all, pairText(p.Key, p.Value))
		}
	}
	if it.odd != odd {
		t.Errorf("a scan of a sound tree gives up on its pages")
	}
	mustClose(t, it)
	return all
}

// TestScansOfPagesAreThoseOfBbolt walks over random parts of random trees by both ways.
func TestScansOfPagesAreThoseOfBbolt(t *testing.T) {
	r := rand.New(rand.NewPCG(seedtest.Of(t), 1))
	for round := range 8 {
		s := mustOpen(t, t.TempDir(), Options{PageBytes: []int{1024, 4096}[r.IntN(2)], FillPercent: []float64{0, 0.1, 1}[r.IntN(3)]})
		keys := randomTree(t, r, s, round%4)
		sn, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if sp := sn.(*snapshot).view.space(3); sp.bucket != nil && sp.tree.root != 0 {
			for part := range 24 {
				lo, hi := randomBound(r, keys), randomBound(r, keys)
				if part == 0 || engine.EmptyRange(lo, hi) {
					lo, hi = nil, nil
				}
				back := r.IntN(2) == 0
				got, want := pairsOf(t, r, sp, lo, hi, back, false), pairsOf(t, r, sp, lo, hi, back, true)
				if !slices.Equal(got, want) {
					t.Fatalf("[%q, %q) backwards %v: %d pairs, bbolt has %d\n%.200q\n%.200q", lo, hi, back, len(got), len(want), got, want)
				}
			}
		}
		mustClose(t, sn)
		mustClose(t, s)
	}
}

func randomBound(r *rand.Rand, keys [][]byte) []byte {
	if len(keys) == 0 || r.IntN(4) == 0 {
		return nil
	}
	key := bytes.Clone(keys[r.IntN(len(keys))])
	switch r.IntN(3) {
	case 0:
		return append(key, 0)
	case 1:
		key[len(key)-1]++
	}
	return key
}

func pairText(key, value []byte) string {
	return fmt.Sprintf("%.20q+%d=%.8q+%d", key, len(key), value, len(value))
}
