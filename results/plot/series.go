package plot

import (
	"math"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// seriesFigure draws p50, p99 and max over time in three frames with one time axis, or reports
// false if no line has a series.
func seriesFigure(p Panel) (Figure, bool) {
	series := map[string][]results.Sample{}
	var lines []Line
	for _, l := range p.Lines {
		if s := Typical(l.Cell).Series; len(s) > 0 {
			series[l.Label] = s
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 {
		return Figure{}, false
	}
	f := Figure{Name: fileName("time", p.Title), Title: p.Title + ": latency over time", width: 460, height: 400}
	f.draw = func(c *canvas) {
		y := c.head(f.Title, []string{"all operations, by interval of the measured phase; the run of median throughput of each line; " + p.Labels})
		y = c.legend(16, y+4, c.width()-16, lines)
		rows := []struct {
			name string
			of   func(results.Sample) time.Duration
		}{
			{"p50", func(s results.Sample) time.Duration { return s.P50 }},
			{"p99", func(s results.Sample) time.Duration { return s.P99 }},
			{"max", func(s results.Sample) time.Duration { return s.Max }},
		}
		each := (c.height() - y - 38) / float64(len(rows))
		for i, r := range rows {
			fr := frame{c: c, x0: 66, y0: y + float64(i)*each, x1: c.width() - 16, y1: y + float64(i+1)*each - 10}
			drawSeries(fr, r.name, lines, series, r.of, i == len(rows)-1)
		}
	}
	return f, true
}

func drawSeries(f frame, name string, lines []Line, series map[string][]results.Sample, of func(results.Sample) time.Duration, last bool) {
	lo, hi, end := math.Inf(1), 0.0, 0.0
	for _, l := range lines {
		for _, s := range series[l.Label] {
			if v := float64(of(s)); v > 0 {
				lo, hi = math.Min(lo, v), math.Max(hi, v)
			}
			end = math.Max(end, s.At.Seconds())
		}
	}
	f.x = linearAxis("seconds since the measured phase began", end, 8, digits)
	f.y = logAxis(name, lo, hi, FormatTime)
	f.gridX(last)
	f.gridY()
	f.c.line(edge, 0.8, nil, [2]float64{f.x0, f.y1}, [2]float64{f.x1, f.y1})
	for _, l := range lines {
		var pts [][2]float64
		for _, s := range series[l.Label] {
			if v := float64(of(s)); v > 0 {
				pts = append(pts, [2]float64{f.px(s.At.Seconds()), f.py(v)})
			}
		}
		f.c.line(l.Look.Color, 1.4, l.dash(), pts...)
		if len(pts) > 30 {
			continue
		}
		for _, q := range pts {
			f.c.mark(l.Look.Marker, l.Look.Color, q[0], q[1], 2.4)
		}
	}
}
