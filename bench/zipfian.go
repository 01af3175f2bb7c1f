package bench

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// ZipfTheta is the skew of YCSB's request distributions.
const ZipfTheta = 0.99

// Zipfian chooses item i with probability proportional to 1/(i+1)^theta: the smallest numbers are
// the most popular ones (clustered). It draws from steps that lie close above that curve and rejects
// what falls between the two, which is exact, needs no sum over all items (n may grow at no cost),
// and hardly ever a power. The steps are the first 1,023 ranks, one each and without rejection, and
// 64 for every doubling behind them, of which at most one draw in 64 is rejected.
//
// Rejection-inversion (Hörmann and Derflinger, ACM TOMACS 6(3), 1996) came first here: as exact, in
// less memory, but with a logarithm and an exponential for each draw, a fifth of the generator's
// time. YCSB's construction (Gray et al., SIGMOD 1994) was not taken: it is exact for the first two
// items only, and pays a sum of n terms at the start.
type Zipfian struct {
	theta float64
	steps []zipfStep // of whole doublings; the last one is an end, at the sum of all weights
	guide []uint32   // the step in which each of guideCells equal parts of that sum begins
	scale float64    // parts a weight

	// What depends on n, for the n of the last call.
	n    uint64
	last int     // the step of rank n
	sum  float64 // of the weights up to rank n
}

// zipfStep stands for the ranks from first on, all with the weight of first.
type zipfStep struct {
	below  float64 // sum of the weights before it
	weight float64
	least  float64 // what the rank of it with the smallest probability has of weight
	first  uint64
	ranks  uint64
}

const (
	zipfSingle = 10 // ranks below 1<<zipfSingle have steps of their own
	zipfSplit  = 6  // a doubling has 1<<zipfSplit steps
	guideCells = 4096
)

// NewZipfian returns a chooser of the given skew, theta > 0.
func NewZipfian(theta float64) *Zipfian {
	z := &Zipfian{theta: theta, steps: []zipfStep{{first: 1}}}
	for range 1<<zipfSingle - 1 {
		z.push(1)
	}
	z.point()
	return z
}

// Choose implements Chooser.
func (z *Zipfian) Choose(r *rand.Rand, n uint64) uint64 {
	if n != z.n {
		z.reach(n)
	}
	for {
		u := r.Float64() * z.sum
		i := int(z.guide[int(u*z.scale)])
		for i < z.last && u >= z.steps[i+1].below {
			i++
		}
		s := &z.steps[i]
		at := (u - s.below) / s.weight // its fraction is as random as its whole part
		in := min(uint64(at), s.ranks-1)
		rank := s.first + in
		if left := at - float64(in); left < s.least || left < z.share(s, rank) {
			return min(rank, n) - 1
		}
	}
}

// share is what rank has of the weight of s.
func (z *Zipfian) share(s *zipfStep, rank uint64) float64 {
	return math.Pow(float64(s.first)/float64(rank), z.theta)
}

// reach makes n the number of ranks.
func (z *Zipfian) reach(n uint64) {
	for end := &z.steps[len(z.steps)-1]; end.first != 0 && n >= end.first; end = &z.steps[len(z.steps)-1] {
		ranks := end.first >> zipfSplit
		for range 1 << zipfSplit {
			z.push(ranks)
		}
		z.point()
	}
	z.n, z.last = n, stepOf(n)
	s := &z.steps[z.last]
	z.sum = s.below + float64(n-s.first+1)*s.weight
}

// stepOf is the number of the step of rank.
func stepOf(rank uint64) int {
	if rank < 1<<zipfSingle {
		return int(rank) - 1
	}
	doubling := bits.Len64(rank) - 1
	in := (rank - 1<<doubling) >> (doubling - zipfSplit)
	return 1<<zipfSingle - 1 + (doubling-zipfSingle)<<zipfSplit + int(in)
}

// push makes the end a step of so many ranks, with a new end behind it (whose first rank is 0 if
// that would be 1<<64).
func (z *Zipfian) push(ranks uint64) {
	s := &z.steps[len(z.steps)-1]
	s.ranks, s.weight = ranks, math.Pow(float64(s.first), -z.theta)
	s.least = z.share(s, s.first+ranks-1)
	z.steps = append(z.steps, zipfStep{first: s.first + ranks, below: s.below + float64(ranks)*s.weight})
}

// point makes the guide.
func (z *Zipfian) point() {
	end := len(z.steps) - 1
	sum := z.steps[end].below
	z.guide = make([]uint32, guideCells+1)
	z.scale = guideCells / sum
	i := 0
	for c := range z.guide {
		begin := float64(c) / z.scale * (1 - 1e-12) // less than any rounding could make a draw of this part
		for i+1 < end && z.steps[i+1].below <= begin {
			i++
		}
		z.guide[c] = uint32(i)
	}
}
