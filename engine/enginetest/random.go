package enginetest

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/seedtest"
)

// testRandom compares the engine, behind Poison, with the model on random operations: batches of
// every kind, snapshots held over many batches, reopening.
func testRandom(t *testing.T, h Harness) {
	t.Run("random batches leave what the model holds", func(t *testing.T) {
		r := seedtest.Rand(t)
		rounds := 4
		if testing.Short() {
			rounds = 1
		}
		for range rounds {
			randomRound(t, h, r)
		}
	})
}

// held is a snapshot with what it must go on showing.
type held struct {
	view engine.Snapshot
	m    model
}

func randomRound(t *testing.T, h Harness, r *rand.Rand) {
	dir := t.TempDir()
	b := Poison(h.open(t, dir))
	m := model{}
	var snaps []held
	for range 150 {
		switch p := r.IntN(100); {
		case p < 70:
			next := m.clone()
			w := b.NewBatch()
			randomBatch(r, twin{w, next})
			if err := b.Apply(w, r.IntN(8) == 0); err != nil {
				t.Fatalf("apply: %v", err)
			}
			m = next
		case p < 80:
			snaps = append(snaps, held{snap(t, b), m.clone()})
		case p < 88 && len(snaps) > 0:
			i := r.IntN(len(snaps))
			snaps[i].m.compare(t, snaps[i].view)
			must(t, snaps[i].view.Close())
			snaps = slices.Delete(snaps, i, i+1)
		case p < 97:
			view := snap(t, b)
			randomReads(t, r, view, m)
			must(t, view.Close())
		case b.Caps().Persistent:
			for _, s := range snaps {
				s.m.compare(t, s.view)
				must(t, s.view.Close())
			}
			snaps = nil
			must(t, b.Close())
			b = Poison(h.open(t, dir))
			m.now(t, b)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	for _, s := range snaps {
		s.m.compare(t, s.view)
		must(t, s.view.Close())
	}
	m.now(t, b)
	must(t, b.Close())
}

// randomKey is short and of few letters, so that keys meet.
func randomKey(r *rand.Rand) []byte {
	key := make([]byte, 1+r.IntN(4))
	for i := range key {
		key[i] = []byte{0, 1, 'a', 'b', 0xfe, 0xff}[r.IntN(6)]
	}
	return key
}

func randomBound(r *rand.Rand) []byte {
	switch r.IntN(10) {
	case 0:
		return nil
	case 1:
		return []byte{}
	}
	return randomKey(r)
}

func randomSpace(r *rand.Rand) engine.Space { return []engine.Space{0, 1, 2, 255}[r.IntN(4)] }

func randomBatch(r *rand.Rand, w twin) {
	for range 1 + r.IntN(30) {
		s := randomSpace(r)
		switch p := r.IntN(20); {
		case p < 13:
			value := bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(40)*r.IntN(40))
			w.set(s, string(randomKey(r)), string(value))
		case p < 18:
			w.del(s, string(randomKey(r)))
		default:
			w.deleteRange(s, randomBound(r), randomBound(r))
		}
	}
}

func randomReads(t *testing.T, r *rand.Rand, view engine.Snapshot, m model) {
	for range 10 {
		s, lo, hi, key := randomSpace(r), randomBound(r), randomBound(r), randomKey(r)
		want := m.scan(s, lo, hi)
		if r.IntN(2) == 0 {
			comparePairs(t, s, "Scan", collect(t, view.Scan(s, lo, hi)), want)
		} else {
			slices.Reverse(want)
			comparePairs(t, s, "ScanBack", collect(t, view.ScanBack(s, lo, hi)), want)
		}
		value, ok := m[s][string(key)]
		if !ok {
			notFound(t, view, s, key)
		} else if got, err := view.Get(nil, s, key); err != nil || string(got) != value {
			t.Errorf("Get(%d, %x) = %.20x, %v, want %.20x", s, key, got, err, value)
		}
	}
}
