package plot

import (
	"math"

	"github.com/etalon-kv/etalon/results"
)

// allKinds is the name of every kind of operation together, as for results.Cell.Latency.
const allKinds = ""

// latencyFigure draws the percentile curves of one kind of operation in a panel, or reports false
// if no line has it.
func latencyFigure(p Panel, kind string) (Figure, bool) {
	curves := latencyCurves(p, kind)
	if len(curves) == 0 {
		return Figure{}, false
	}
	what, name := Clean(kind), kind
	if kind == allKinds {
		what, name = "all operations", "all"
	}
	f := Figure{
		Name: fileName("latency", p.Title, name), Title: p.Title + ": latency of " + what,
		width: 460, height: 300,
	}
	f.draw = func(c *canvas) {
		y := c.head(f.Title, []string{kindNote(kind, curves) + "; runs merged; " + p.Labels})
		y = c.legend(16, y+4, c.width()-16, curveLines(curves))
		drawCurves(c, curves, 66, y+2, c.width()-22, c.height()-36)
	}
	return f, true
}

// curve is a line with the latencies of one kind.
type curve struct {
	Line
	h    *results.Histogram
	open bool // h holds response times
}

func latencyCurves(p Panel, kind string) []curve {
	var out []curve
	for _, l := range p.Lines {
		if h := l.Cell.Latency(kind); h.Count() > 0 {
			if l.Cell.SaturatedIn(kind) && !l.Cell.Saturated() { // a saturated cell says so already
				l.Label += " (saturated)"
			}
			out = append(out, curve{l, h, l.Cell.OpenLoop()})
		}
	}
	return out
}

func curveLines(curves []curve) []Line {
	lines := make([]Line, len(curves))
	for i, c := range curves {
		lines[i] = c.Line
	}
	return lines
}

// kindNote says from where to where the latencies of a kind are measured.
func kindNote(kind string, curves []curve) string {
	switch kind {
	case results.KindEvent:
		return "its put sent (in an open loop due) until a watcher had it"
	case results.KindCompaction:
		return "asked for until done"
	}
	return clockNote(curves)
}

func clockNote(curves []curve) string {
	for _, c := range curves {
		if c.open {
			return "response time (due to done, open loop)"
		}
	}
	return "service time (sent to done, closed loop)"
}

// drawCurves fills the rectangle with axes and curves.
func drawCurves(c *canvas, curves []curve, x0, y0, x1, y1 float64) {
	lo, hi, most := math.Inf(1), 0.0, 0.0
	for _, k := range curves {
		lo = math.Min(lo, math.Max(float64(k.h.Min()), float64(results.HistogramMin)))
		hi = math.Max(hi, float64(k.h.Max()))
		most = math.Max(most, float64(k.h.Count()))
	}
	f := frame{c: c, x0: x0, y0: y0, x1: x1, y1: y1, x: percentileAxis(most), y: logAxis("latency", lo, hi, FormatTime)}
	f.grid()
	for _, k := range curves {
		var pts [][2]float64
		for _, p := range Curve(k.h) {
			pts = append(pts, [2]float64{f.px(p[0]), f.py(math.Max(p[1], float64(results.HistogramMin)))})
		}
		c.line(k.Look.Color, 1.6, k.dash(), pts...)
		for _, t := range f.x.ticks {
			if t.at*1.6 < float64(k.h.Count()) { // further on it would touch the last mark
				d, _ := k.h.Quantile(1 - 1/t.at)
				c.mark(k.Look.Marker, k.Look.Color, f.px(t.at), f.py(float64(d)), 3)
			}
		}
		last := pts[len(pts)-1]
		c.mark(k.Look.Marker, k.Look.Color, last[0], last[1], 3)
	}
}

// Curve samples a histogram along HdrHistogram's percentile axis: pairs of 1/(1-q), 16 to each
// further nine and one at the median, and the quantile in nanoseconds. The last pair is the count of
// the histogram and its maximum; nothing is known beyond it.
func Curve(h *results.Histogram) [][2]float64 {
	const perNine = 16
	n := float64(h.Count())
	var out [][2]float64
	add := func(x float64) {
		d, _ := h.Quantile(1 - 1/x)
		out = append(out, [2]float64{x, float64(d)})
	}
	for i := 0; ; i++ {
		x := math.Pow(10, float64(i)/perNine)
		if last := len(out) - 1; x > 2 && last >= 0 && out[last][0] < 2 && n > 2 {
			add(2)
		}
		if x >= n {
			break
		}
		add(x)
	}
	if n > 0 {
		out = append(out, [2]float64{n, float64(h.Max())})
	}
	return out
}
