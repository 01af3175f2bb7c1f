package prefix

import (
	"bytes"
	"cmp"
	"math/rand/v2"
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
