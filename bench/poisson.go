package bench

import (
	"math"
	"time"
)

// Poisson sends PerSec operations a second on average, as a crowd of independent clients does:
// arrivals are random and come in clusters. Equal Seeds give equal arrivals.
//
// The n-th arrival is found without the ones before it: the time that 2^40 arrivals take is drawn,
// then halved again and again, each half being a beta-distributed share of the whole that is drawn
// from a hash of its place, down to blocks of 64, in which the gaps are exponential. The shares of
// 64 arrivals and more are drawn as normals, which beta distributions of that size are for any
// practical purpose.
type Poisson struct {
	PerSec float64
	Seed   uint64
}

const (
	poissonLevels = 40 // the schedule has 2^40 arrivals
	blockLevels   = 6
	poissonBlock  = 1 << blockLevels
)

// At implements Schedule.
func (p Poisson) At(n uint64) (time.Duration, bool) {
	if n >= 1<<poissonLevels {
		return 0, false
	}
	var block [poissonBlock]time.Duration
	p.arrivals(n/poissonBlock, &block)
	return block[n%poissonBlock], true
}

// inOrder returns an At for calls in ascending order by one goroutine, which draws each block once.
func (p Poisson) inOrder() func(n uint64) (time.Duration, bool) {
	block, have := new([poissonBlock]time.Duration), ^uint64(0)
	return func(n uint64) (time.Duration, bool) {
		if n >= 1<<poissonLevels {
			return 0, false
		}
		if n/poissonBlock != have {
			have = n / poissonBlock
			p.arrivals(have, block)
		}
		return block[n%poissonBlock], true
	}
}

// arrivals draws the times of arrivals 64·index to 64·index+63.
func (p Poisson) arrivals(index uint64, block *[poissonBlock]time.Duration) {
	count := math.Exp2(poissonLevels)
	start, span := 0.0, count+math.Sqrt(count)*normal(mix(p.Seed)) // in mean gaps
	node := uint64(1)                                              // the path from the top, a bit a level
	for level := poissonLevels - 1; level >= blockLevels; level-- {
		count /= 2
		left := span * (0.5 + normal(mix(mix(p.Seed)^node))/(2*math.Sqrt(2*count+1)))
		node *= 2
		if index>>(level-blockLevels)&1 == 0 {
			span = left
		} else {
			start, span = start+left, span-left
			node++
		}
	}
	var sums [poissonBlock]float64
	state, sum := mix(p.Seed^mix(node)), 0.0
	for i := range sums {
		state = mix(state)
		sum -= math.Log(unit(state))
		sums[i] = sum
	}
	for i := range sums {
		block[i] = time.Duration((start + span*sums[i]/sum) / p.PerSec * 1e9)
	}
}

// unit makes random bits a number in (0, 1).
func unit(u uint64) float64 { return (float64(u>>11) + 0.5) * 0x1p-53 }

// normal makes random bits a standard normal number.
func normal(u uint64) float64 { return math.Sqrt2 * math.Erfinv(2*unit(u)-1) }

// Rate implements Schedule.
func (p Poisson) Rate(time.Duration) float64 { return p.PerSec }

// String implements Schedule. The Seed is no part of it.
func (p Poisson) String() string { return "poisson:" + formatRate(p.PerSec) }
