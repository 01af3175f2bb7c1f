package bench

import (
	"math/bits"
	"math/rand/v2"
)

// Scrambled gives the popularity of ranks to items all over [0, n): a Zipfian over ranks, and a
// fixed permutation from ranks to items. It is what YCSB calls zipfian. YCSB hashes ranks onto items
// instead, so that some items get the popularity of several ranks and others none; a permutation
// keeps the distribution exact.
type Scrambled struct {
	ranks  Chooser
	domain uint // the permutation is of [0, 1<<domain)
}

// NewScrambled scatters what ranks chooses. initial is the number of items at the start. If it grows,
// almost every item keeps its popularity while there are fewer than twice as many; each doubling past
// that deals out all anew. A set that does not grow is scattered at half the cost.
func NewScrambled(ranks Chooser, initial uint64, grows bool) *Scrambled {
	domain := max(uint(bits.Len64(max(initial, 1)-1)), 2)
	if grows {
		domain++
	}
	return &Scrambled{ranks: ranks, domain: domain}
}

// Choose implements Chooser.
func (s *Scrambled) Choose(r *rand.Rand, n uint64) uint64 {
	for s.domain < 64 && n > 1<<s.domain {
		s.domain++
	}
	x := permute(s.ranks.Choose(r, n), s.domain)
	for x >= n { // walk the cycle until it is back inside: a permutation of [0, n) again
		x = permute(x, s.domain)
	}
	return x
}

// permute is a bijection of [0, 1<<w), 2 <= w <= 64: rounds of the two bijections that hash
// finalisers are made of, an odd multiplication and a shifted xor.
func permute(x uint64, w uint) uint64 {
	mask := ^uint64(0) >> (64 - w)
	half := (w + 1) / 2
	x = (x + 0x9e3779b97f4a7c15) & mask
	for _, odd := range [...]uint64{0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 0xd6e8feb86659fd93} {
		x = x * odd & mask
		x ^= x >> half
	}
	return x
}
