package bench

import "math/rand/v2"

// Chooser picks the item an operation is about: a number in [0, n), n > 0 being how many items
// there are now, which may grow from call to call. A Chooser belongs to one worker unless it says
// otherwise; equal seeds and equal n give equal sequences.
type Chooser interface {
	Choose(r *rand.Rand, n uint64) uint64
}

// Uniform chooses every item with equal probability.
type Uniform struct{}

// Choose implements Chooser.
func (Uniform) Choose(r *rand.Rand, n uint64) uint64 { return r.Uint64N(n) }
