package mvcctest

import (
	"bytes"
	"context"
	"testing"

	"github.com/etalon-kv/etalon/engine"
)

func testRandom(t *testing.T, h Harness) {
	t.Run("random histories give the answers of the twin", func(t *testing.T) {
		r := author{newRand(t), 40}
		for range rounds(1, 2) {
			w, chains := newTwin(), map[int64]uint64{}
			x := h.build(t)
			for range 2 {
				play(t, r, rounds(60, 120), w, chains, []*house{x})
				if w.compacted > 0 {
					must(t, x.store.WaitCompacted(context.Background(), w.compacted))
				}
				same(t, w, chains, []*house{x})
				x.reopen(t)
			}
			same(t, w, chains, []*house{x})
		}
	})
}

// Differential drives stores over all of hs with one random history, reopening them in between,
// and demands of all the twin's answers, hashes and chains. Then it loads a dump of each into
// the engine of the next.
func Differential(t *testing.T, hs []Harness) {
	r := author{newRand(t), 60}
	w, chains := newTwin(), map[int64]uint64{}
	var houses []*house
	for _, h := range hs {
		houses = append(houses, h.build(t))
	}
	for range rounds(1, 2) {
		play(t, r, rounds(60, 120), w, chains, houses)
		same(t, w, chains, houses)
		for _, x := range houses {
			x.reopen(t)
		}
	}
	for i, x := range houses {
		next := hs[(i+1)%len(hs)]
		if w.compacted > 0 {
			must(t, x.store.WaitCompacted(context.Background(), w.compacted))
		}
		var dump bytes.Buffer
		rev, err := x.store.Dump(context.Background(), &dump)
		must(t, err)
		if rev != w.rev {
			t.Fatalf("%s: the dump is of revision %d, want %d", x.h.Name, rev, w.rev)
		}
		y := &house{h: next, dir: t.TempDir()}
		y.backend, err = next.Open(t, y.dir)
		must(t, err)
		must(t, engine.Load(context.Background(), y.backend, &dump))
		y.open(t)
		same(t, w, chains, []*house{y})
		y.close(t, true)
	}
}
