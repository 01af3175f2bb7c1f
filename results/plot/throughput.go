package plot

import (
	"math"

	"gonum.org/v1/plot/text"

	"github.com/etalon-kv/etalon/results"
)

// section is a chart with its heading, one of several below each other.
type section struct {
	title string
	chart barChart
}

// throughputFigure draws every panel's throughput below each other, each on its own axis.
func throughputFigure(panels []Panel) Figure {
	var sections []section
	for _, p := range panels {
		sections = append(sections, section{p.Title, throughputChart(p)})
	}
	f := Figure{Name: "throughput", Title: "Throughput", width: 460}
	f.height = 66
	for _, s := range sections {
		f.height += 26 + s.chart.height()
	}
	f.draw = func(c *canvas) {
		y := c.head(f.Title, []string{"operations a second, more is better; bar: median; dots: runs; whisker: " + Interval, commonLabels(panels)})
		drawSections(c, sections, 16, y, c.width()-16)
	}
	return f
}

func throughputChart(p Panel) barChart {
	b := barChart{format: FormatCount, names: true}
	for _, l := range p.Lines {
		s := l.Cell.Summary(results.Throughput())
		b.rows = append(b.rows, bar{
			Line: l, value: s.Center, lo: s.Lo, hi: s.Hi, dots: l.Cell.Sample(results.Throughput()), other: math.NaN(),
		})
	}
	return b.widen()
}

// drawSections draws charts below each other with their bars beginning at one place.
func drawSections(c *canvas, sections []section, x0, y, x1 float64) {
	names := 0.0
	for _, s := range sections {
		names = math.Max(names, s.chart.nameWidth(c))
	}
	for _, s := range sections {
		c.text(x0, y+8, letters{size: labelSize, bold: true, color: ink, align: text.XLeft}, s.chart.heading(s.title))
		s.chart.draw(c, x0+names, y+18, x1)
		y += 26 + s.chart.height()
	}
}
