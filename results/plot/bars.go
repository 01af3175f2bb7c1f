package plot

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/text"
)

// bar is one row of a bar chart.
type bar struct {
	Line
	value  float64   // NaN = unknown
	lo, hi float64   // interval of the value; NaN = none
	dots   []float64 // single runs
	other  float64   // a second value, shown as a diamond; NaN = none
}

// barRow is the height of one bar with its air, in points.
const barRow = 17

// barChart draws rows of horizontal bars that share one axis.
type barChart struct {
	rows   []bar
	format func(float64) string
	bytes  bool // values are bytes
	names  bool // label the rows at the left
	log    bool // a log axis, for values that differ by more than wideRatio
}

// wideRatio is the ratio of largest to smallest bar beyond which the axis becomes logarithmic,
// because the smallest would be a hair line. A heading must say so: see barChart.heading.
const wideRatio = 25

// widen makes the axis logarithmic where the values need it.
func (b barChart) widen() barChart {
	most := 0.0
	for _, r := range b.rows {
		for _, v := range []float64{r.value, r.other} {
			if v > most { // false for NaN
				most = v
			}
		}
	}
	b.log = most/b.least() > wideRatio
	return b
}

// least is the smallest value above 0; a 0 has no bar on any axis.
func (b barChart) least() float64 {
	least := math.Inf(1)
	for _, r := range b.rows {
		for _, v := range []float64{r.value, r.other} {
			if v > 0 && v < least { // false for NaN
				least = v
			}
		}
	}
	return least
}

// heading is title, with a word if the axis is logarithmic.
func (b barChart) heading(title string) string {
	if b.log {
		return title + " (log scale)"
	}
	return title
}

// linear is the axis from 0; bytes go by powers of two.
func (b barChart) linear(most float64) axis {
	if b.bytes {
		return binaryAxis("", most, 4, b.format)
	}
	return linearAxis("", most, 4, b.format)
}

// scale is the axis for values up to most.
func (b barChart) scale(most float64) axis {
	if !b.log {
		return b.linear(most)
	}
	a := logAxis("", math.Pow(10, math.Floor(math.Log10(b.least()/1.5))), most, b.format)
	a.min *= 1.3 // begin at the power of ten
	return a
}

// height is what the chart takes with its axis, in points.
func (b barChart) height() float64 { return float64(len(b.rows))*barRow + 16 }

// nameWidth is the room that the row names need.
func (b barChart) nameWidth(c *canvas) float64 {
	w := 0.0
	for _, r := range b.rows {
		w = math.Max(w, c.measure(letters{size: labelSize}, r.Label))
	}
	return w + 10
}

// draw draws the chart with its bars from x0 to x1, names to the left of x0 and values at the
// right of the bars.
func (b barChart) draw(c *canvas, x0, y0, x1 float64) {
	most := 0.0
	for _, r := range b.rows {
		for _, v := range append([]float64{r.value, r.hi, r.other}, r.dots...) {
			if v > most { // false for NaN
				most = v
			}
		}
	}
	values := letters{size: tickSize, color: ink, align: text.XRight}
	room := 0.0
	for _, r := range b.rows {
		room = math.Max(room, c.measure(values, b.format(r.value))+10)
	}
	f := frame{c: c, x0: x0, y0: y0, x1: x1 - room, y1: y0 + float64(len(b.rows))*barRow, x: b.scale(most)}
	f.gridX(true)
	for i, r := range b.rows {
		y := y0 + (float64(i)+0.5)*barRow
		if b.names {
			c.text(x0-6, y, letters{size: labelSize, color: ink, align: text.XRight}, r.Label)
		}
		if math.IsNaN(r.value) {
			c.text(x1, y, values, "unknown")
		} else {
			c.text(x1, y, values, b.format(r.value))
		}
		if r.value > 0 {
			from, to := x0, math.Max(f.px(r.value), x0+0.7)
			if b.log { // a length from an arbitrary start would mean nothing: a mark, no bar
				from, to = to-2.2, to+2.2
			}
			c.box(faded(r.Look.Color, r.Variant), from, y-5.5, to, y+5.5)
		}
		if r.lo <= r.hi {
			c.line(ink, 0.9, nil, [2]float64{f.px(r.lo), y}, [2]float64{f.px(r.hi), y})
			c.line(ink, 0.9, nil, [2]float64{f.px(r.lo), y - 3}, [2]float64{f.px(r.lo), y + 3})
			c.line(ink, 0.9, nil, [2]float64{f.px(r.hi), y - 3}, [2]float64{f.px(r.hi), y + 3})
		}
		for _, v := range r.dots {
			c.disc(ink, f.px(v), y, 1.9)
			c.disc(color.RGBA{0xff, 0xff, 0xff, 0xff}, f.px(v), y, 1.2)
		}
		if r.other > 0 { // false for NaN
			c.mark(Diamond, ink, f.px(r.other), y, 2.6)
		}
	}
	c.line(edge, 0.8, nil, [2]float64{x0, y0}, [2]float64{x0, f.y1})
}

// faded mixes a colour with white, more for each further variant of an engine.
func faded(col color.RGBA, variant int) color.RGBA {
	k := math.Max(0.35, 1-0.22*float64(variant))
	mix := func(v uint8) uint8 { return uint8(255 - k*float64(255-v)) }
	return color.RGBA{mix(col.R), mix(col.G), mix(col.B), 0xff}
}
