package plot

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	xfont "golang.org/x/image/font"
)

// The greys of everything that is not data.
var (
	ink  = color.RGBA{0x1c, 0x1f, 0x23, 0xff}
	soft = color.RGBA{0x5b, 0x62, 0x6b, 0xff}
	rule = color.RGBA{0xe3, 0xe6, 0xe9, 0xff}
	edge = color.RGBA{0x9a, 0xa1, 0xa9, 0xff}
)

// canvas draws in points from the top left corner, with text that knows its width.
type canvas struct {
	c     draw.Canvas
	fonts *font.Cache
}

func newCanvas(c vg.CanvasSizer) *canvas {
	return &canvas{c: draw.New(c), fonts: font.NewCache(faces())}
}

// width and height are the page's, in points.
func (c *canvas) width() float64  { return c.c.Size().X.Points() }
func (c *canvas) height() float64 { return c.c.Size().Y.Points() }

func (c *canvas) at(x, y float64) vg.Point {
	return vg.Point{X: vg.Points(x), Y: vg.Points(c.height() - y)}
}

// letters is a style of text.
type letters struct {
	size  float64
	bold  bool
	color color.RGBA
	align text.XAlignment
	turn  bool // a quarter turn, read upwards
}

func (c *canvas) style(l letters) text.Style {
	f := typeface
	f.Size = vg.Points(l.size)
	if l.bold {
		f.Weight = xfont.WeightBold
	}
	s := text.Style{Color: l.color, Font: f, XAlign: l.align, YAlign: text.YCenter, Handler: text.Plain{Fonts: c.fonts}}
	if l.turn {
		s.Rotation = math.Pi / 2
	}
	return s
}

// text draws s with its middle at y.
func (c *canvas) text(x, y float64, l letters, s string) {
	if s != "" {
		c.c.FillText(c.style(l), c.at(x, y-0.08*l.size), s) // the middle of lower-case letters at y
	}
}

// measure returns the width of s in points.
func (c *canvas) measure(l letters, s string) float64 {
	if s == "" {
		return 0
	}
	return c.style(l).Width(s).Points()
}

func (c *canvas) line(col color.RGBA, width float64, dash []float64, pts ...[2]float64) {
	if len(pts) < 2 {
		return
	}
	var p vg.Path
	for i, q := range pts {
		if i == 0 {
			p.Move(c.at(q[0], q[1]))
		} else {
			p.Line(c.at(q[0], q[1]))
		}
	}
	lengths := make([]vg.Length, len(dash))
	for i, d := range dash {
		lengths[i] = vg.Points(d)
	}
	c.c.SetColor(col)
	c.c.SetLineWidth(vg.Points(width))
	c.c.SetLineDash(lengths, 0)
	c.c.Stroke(p)
}

func (c *canvas) fill(col color.RGBA, pts ...[2]float64) {
	var p vg.Path
	for i, q := range pts {
		if i == 0 {
			p.Move(c.at(q[0], q[1]))
		} else {
			p.Line(c.at(q[0], q[1]))
		}
	}
	p.Close()
	c.c.SetColor(col)
	c.c.Fill(p)
}

func (c *canvas) box(col color.RGBA, x0, y0, x1, y1 float64) {
	c.fill(col, [2]float64{x0, y0}, [2]float64{x1, y0}, [2]float64{x1, y1}, [2]float64{x0, y1})
}

// mark draws a marker of radius r with a thin white rim that keeps crossing lines apart.
func (c *canvas) mark(m Marker, col color.RGBA, x, y, r float64) {
	white := color.RGBA{0xff, 0xff, 0xff, 0xff}
	switch m {
	case Square:
		c.box(white, x-r, y-r, x+r, y+r)
		c.box(col, x-r*.8, y-r*.8, x+r*.8, y+r*.8)
	case Triangle:
		for _, k := range []struct {
			col color.RGBA
			r   float64
		}{{white, r * 1.45}, {col, r * 1.15}} {
			c.fill(k.col, [2]float64{x, y - k.r}, [2]float64{x + k.r*.95, y + k.r*.7}, [2]float64{x - k.r*.95, y + k.r*.7})
		}
	case Diamond:
		for _, k := range []struct {
			col color.RGBA
			r   float64
		}{{white, r * 1.45}, {col, r * 1.2}} {
			c.fill(k.col, [2]float64{x, y - k.r}, [2]float64{x + k.r, y}, [2]float64{x, y + k.r}, [2]float64{x - k.r, y})
		}
	case Cross:
		for _, k := range []struct {
			col color.RGBA
			w   float64
		}{{white, 3.2}, {col, 1.7}} {
			c.line(k.col, k.w, nil, [2]float64{x - r, y - r}, [2]float64{x + r, y + r})
			c.line(k.col, k.w, nil, [2]float64{x - r, y + r}, [2]float64{x + r, y - r})
		}
	case Ring:
		c.disc(col, x, y, r)
		c.disc(white, x, y, r*.55)
	default:
		c.disc(white, x, y, r*1.15)
		c.disc(col, x, y, r*.92)
	}
}

func (c *canvas) disc(col color.RGBA, x, y, r float64) {
	var p vg.Path
	at := c.at(x, y)
	p.Move(vg.Point{X: at.X + vg.Points(r), Y: at.Y})
	p.Arc(at, vg.Points(r), 0, 2*math.Pi)
	p.Close()
	c.c.SetColor(col)
	c.c.Fill(p)
}
