package prefix

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// keys are short ones of few letters, so that many begin alike and many are prefixes of others.
func keys(r *rand.Rand) (a, b []byte) {
	draw := func(n int) []byte {
		key := make([]byte, n)
		for i := range key {
			key[i] = "\x00a\xff"[r.IntN(3)]
		}
		return key
	}
	shared := draw(r.IntN(20))
	return append(bytes.Clone(shared), draw(r.IntN(12))...), append(bytes.Clone(shared), draw(r.IntN(12))...)
}

func TestLenCountsLikeALoop(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20000 {
		a, b := keys(r)
		want := 0
		for want < min(len(a), len(b)) && a[want] == b[want] {
			want++
		}
		if got := Len(a, b); got != want || Len(b, a) != want {
			t.Fatalf("Len(%q, %q) = %d and %d, want %d", a, b, got, Len(b, a), want)
		}
	}
}

func TestKeysWhoseHeadsDifferAreInTheOrderOfThese(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 20000 {
		a, b := keys(r)
		if order := cmp.Compare(Head(a), Head(b)); order != 0 && order != bytes.Compare(a, b) {
			t.Fatalf("heads of %q and %q compare as %d", a, b, order)
		}
		if same := Head(a) == Head(b); same != bytes.Equal(first8(a), first8(b)) {
			t.Fatalf("heads of %q and %q equal: %v", a, b, same)
		}
	}
}

// first8 are the first eight bytes of key, with zeros behind its end.
func first8(key []byte) []byte { return append(bytes.Clone(key), make([]byte, 8)...)[:8] }

func TestFractionOfEvenlySpreadKeys(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, c := range []struct {
		name string
		key  func(int) []byte
	}{
		{"decimal", func(n int) []byte { return fmt.Appendf(nil, "%08d", n) }},
		{"short decimal", func(n int) []byte { return fmt.Appendf(nil, "%07d", n) }},
		{"binary", func(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }},
	} {
		for range 20000 {
			low, n := r.IntN(9000000), 2+r.IntN(1000)
			at := r.IntN(n + 1)
			got := Fraction(Head(c.key(low)), Head(c.key(low+at)), Head(c.key(low+n)))
			if want := float64(at) / float64(n); math.Abs(got-want) > 1e-9 {
				t.Fatalf("%s: %d from %d to %d is at %v, want %v", c.name, low+at, low, low+n, got, want)
			}
		}
	}
}

func TestFractionIsFromZeroToOne(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 20000 {
		var heads [4]uint64
		shared, mask := r.Uint64(), uint64(1)<<r.IntN(64)-1
		for i := range heads {
			heads[i] = shared&^mask | r.Uint64()&mask
		}
		slices.Sort(heads[:])
		a, b := Fraction(heads[0], heads[1], heads[3]), Fraction(heads[0], heads[2], heads[3])
		if !(0 <= a && a <= 1 && 0 <= b && b <= 1) || Fraction(heads[3], heads[3], heads[3]) != 0 {
			t.Fatalf("%x: fractions %v, %v", heads, a, b)
		}
	}
}
