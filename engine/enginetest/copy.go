package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/seedtest"
)

func testCopy(t *testing.T, h Harness) {
	t.Run("a dump loads into a fresh backend with an equal hash, and is refused when torn", func(t *testing.T) {
		from, to := Poison(h.fresh(t)), Poison(h.fresh(t))
		fillRandom(t, seedtest.Rand(t), from)
		stream := dumpOf(t, from)
		if err := engine.Load(context.Background(), to, bytes.NewReader(stream[:len(stream)-1])); err == nil {
			t.Error("a stream without its last byte was loaded")
		}
		model{}.now(t, to)
		must(t, engine.Load(context.Background(), to, bytes.NewReader(stream)))
		if hashOf(t, from) != hashOf(t, to) {
			t.Error("hashes differ")
		}
		wantErr(t, "a second Load", engine.Load(context.Background(), to, bytes.NewReader(stream)), engine.ErrNotEmpty)
	})
}

// RunPairs copies random content between every two of the engines, once as a stream of Dump and
// once key by key, and demands equal hashes and equal streams.
func RunPairs(t *testing.T, engines map[string]Harness) {
	names := slices.Sorted(maps.Keys(engines))
	for _, from := range names {
		t.Run("from "+from, func(t *testing.T) {
			r := seedtest.Rand(t)
			source := engines[from].fresh(t)
			fillRandom(t, r, source)
			stream, hash := dumpOf(t, source), hashOf(t, source)
			for _, to := range names {
				t.Run("to "+to, func(t *testing.T) {
					loaded := engines[to].fresh(t)
					must(t, engine.Load(context.Background(), loaded, bytes.NewReader(stream)))
					if hashOf(t, loaded) != hash {
						t.Error("hash after Load differs")
					}
					if !bytes.Equal(dumpOf(t, loaded), stream) {
						t.Error("a dump of the copy differs from the dump it was made from")
					}
					copied := engines[to].fresh(t)
					copyKeys(t, source, copied)
					if hashOf(t, copied) != hash {
						t.Error("hash after a copy through Scan and Apply differs")
					}
				})
			}
		})
	}
}

// fillRandom writes a few megabytes over some of the spaces, with overwrites and deletions.
func fillRandom(t *testing.T, r *rand.Rand, b engine.Backend) {
	t.Helper()
	w := b.NewBatch()
	for i := range 30 {
		w.Reset()
		randomBatch(r, twin{w, model{}})
		for range 40 {
			s := engine.Space(r.IntN(256))
			w.Set(s, fmt.Appendf(nil, "%x", r.Uint32()), randBytes(r, r.IntN(2000)))
		}
		must(t, b.Apply(w, i%10 == 0))
	}
	apply(t, b, false, func(w engine.Batch) {
		w.Set(255, bytes.Repeat([]byte{0xff}, engine.MaxKeyBytes), randBytes(r, 300<<10))
	})
}

func dumpOf(t *testing.T, b engine.Backend) []byte {
	t.Helper()
	view := snap(t, b)
	defer view.Close()
	var w bytes.Buffer
	must(t, engine.Dump(context.Background(), &w, view))
	return w.Bytes()
}

func hashOf(t *testing.T, b engine.Backend) [engine.HashSize]byte {
	t.Helper()
	view := snap(t, b)
	defer view.Close()
	hash, err := engine.Hash(context.Background(), view)
	must(t, err)
	return hash
}

func copyKeys(t *testing.T, from, to engine.Backend) {
	t.Helper()
	view := snap(t, from)
	defer view.Close()
	w := to.NewBatch()
	for s := range 256 {
		it := view.ScanBack(engine.Space(s), nil, nil)
		for it.Next() {
			w.Set(engine.Space(s), it.Key(), it.Value())
			if w.Len() == 100 {
				must(t, to.Apply(w, false))
				w.Reset()
			}
		}
		must(t, it.Close())
	}
	must(t, to.Apply(w, false))
}
