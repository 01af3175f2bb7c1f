package plot

import (
	"strings"

	"gonum.org/v1/plot/text"
)

// Sizes of letters, in points.
const (
	titleSize = 12.5
	noteSize  = 8.5
	labelSize = 9
	tickSize  = 8
)

// frame is the rectangle of one pair of axes, in points from the top left of the page.
type frame struct {
	c              *canvas
	x0, y0, x1, y1 float64
	x, y           axis
}

// px and py return the place of a value on the page.
func (f frame) px(v float64) float64 { return f.x0 + f.x.norm(v)*(f.x1-f.x0) }
func (f frame) py(v float64) float64 { return f.y1 - f.y.norm(v)*(f.y1-f.y0) }

// grid draws rules, ticks and labels of both axes.
func (f frame) grid() {
	f.gridX(true)
	f.gridY()
	f.c.line(edge, 0.8, nil, [2]float64{f.x0, f.y1}, [2]float64{f.x1, f.y1})
}

func (f frame) gridX(labels bool) {
	letter := letters{size: tickSize, color: soft, align: text.XCenter}
	free := -1e9
	for _, t := range f.x.ticks {
		x := f.px(t.at)
		if x < f.x0-0.5 || x > f.x1+0.5 || t.label == "" {
			continue
		}
		f.c.line(rule, 0.6, nil, [2]float64{x, f.y0}, [2]float64{x, f.y1})
		half := f.c.measure(letter, t.label) / 2
		if labels && x-half > free && x+half < f.c.width()-3 {
			f.c.text(x, f.y1+9, letter, t.label)
			free = x + half + 7
		}
	}
	if labels {
		f.c.text((f.x0+f.x1)/2, f.y1+23, letters{size: labelSize, color: soft, align: text.XCenter}, f.x.label)
	}
}

func (f frame) gridY() {
	letter := letters{size: tickSize, color: soft, align: text.XRight}
	for _, t := range f.y.ticks {
		y := f.py(t.at)
		if y < f.y0-0.5 || y > f.y1+0.5 {
			continue
		}
		if t.label == "" {
			f.c.line(edge, 0.4, nil, [2]float64{f.x0 - 2, y}, [2]float64{f.x0, y})
			continue
		}
		f.c.line(rule, 0.6, nil, [2]float64{f.x0, y}, [2]float64{f.x1, y})
		f.c.text(f.x0-5, y, letter, t.label)
	}
	f.c.line(edge, 0.8, nil, [2]float64{f.x0, f.y0}, [2]float64{f.x0, f.y1})
	f.c.text(f.x0-44, (f.y0+f.y1)/2, letters{size: labelSize, color: soft, align: text.XCenter, turn: true}, f.y.label)
}

// head writes title and notes at the top of the page and returns where the rest may begin.
func (c *canvas) head(title string, notes []string) float64 {
	y := 18.0
	for _, s := range c.wrap(letters{size: titleSize, bold: true}, title, c.width()-32) {
		c.text(16, y, letters{size: titleSize, bold: true, color: ink}, s)
		y += 15
	}
	for _, n := range notes {
		for _, s := range c.wrap(letters{size: noteSize}, n, c.width()-32) {
			c.text(16, y, letters{size: noteSize, color: soft}, s)
			y += 11.5
		}
	}
	return y + 2
}

// legend draws one key a line from (x, y) on, wraps at right, and returns the y below it.
func (c *canvas) legend(x, y, right float64, lines []Line) float64 {
	letter := letters{size: labelSize, color: ink}
	at := x
	for _, l := range lines {
		w := 30 + c.measure(letter, l.Label)
		if at > x && at+w > right {
			at, y = x, y+14
		}
		c.line(l.Look.Color, 1.8, l.dash(), [2]float64{at, y}, [2]float64{at + 20, y})
		c.mark(l.Look.Marker, l.Look.Color, at+10, y, 3.2)
		c.text(at+25, y, letter, l.Label)
		at += w + 16
	}
	return y + 14
}

// wrap breaks s at spaces so that each piece is at most width wide.
func (c *canvas) wrap(l letters, s string, width float64) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(s) {
		longer := word
		if line != "" {
			longer = line + " " + word
		}
		if line != "" && c.measure(l, longer) > width {
			out = append(out, line)
			longer = word
		}
		line = longer
	}
	return append(out, line)
}
