package plot

import (
	"math"
	"strings"
)

// axis maps values to the unit interval and names some of them.
type axis struct {
	label    string
	min, max float64
	log      bool
	ticks    []tick
}

// tick is a labelled line of the grid; without a label only a short mark.
type tick struct {
	at    float64
	label string
}

// norm returns where v lies between min (0) and max (1); it may lie outside.
func (a axis) norm(v float64) float64 {
	if a.log {
		return math.Log(v/a.min) / math.Log(a.max/a.min)
	}
	return (v - a.min) / (a.max - a.min)
}

// percentileAxis is HdrHistogram's: x = 1/(1-p) on a log scale, so each nine is equally wide. It
// ends at max, the count of the largest histogram: nothing is known beyond.
func percentileAxis(max float64) axis {
	a := axis{label: "percentile of operations", min: 1, max: math.Max(max, 10), log: true}
	a.ticks = []tick{{2, "50 %"}}
	for x, nines := 10.0, 0; x <= a.max*1.0001; x, nines = x*10, nines+1 {
		label := "90 %"
		if nines > 0 {
			label = "99" + strings.TrimSuffix("."+strings.Repeat("9", nines-1), ".") + " %"
		}
		a.ticks = append(a.ticks, tick{x, label})
	}
	return a
}

// logAxis covers lo to hi by powers of ten, with 2 and 5 named where there are few.
func logAxis(label string, lo, hi float64, format func(float64) string) axis {
	if lo <= 0 || math.IsInf(lo, 0) || lo > hi {
		lo, hi = 1, 10
	}
	a := axis{label: label, min: lo / 1.3, max: hi * 1.3, log: true}
	if a.max/a.min < 4 {
		mid := math.Sqrt(lo * hi)
		a.min, a.max = mid/2.2, mid*2.2
	}
	few := a.max/a.min < 300
	for e := math.Floor(math.Log10(a.min)); e <= math.Ceil(math.Log10(a.max)); e++ {
		for m := 1.0; m < 10; m++ {
			v := m * math.Pow(10, e)
			if v < a.min || v > a.max {
				continue
			}
			t := tick{at: v}
			if m == 1 || few && (m == 2 || m == 5) {
				t.label = Trim(format(v))
			}
			a.ticks = append(a.ticks, t)
		}
	}
	return a
}

// linearAxis covers 0 to hi by steps of 1, 2 or 5 times a power of ten, about n of them.
func linearAxis(label string, hi float64, n int, format func(float64) string) axis {
	if !(hi > 0) || math.IsInf(hi, 0) {
		hi = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(hi/float64(n))))
	for _, m := range []float64{2, 5, 10} {
		if hi/step <= float64(n) {
			break
		}
		step = m * math.Pow(10, math.Floor(math.Log10(hi/float64(n))))
	}
	a := axis{label: label, max: hi}
	for i := 0; float64(i)*step <= hi*1.0001; i++ {
		a.ticks = append(a.ticks, tick{float64(i) * step, Trim(format(float64(i) * step))})
	}
	return a
}

// binaryAxis covers 0 to hi by a power of two, at most n steps, for bytes in binary units.
func binaryAxis(label string, hi float64, n int, format func(float64) string) axis {
	if !(hi > 0) || math.IsInf(hi, 0) {
		hi = 1
	}
	step := math.Exp2(math.Ceil(math.Log2(hi / float64(n))))
	a := axis{label: label, max: hi}
	for v := 0.0; v <= hi; v += step {
		a.ticks = append(a.ticks, tick{v, Trim(format(v))})
	}
	return a
}
