package bench

import (
	"math"
	"math/rand/v2"
)

// Exponential prefers the newest items with exponentially falling probability: Percentile per cent
// of the choices fall on the newest Frac of all items (YCSB: 95 and 0.8571428571). What falls past
// the oldest item is drawn again.
type Exponential struct{ Percentile, Frac float64 }

// Choose implements Chooser.
func (e Exponential) Choose(r *rand.Rand, n uint64) uint64 {
	mean := -float64(n) * e.Frac / math.Log(1-e.Percentile/100)
	for {
		if back := r.ExpFloat64() * mean; back < float64(n) {
			return n - 1 - min(uint64(back), n-1)
		}
	}
}
