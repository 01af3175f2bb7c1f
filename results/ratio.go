package results

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"github.com/aclements/go-moremath/stats" // what benchmath's U test stands on: the exact distribution of U
)

// Ratio is how many times a's runs are b's, with an interval.
type Ratio struct {
	// Center is the median of all ratios of a run of a to a run of b (Hodges and Lehmann 1963);
	// Lo and Hi bound it with the probability Confidence, exact for any distribution of the runs
	// as long as both have the same shape on a logarithmic axis. Lo, Hi are those of the pairwise
	// ratios that the Mann-Whitney U test would not reject (Moses 1953). With few runs no interval
	// of 95 % exists: Confidence is then that of the widest one (3 runs each: 90 %; 2: 67 %).
	Center, Lo, Hi float64
	Confidence     float64
	NA, NB         int
}

// ratioOf needs at least one run of each and positive figures.
func ratioOf(a, b []float64) (Ratio, bool) {
	if len(a) == 0 || len(b) == 0 || slices.Min(a) <= 0 || slices.Min(b) <= 0 {
		return Ratio{}, false
	}
	rs := make([]float64, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			rs = append(rs, x/y)
		}
	}
	slices.Sort(rs)
	n := len(rs)
	u := stats.UDist{N1: len(a), N2: len(b)}
	inside := func(k int) float64 { return 1 - 2*u.CDF(float64(k)) }
	// The largest k that still leaves enough inside; 0 if none does.
	k := max(sort.Search((n+1)/2, func(k int) bool { return inside(k) < confidence })-1, 0)
	return Ratio{
		Center: math.Sqrt(rs[(n-1)/2] * rs[n/2]), Lo: rs[k], Hi: rs[n-1-k],
		Confidence: max(inside(k), 0), NA: len(a), NB: len(b),
	}, true
}

// leastP is the smallest two-sided p that the U test can give for samples of these sizes: all of one
// above all of the other.
func leastP(n1, n2 int) float64 {
	if n1 == 0 || n2 == 0 {
		return 1
	}
	ways, _ := math.Lgamma(float64(n1 + n2 + 1))
	a, _ := math.Lgamma(float64(n1 + 1))
	b, _ := math.Lgamma(float64(n2 + 1))
	return min(2*math.Exp(a+b-ways), 1)
}

// runsFor is the number of runs a side from which on the U test can reach p at all.
func runsFor(p float64) int {
	n := 2
	for n < 50 && leastP(n, n) > p*(1+1e-9) {
		n++
	}
	return n
}

// holm adjusts p values for being looked at together (Holm 1979): the chance of even one false alarm
// among all of them stays at the level that each is compared with.
func holm(ps []float64) []float64 {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(ps[i], ps[j]) })
	out := make([]float64, len(ps))
	most := 0.0
	for rank, i := range order {
		most = max(most, min(ps[i]*float64(len(ps)-rank), 1))
		out[i] = most
	}
	return out
}
