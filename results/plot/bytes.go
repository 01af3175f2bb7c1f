package plot

import "math"

// bytesFigure draws bytes written per client byte and disk used, side by side, by panel and line.
func bytesFigure(panels []Panel) (Figure, bool) {
	var written, disk []section
	for _, p := range panels {
		w := barChart{format: FormatTimes, names: true}
		d := barChart{format: FormatBytes, bytes: true, names: true}
		for _, l := range p.Lines {
			f := FlowOf(l.Cell)
			if f.Engine >= 0 || f.Device >= 0 { // false for NaN
				w.rows = append(w.rows, bar{Line: l, value: f.Engine, lo: math.NaN(), hi: math.NaN(), other: f.Device})
			}
			if f.Disk >= 0 {
				d.rows = append(d.rows, bar{Line: l, value: f.Disk, lo: math.NaN(), hi: math.NaN(), other: f.Peak})
			}
		}
		if len(w.rows) > 0 {
			written = append(written, section{p.Title, w.widen()})
		}
		if len(d.rows) > 0 {
			disk = append(disk, section{p.Title, d.widen()})
		}
	}
	if len(written)+len(disk) == 0 {
		return Figure{}, false
	}
	f := Figure{Name: "bytes", Title: "Bytes written and disk used", width: 620}
	f.height = 84 + math.Max(sectionsHeight(written), sectionsHeight(disk))
	f.draw = func(c *canvas) {
		y := c.head(f.Title, []string{
			"median of runs, less is better; panels without writes are left out; " + commonLabels(panels)})
		half := c.width() / 2
		head := letters{size: labelSize, color: soft}
		c.text(16, y+6, head, "written by the engine per client byte (diamond: sent to the device)")
		c.text(half+8, y+6, head, "data directory after the drain (diamond: at its largest)")
		drawSections(c, written, 16, y+18, half-12)
		drawSections(c, disk, half+8, y+18, c.width()-16)
	}
	return f, true
}

func sectionsHeight(sections []section) float64 {
	h := 0.0
	for _, s := range sections {
		h += 26 + s.chart.height()
	}
	return h
}
