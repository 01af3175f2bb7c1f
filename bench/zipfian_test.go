package bench

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/etalon-kv/etalon/internal/seedtest"
)

// TestZipfianStepsLieAboveTheCurve checks the arithmetic: that what is drawn and kept of a rank is in
// proportion to its weight.
func TestZipfianStepsLieAboveTheCurve(t *testing.T) {
	for _, theta := range []float64{0.1, ZipfTheta, 1, 2.5} {
		z := NewZipfian(theta)
		for _, n := range []uint64{1, 2, 1023, 1024, 1039, 1040, 2047, 2048, 5000, 1 << 20, 1 << 40, math.MaxUint64} {
			z.reach(n)
			if s := z.steps[z.last]; n < s.first || n-s.first >= s.ranks {
				t.Fatalf("rank %d is said to be in the step of ranks %d + %d", n, s.first, s.ranks)
			}
		}
		sum := 0.0
		for i, s := range z.steps[:len(z.steps)-1] {
			if next := z.steps[i+1]; next.first != s.first+s.ranks || math.Abs(next.below-sum-float64(s.ranks)*s.weight) > 1e-9*next.below {
				t.Fatalf("theta %v: step %d is %+v, the next %+v", theta, i, s, next)
			}
			sum += float64(s.ranks) * s.weight
			for _, rank := range []uint64{s.first, s.first + s.ranks/2, s.first + s.ranks - 1} {
				share, want := z.share(&s, rank), math.Pow(float64(rank), -theta)
				if got := s.weight * share; math.Abs(got-want) > 1e-9*want || share < s.least || share > 1 {
					t.Fatalf("theta %v: rank %d has weight %v in step %+v, want %v", theta, rank, got, s, want)
				}
			}
		}
	}
}

// TestZipfianDrawsByWeight counts draws by the doubling of their rank and by where in its step they
// fall: steps without rejection would make the ends of steps too heavy by up to 1.5 %.
func TestZipfianDrawsByWeight(t *testing.T) {
	const draws, parts = 10_000_000, 4
	r := rand.New(rand.NewPCG(seedtest.Of(t), 2))
	for _, c := range []struct {
		theta float64
		n     uint64
	}{{ZipfTheta, 1_500_000}, {0.5, 40_000}, {1, 700}} {
		z := NewZipfian(c.theta)
		z.reach(c.n)
		bin := func(rank uint64) int {
			s := z.steps[stepOf(rank)]
			return bits.Len64(rank)*parts + int((rank-s.first)*parts/s.ranks)
		}
		var want, got [65 * parts]float64
		sum := 0.0
		for rank := uint64(1); rank <= c.n; rank++ {
			w := math.Pow(float64(rank), -c.theta)
			want[bin(rank)] += w
			sum += w
		}
		for range draws {
			got[bin(z.Choose(r, c.n)+1)]++
		}
		chi, freedom := 0.0, -1.0
		for i, w := range want {
			if expected := w / sum * draws; expected > 0 {
				chi += (got[i] - expected) * (got[i] - expected) / expected
				freedom++
			}
		}
		if limit := freedom + 6*math.Sqrt(2*freedom) + 12; chi > limit {
			t.Errorf("theta %v over %d: chi-square %.1f with %v degrees of freedom, want at most %.1f", c.theta, c.n, chi, freedom, limit)
		}
	}
}
