package bench

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/etalon-kv/etalon/internal/nearest"
)

// MaxValueBytes is the largest value a workload makes.
const MaxValueBytes = 64 << 20

// Sizes is a distribution of whole numbers: value sizes in bytes, scan lengths in keys. The zero
// Sizes is always 0.
type Sizes struct {
	text     string
	lo, hi   int
	quantile []float64 // log-normal: the quantiles 0, 1/steps, … 1; nil = even in [lo, hi]
	mean     float64
}

// quantileSteps is how finely a log-normal distribution is tabulated; a Kolmogorov-Smirnov test
// would need millions of draws to tell it from the exact one.
const quantileSteps = 4096

// ParseSizes reads a distribution:
//
//	256                  always 256
//	uniform:16-1024      every size from 16 to 1024 equally often
//	lognormal:256,0.8    log-normal with median 256 and sigma 0.8, cut at 1 and at 32 medians
func ParseSizes(text string) (Sizes, error) {
	s, err := parseSizes(strings.TrimSpace(text))
	if err != nil {
		return Sizes{}, fmt.Errorf("bench: size %q: %w", text, err)
	}
	return s, nil
}

func parseSizes(text string) (Sizes, error) {
	name, args, found := strings.Cut(text, ":")
	if !found {
		n, err := parseSize(name)
		if err != nil && name != "" && (name[0] < '0' || name[0] > '9') && name[0] != '-' {
			err = nearest.Error("distribution of sizes", name, []string{"uniform", "lognormal"})
		}
		return Sizes{text: strconv.Itoa(n), lo: n, hi: n, mean: float64(n)}, err
	}
	switch name {
	case "uniform":
		a, b, found := strings.Cut(args, "-")
		lo, err := parseSize(a)
		hi, err2 := parseSize(b)
		if err != nil || err2 != nil || !found || lo > hi {
			return Sizes{}, fmt.Errorf("want uniform:LOW-HIGH with 0 <= LOW <= HIGH <= %d", MaxValueBytes)
		}
		return Sizes{text: fmt.Sprintf("uniform:%d-%d", lo, hi), lo: lo, hi: hi, mean: float64(lo+hi) / 2}, nil
	case "lognormal":
		a, b, found := strings.Cut(args, ",")
		median, err := parseSize(a)
		sigma, err2 := strconv.ParseFloat(b, 64)
		if err != nil || err2 != nil || !found || median < 1 || median > MaxValueBytes/32 || !(sigma > 0 && sigma <= 4) {
			return Sizes{}, fmt.Errorf("want lognormal:MEDIAN,SIGMA with 1 <= MEDIAN <= %d and 0 < SIGMA <= 4", MaxValueBytes/32)
		}
		return logNormal(median, sigma), nil
	}
	return Sizes{}, nearest.Error("distribution of sizes", name, []string{"uniform", "lognormal"})
}

func parseSize(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n > MaxValueBytes {
		return 0, fmt.Errorf("want a whole number from 0 to %d, uniform:LOW-HIGH or lognormal:MEDIAN,SIGMA", MaxValueBytes)
	}
	return int(n), nil
}

func logNormal(median int, sigma float64) Sizes {
	s := Sizes{
		text:     fmt.Sprintf("lognormal:%d,%s", median, strconv.FormatFloat(sigma, 'g', -1, 64)),
		lo:       1,
		hi:       32 * median,
		quantile: make([]float64, quantileSteps+1),
	}
	for i := range s.quantile {
		p := float64(i) / quantileSteps
		x := float64(median) * math.Exp(sigma*math.Sqrt2*math.Erfinv(2*p-1))
		s.quantile[i] = min(max(x, float64(s.lo)), float64(s.hi))
	}
	for i := range quantileSteps {
		s.mean += (s.quantile[i] + s.quantile[i+1]) / 2 / quantileSteps
	}
	return s
}

// At is the size that the random bits u stand for: even bits give the distribution.
func (s *Sizes) At(u uint64) int {
	if s.lo == s.hi {
		return s.lo
	}
	if s.quantile == nil {
		return s.lo + int(scale(u, uint64(s.hi-s.lo+1)))
	}
	x := float64(u>>11) * 0x1p-53 * quantileSteps
	i := int(x)
	a, b := s.quantile[i], s.quantile[i+1]
	return int(math.Round(a + (b-a)*(x-float64(i))))
}

// Min, Max and Mean are those of the distribution.
func (s *Sizes) Min() int      { return s.lo }
func (s *Sizes) Max() int      { return s.hi }
func (s *Sizes) Mean() float64 { return s.mean }

// String is the text that ParseSizes reads as these Sizes.
func (s *Sizes) String() string { return s.text }
