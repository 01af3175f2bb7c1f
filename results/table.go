package results

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// textTable aligns columns for terminals: the first left, as many as left says, the others right.
type textTable struct {
	left int
	rows [][]string
}

func (t *textTable) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *textTable) write(w *bufio.Writer) {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for _, row := range t.rows {
		var line strings.Builder
		for i, c := range row {
			if widths[i] == 0 {
				continue
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if i < t.left {
				line.WriteString(c + pad + "  ")
			} else {
				line.WriteString(pad + c + "  ")
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// clipName keeps a name from a record to a width that leaves room for figures.
func clipName(s string) string {
	const most = 40
	s = Inert(s)
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

// digits3 shows three significant digits, and whole numbers from 100 on.
func digits3(x float64) string {
	switch a := math.Abs(x); {
	case a == 0:
		return "0"
	case a >= 99.95:
		return fmt.Sprintf("%.0f", x)
	case a >= 9.995:
		return fmt.Sprintf("%.1f", x)
	case a >= 0.01:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.1e", x)
}

// scale is one unit for several figures, so that they can be compared by eye.
type scale struct {
	by   float64
	unit string
}

func (s scale) show(x float64) string { return digits3(x / s.by) }

// timeScale is the largest unit in which ns is at least 1.
func timeScale(ns float64) scale {
	for _, s := range []scale{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}} {
		if ns >= s.by {
			return s
		}
	}
	return scale{1, "ns"}
}

func countScale(x float64) scale {
	for _, s := range []scale{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if x >= s.by {
			if s.by == 1e4 {
				s.by = 1e3
			}
			return s
		}
	}
	return scale{1, ""}
}

func byteScale(x float64) scale {
	for _, s := range []scale{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if x >= s.by {
			return s
		}
	}
	return scale{1, "B"}
}

// scaleOf is the scale that suits a metric's unit.
func scaleOf(unit string, x float64) scale {
	switch {
	case strings.HasSuffix(unit, "-ns"):
		return timeScale(x)
	case unit == "cpu-ns/op":
		s := timeScale(x)
		s.unit += "/op"
		return s
	case strings.HasSuffix(unit, "-B"):
		return byteScale(x)
	case strings.HasSuffix(unit, "B/op"):
		s := byteScale(x)
		s.unit += "/op"
		return s
	case strings.HasSuffix(unit, "/s"):
		s := countScale(x)
		s.unit += " " + unit
		return s
	}
	return scale{1, ""}
}

// quantileText shows a latency, or that it is longer than a histogram can tell, or a dash where there
// are fewer values than q tells apart.
func quantileText(h *Histogram, q float64, s scale) string {
	d, ok := h.Quantile(q)
	switch {
	case float64(h.Count())*(1-q) < 1:
		return "–"
	case ok && h.Floored(d):
		return "≤" + s.show(float64(d))
	case ok:
		return s.show(float64(d))
	}
	return ">" + s.show(float64(HistogramMax))
}

func shortDuration(d time.Duration) string {
	s := timeScale(float64(d))
	return s.show(float64(d)) + " " + s.unit
}

// lines writes a heading and indented lines, or nothing if there are none.
func lines(w io.Writer, heading string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", heading)
	for _, s := range items {
		fmt.Fprintf(w, "  %s\n", s)
	}
}
