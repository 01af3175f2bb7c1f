package plot

import (
	"math"
	"strconv"
	"strings"
)

// FormatTime writes nanoseconds to three digits in the unit a person would choose: "12.0 µs".
func FormatTime(ns float64) string { return scaled(ns, 1000, "ns", "µs", "ms", "s") }

// FormatCount writes a number to three digits with k, M or G for thousands: "4.00 k".
func FormatCount(v float64) string {
	return strings.TrimSuffix(scaled(v, 1000, "", "k", "M", "G"), " ")
}

// FormatBytes writes a number of bytes to three digits in binary units: "1.50 GiB".
func FormatBytes(v float64) string { return scaled(v, 1024, "B", "KiB", "MiB", "GiB", "TiB") }

// FormatTimes writes a factor to three digits: "12.3×".
func FormatTimes(v float64) string { return digits(v) + "×" }

// scaled divides v by base until it has at most three digits before the point.
func scaled(v, base float64, units ...string) string {
	u := 0
	for v >= 999.5 && u < len(units)-1 {
		v, u = v/base, u+1
	}
	if u == 0 && v == math.Trunc(v) { // nanoseconds, bytes and operations are whole
		return strconv.FormatFloat(v, 'f', 0, 64) + " " + units[0]
	}
	return digits(v) + " " + units[u]
}

// digits writes three significant digits.
func digits(v float64) string {
	if v == 0 {
		return "0"
	}
	n := 2 - int(math.Floor(math.Log10(math.Abs(v)*1.0005)+1e-9)) // 9.999 is written 10.0
	return strconv.FormatFloat(v, 'f', max(n, 0), 64)
}

// Trim takes trailing zeros after the point away, as ticks want it: "10.0 ms" becomes "10 ms".
func Trim(s string) string {
	number, unit := s, ""
	if i := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }); i >= 0 {
		number, unit = s[:i], s[i:]
	}
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return number + unit
}
