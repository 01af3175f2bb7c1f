package plot

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/internal/seedtest"
	"github.com/etalon-kv/etalon/results"
)

func tickLabels(a axis) []string {
	var out []string
	for _, t := range a.ticks {
		if t.label != "" {
			out = append(out, t.label)
		}
	}
	return out
}

func TestAxesNameHumanValues(t *testing.T) {
	for _, c := range []struct {
		name string
		axis axis
		want []string
	}{
		{"each nine of a percentile is one tick", percentileAxis(200_000), []string{"50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"}},
		{"a handful of operations still has 90 %", percentileAxis(3), []string{"50 %", "90 %"}},
		{"times by powers of ten", logAxis("", 3e3, 6e7, FormatTime), []string{"10 µs", "100 µs", "1 ms", "10 ms"}},
		{"a short range has 2 and 5 too", logAxis("", 1e6, 9e6, FormatTime), []string{"1 ms", "2 ms", "5 ms", "10 ms"}},
		{"a single value gets a range around it", logAxis("", 1e6, 1e6, FormatTime), []string{"500 µs", "1 ms", "2 ms"}},
		{"no value at all", logAxis("", math.Inf(1), 0, FormatTime), []string{"1 ns", "2 ns", "5 ns", "10 ns"}},
		{"rates in round steps from 0", linearAxis("", 1_910_000, 4, FormatCount), []string{"0", "500 k", "1 M", "1.5 M"}},
		{"nothing measured", linearAxis("", 0, 4, FormatCount), []string{"0", "0.5", "1"}},
		{"bytes by powers of two", binaryAxis("", 75<<20, 4, FormatBytes), []string{"0 B", "32 MiB", "64 MiB"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := tickLabels(c.axis); !slices.Equal(got, c.want) {
				t.Errorf("ticks %q, want %q", got, c.want)
			}
			if !(c.axis.min < c.axis.max) {
				t.Errorf("from %v to %v", c.axis.min, c.axis.max)
			}
		})
	}
}

func TestFormatsKeepThreeDigits(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{FormatTime(0), "0 ns"}, {FormatTime(999), "999 ns"}, {FormatTime(1000), "1.00 µs"},
		{FormatTime(999_600), "1.00 ms"}, {FormatTime(12_340), "12.3 µs"}, {FormatTime(2.5e9), "2.50 s"}, {FormatTime(1e11), "100 s"},
		{FormatTime(732.4), "732 ns"}, {FormatTime(9.999e3), "10.0 µs"},
		{FormatCount(0), "0"}, {FormatCount(17), "17"}, {FormatCount(4000), "4.00 k"}, {FormatCount(1_912_000), "1.91 M"},
		{FormatBytes(512), "512 B"}, {FormatBytes(1 << 20), "1.00 MiB"}, {FormatBytes(1000), "0.977 KiB"},
		{FormatTimes(38), "38.0×"}, {FormatTimes(0), "0×"},
		{Trim("38.0×"), "38×"}, {Trim("1.50 M"), "1.5 M"}, {Trim("100 ms"), "100 ms"}, {Trim("10.0 ms"), "10 ms"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestACurveIsTheSortedLatencies(t *testing.T) {
	rng := seedtest.Rand(t)
	for _, n := range []int{1, 2, 3, 10, 1000, 12_345} {
		h, all := results.NewHistogram(), make([]float64, n)
		for i := range all {
			d := results.HistogramMin + time.Duration(1000*math.Exp(3*rng.NormFloat64()+5))
			h.Record(d)
			all[i] = float64(d)
		}
		slices.Sort(all)
		curve := Curve(h)
		for i, p := range curve {
			rank := max(int(math.Ceil((1-1/p[0])*float64(n)-1e-6)), 1)
			if i == len(curve)-1 {
				rank = n
			}
			if want := all[rank-1]; math.Abs(p[1]-want) > want*0.002 {
				t.Errorf("%d operations: %v at x=%v, want %v", n, p[1], p[0], want)
			}
			if i > 0 && (p[0] <= curve[i-1][0] || p[1] < curve[i-1][1]) {
				t.Errorf("%d operations: point %d %v after %v", n, i, p, curve[i-1])
			}
		}
		if last := curve[len(curve)-1]; last[0] != float64(n) || last[1] != float64(h.Max()) {
			t.Errorf("%d operations: the last point is %v, want the maximum %v", n, last, h.Max())
		}
	}
	if c := Curve(results.NewHistogram()); len(c) != 0 {
		t.Errorf("a curve of nothing: %v", c)
	}
}
