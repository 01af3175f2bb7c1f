package bench

import "math/rand/v2"

// Hotspot sends the share Ops of all choices to the first Set of the items, evenly, and the rest
// evenly to the others. Both are in [0, 1].
type Hotspot struct{ Set, Ops float64 }

// Choose implements Chooser.
func (h Hotspot) Choose(r *rand.Rand, n uint64) uint64 {
	hot := min(uint64(h.Set*float64(n)), n)
	if hot == n || hot > 0 && r.Float64() < h.Ops {
		return r.Uint64N(hot)
	}
	return hot + r.Uint64N(n-hot)
}
