package plot

import "math"

// headline puts throughput of every panel beside the latency curves of the first panel that
// writes: what a reader wants to see first, wide enough for the top of a page.
func headline(panels []Panel) (Figure, bool) {
	if len(panels) == 0 {
		return Figure{}, false
	}
	main, kind := panels[0], allKinds
	for _, p := range panels {
		if FlowOf(p.Lines[0].Cell).Engine >= 0 { // false for NaN: nothing was written
			main = p
			break
		}
	}
	curves := latencyCurves(main, kind)
	if len(curves) == 0 {
		return Figure{}, false
	}
	var sections []section
	for _, p := range panels[:min(len(panels), 4)] {
		sections = append(sections, section{p.Title, throughputChart(p)})
	}
	f := Figure{Name: "headline", Title: "Throughput and latency", width: 760}
	f.height = math.Max(84+sectionsHeight(sections), 300)
	f.draw = func(c *canvas) {
		y := c.head(f.Title, []string{commonLabels(panels) + "; " + clockNote(curves)})
		half := c.width() * 0.44
		head := letters{size: labelSize, color: soft}
		c.text(16, y+6, head, "operations a second: median and single runs")
		c.text(half+16, y+6, head, main.Title+": latency by percentile, runs merged")
		drawSections(c, sections, 16, y+18, half-10)
		below := c.legend(half+16, y+26, c.width()-16, curveLines(curves))
		drawCurves(c, curves, half+66, below+2, c.width()-22, c.height()-40)
	}
	return f, true
}
