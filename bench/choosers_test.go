package bench

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/etalon-kv/etalon/internal/seedtest"
)

func TestScrambledRanksArePermutedOntoAllItems(t *testing.T) {
	for _, grows := range []bool{false, true} {
		for n := uint64(1); n < 700; n++ {
			s := NewScrambled(new(Sequential), n/2+1, grows)
			seen := make([]bool, n)
			for range n {
				x := s.Choose(nil, n)
				if seen[x] {
					t.Fatalf("n %d: item %d was chosen for two ranks", n, x)
				}
				seen[x] = true
			}
		}
	}
}

func TestScrambledItemsKeepTheirRankWhileOthersAreAdded(t *testing.T) {
	const before, after = 1000, 1900
	a, b := NewScrambled(new(Sequential), before, true), NewScrambled(new(Sequential), before, true)
	moved := 0
	for range 500 {
		if x, y := a.Choose(nil, before), b.Choose(nil, after); x != y && y < before {
			moved++
		}
	}
	if moved > 0 {
		t.Errorf("%d of 500 ranks went to another old item", moved)
	}
}

func TestChoosersStayInRangeWhileItGrows(t *testing.T) {
	r := rand.New(rand.NewPCG(seedtest.Of(t), 1))
	for _, name := range append(Distributions(), "hotspot:1,1", "hotspot:0.001,1", "zipfian:1", "zipfian:2.5", "exponential:1,0.001") {
		d, err := parseDistribution(name)
		if err != nil {
			t.Fatal(err)
		}
		c := d.chooser(1, true, new(Sequential))
		for n := uint64(1); n < 3000; n++ {
			for range 3 {
				if x := c.Choose(r, n); x >= n {
					t.Fatalf("%s chose %d of %d items", name, x, n)
				}
			}
		}
	}
}

func TestFrontierAgreesWithASetOfAcknowledgedNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(seedtest.Of(t), 2))
	for round := range 200 {
		start := r.Uint64N(200)
		f := NewFrontier(start)
		type block struct {
			first uint64
			n     int
		}
		var open []block
		done := map[uint64]bool{}
		failed := map[uint64]bool{}
		want := start
		for range 300 {
			if len(open) == 0 || r.IntN(5) < 2 {
				n := 1 + r.IntN(100)
				open = append(open, block{f.Take(n), n})
				continue
			}
			i := r.IntN(len(open))
			b := open[i]
			open = slices.Delete(open, i, i+1)
			ok := r.IntN(8) > 0
			f.Settle(b.first, b.n, ok)
			for x := b.first; x < b.first+uint64(b.n); x++ {
				done[x], failed[x] = true, !ok
			}
			for done[want] {
				want++
			}
			if f.Acked() != want {
				t.Fatalf("round %d: acknowledged up to %d, want %d", round, f.Acked(), want)
			}
			if x := r.Uint64N(f.Taken() + 1); f.Hole(x) != failed[x] {
				t.Fatalf("round %d: hole at %d: %v", round, x, f.Hole(x))
			}
		}
	}
}

func TestKeysSortAsTheirNumbersAndNeverMeet(t *testing.T) {
	r := rand.New(rand.NewPCG(seedtest.Of(t), 3))
	for _, width := range []int{8, 11, 16, 23, 24, 40} {
		k, err := NewKeys(width, false)
		if err != nil {
			t.Fatal(err)
		}
		for range 3000 {
			a, b := r.Uint64()>>r.IntN(64), r.Uint64()>>r.IntN(64)
			x, y := k.Append(nil, a), k.Append(nil, b)
			if len(x) != width || len(y) != width {
				t.Fatalf("width %d: keys %q and %q", width, x, y)
			}
			if want := compare(a, b); bytes.Compare(x, y) != want {
				t.Fatalf("width %d: %d and %d sort as %q and %q", width, a, b, x, y)
			}
		}
		hashed, _ := NewKeys(width, true)
		if got := hashed.Append([]byte("before"), 7); !bytes.Equal(got, k.Append([]byte("before"), mix(7))) {
			t.Errorf("width %d: hashed key %q is not the key of the hash", width, got)
		}
	}
	if _, err := NewKeys(7, false); err == nil {
		t.Error("a key of 7 bytes was accepted")
	}
	if got := string(Keys{width: 26}.Append(nil, 1234567890123456789)); got != "user0001234567890123456789" {
		t.Errorf("key %q", got)
	}
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestUnmixIsTheInverseOfMix(t *testing.T) {
	r := rand.New(rand.NewPCG(seedtest.Of(t), 4))
	for range 10000 {
		if x := r.Uint64(); unmix(mix(x)) != x {
			t.Fatalf("unmix(mix(%d)) = %d", x, unmix(mix(x)))
		}
	}
}
