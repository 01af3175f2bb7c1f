package bench

import (
	"math"
	"math/rand/v2"
)

// ZipfTheta is the skew of YCSB's request distributions.
const ZipfTheta = 0.99

// Zipfian chooses item i with probability proportional to 1/(i+1)^theta: the smallest numbers are
// the most popular ones (clustered). It samples by rejection-inversion (Hörmann and Derflinger, ACM
// TOMACS 6(3), 1996), which is exact and needs no sum over all items, so that n may grow at no cost.
// YCSB's construction (Gray et al., SIGMOD 1994) was not taken: it is exact for the first two items
// only, and pays a sum of n terms at the start.
type Zipfian struct {
	theta float64
	// What depends on n, for the n of the last call.
	n   uint64
	hn  float64 // hIntegral(n + 1/2)
	h1  float64 // hIntegral(3/2) - 1
	cut float64 // below this distance a candidate is accepted unseen
}

// NewZipfian returns a chooser of the given skew, theta > 0.
func NewZipfian(theta float64) *Zipfian {
	z := &Zipfian{theta: theta}
	z.h1 = z.hIntegral(1.5) - 1
	z.cut = 2 - z.hInverse(z.hIntegral(2.5)-z.h(2))
	return z
}

// Choose implements Chooser.
func (z *Zipfian) Choose(r *rand.Rand, n uint64) uint64 {
	if n != z.n {
		z.n, z.hn = n, z.hIntegral(float64(n)+0.5)
	}
	for {
		u := z.hn + r.Float64()*(z.h1-z.hn)
		x := z.hInverse(u)
		k := math.Floor(min(max(x, 1), float64(n)) + 0.5)
		if k-x <= z.cut || u >= z.hIntegral(k+0.5)-z.h(k) {
			return min(uint64(k), n) - 1
		}
	}
}

// h is the weight 1/x^theta as a function of real x.
func (z *Zipfian) h(x float64) float64 { return math.Exp(-z.theta * math.Log(x)) }

// hIntegral is an integral of h, (x^(1-theta) - 1) / (1-theta), which is log x for theta = 1.
func (z *Zipfian) hIntegral(x float64) float64 {
	logX := math.Log(x)
	return expm1Over((1-z.theta)*logX) * logX
}

// hInverse is the inverse of hIntegral.
func (z *Zipfian) hInverse(y float64) float64 {
	t := max(y*(1-z.theta), -1)
	return math.Exp(log1pOver(t) * y)
}

// expm1Over is (e^x - 1)/x, also near 0.
func expm1Over(x float64) float64 {
	if math.Abs(x) > 1e-8 {
		return math.Expm1(x) / x
	}
	return 1 + x/2
}

// log1pOver is log(1+x)/x, also near 0.
func log1pOver(x float64) float64 {
	if math.Abs(x) > 1e-8 {
		return math.Log1p(x) / x
	}
	return 1 - x/2
}
