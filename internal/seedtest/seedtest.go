// Package seedtest gives tests their randomness: new each time, printed, and repeated on demand.
package seedtest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Of returns ETALON_SEED, or else a number of chance. It is printed when the test fails.
func Of(tb testing.TB) uint64 {
	tb.Helper()
	s := rand.Uint64()
	if text := os.Getenv("ETALON_SEED"); text != "" {
		var err error
		if s, err = strconv.ParseUint(text, 10, 64); err != nil {
			tb.Fatalf("ETALON_SEED: %v", err)
		}
	}
	tb.Logf("ETALON_SEED=%d repeats this", s)
	return s
}

// Rand returns a source that starts at Of.
func Rand(tb testing.TB) *rand.Rand {
	tb.Helper()
	return rand.New(rand.NewPCG(Of(tb), 0))
}
