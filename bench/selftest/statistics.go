package selftest

import (
	"math"
	"slices"
)

// pBelow is the p-value below which a sample is said not to have the distribution it should. Seeds
// are fixed, so a generator that is right passes always.
const pBelow = 0.001

// chiSquare tests counts against the probabilities they should have, and returns the p-value.
// Neighbouring cells are put together until each expects 5 at least.
func chiSquare(counts []int64, probability func(i int) float64) (p float64) {
	var n int64
	for _, c := range counts {
		n += c
	}
	var x, expected float64
	var seen int64
	cells := 0
	rest := 1.0
	for i, c := range counts {
		q := probability(i)
		expected += q * float64(n)
		seen += c
		rest -= q
		if expected >= 5 && rest*float64(n) >= 5 || i == len(counts)-1 && expected > 0 {
			x += (float64(seen) - expected) * (float64(seen) - expected) / expected
			expected, seen = 0, 0
			cells++
		}
	}
	if math.Abs(rest) > 1e-6 {
		return 0 // the probabilities themselves are no distribution
	}
	if seen > 0 {
		return 0 // something came that cannot come
	}
	if cells < 2 {
		return 1
	}
	// Wilson and Hilferty (1931): the cube root of chi-square over its degrees is nearly normal.
	k := float64(cells - 1)
	z := (math.Cbrt(x/k) - (1 - 2/(9*k))) / math.Sqrt(2/(9*k))
	return math.Erfc(z/math.Sqrt2) / 2
}

// kolmogorovSmirnov tests samples against a continuous distribution function, and returns the
// p-value.
func kolmogorovSmirnov(samples []float64, cdf func(float64) float64) (p float64) {
	slices.Sort(samples)
	n, d := float64(len(samples)), 0.0
	for i, x := range samples {
		f := cdf(x)
		d = max(d, f-float64(i)/n, float64(i+1)/n-f)
	}
	lambda := (math.Sqrt(n) + 0.12 + 0.11/math.Sqrt(n)) * d
	if lambda < 0.3 {
		return 1
	}
	for k, sign := 1.0, 2.0; k <= 100; k, sign = k+1, -sign {
		p += sign * math.Exp(-2*k*k*lambda*lambda)
	}
	return min(max(p, 0), 1)
}
