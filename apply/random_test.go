package apply_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// newRand returns a source whose seed is printed when the test fails; ETALON_SEED sets it.
func newRand(tb testing.TB) *rand.Rand {
	tb.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("ETALON_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			tb.Fatalf("ETALON_SEED: %v", err)
		}
	}
	tb.Logf("ETALON_SEED=%d repeats this", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// rounds is how often something random is tried.
func rounds(short, usual int) int {
	switch {
	case os.Getenv("ETALON_LONG") != "":
		return usual * 10
	case testing.Short():
		return short
	}
	return usual
}
