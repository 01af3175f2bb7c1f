package results

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// WriteSummary writes the table for terminals: one row a cell, each with its durability and
// consistency; throughput as the median over runs, latency from the histograms of all runs merged.
// A row has one scale for its latencies. Below: what the cells have in common, warnings, invalid
// runs with the verdict that made them so, and the files that were left out.
func WriteSummary(w io.Writer, recs []*Record, problems []Problem) error {
	g := Group(recs)
	b := bufio.NewWriter(w)
	if len(g.Cells) == 0 {
		fmt.Fprintln(b, "There is no valid run to show.")
	} else {
		g.writeTable(b)
		g.writeFloors(b)
		g.writeKinds(b)
		g.writeStages(b)
	}
	for _, line := range environmentLines(g) {
		fmt.Fprintln(b, line)
	}
	var warnings []string
	warnings = append(warnings, g.Warnings...)
	warnings = append(warnings, g.warningLines()...)
	lines(b, "Warnings", warnings)
	var invalid []string
	for _, r := range g.Invalid {
		for _, v := range r.Verdicts {
			if !v.OK {
				invalid = append(invalid, Inert(r.ID)+": "+Inert(v.Name)+": "+Inert(v.Detail))
			}
		}
	}
	lines(b, "Invalid runs, in none of the figures", invalid)
	var left []string
	for _, p := range problems {
		left = append(left, p.String())
	}
	lines(b, "Files left out", left)
	return b.Flush()
}

// nameColumns are the factors that name a row: the workload, what else varies, then who contends.
func (g *Groups) nameColumns() []string {
	var other, who []string
	for _, f := range g.Varying {
		switch {
		case f == "workload" || f == "durability": // a column and a label of their own
		case slices.Contains(contenders(), f):
			who = append(who, f)
		default:
			other = append(other, f)
		}
	}
	if len(who) == 0 {
		who = []string{"engine"}
		if e, log := g.Common["engine"], g.Common["log"]; e == notApplicable && log == notApplicable {
			who = []string{"target"}
		} else if e == notApplicable && log != "" {
			who = []string{"log"}
		}
	}
	return slices.Concat([]string{"workload"}, other, who)
}

func (g *Groups) writeTable(b *bufio.Writer) {
	names := g.nameColumns()
	t := textTable{left: len(names) + 2}
	latency := "p50"
	if slices.ContainsFunc(g.Cells, (*Cell).OpenLoop) {
		latency = "response p50"
	}
	head := slices.Clone(names)
	for i := range head {
		head[i] = clipName(head[i])
	}
	t.add(append(head, "durability", "consistency", "runs", "ops/s", "of runs", latency, "p99", "p99.9", "max", "cpu/op", "write amp", "space amp", "errors")...)
	bounded, ranged, saturated := false, false, false
	for _, c := range g.Cells {
		row := make([]string, 0, len(head)+13)
		for _, f := range names {
			row = append(row, clipName(c.Factors[f]))
		}
		s := c.Summary(Throughput())
		bounded, ranged = bounded || s.Bounded, ranged || !s.Bounded && s.N > 1
		saturated = saturated || c.Saturated()
		row = append(row, string(c.Durability), string(c.Consistency), fmt.Sprint(len(c.Runs)))
		row = append(row, throughputText(s)...)
		row = append(row, latencyText(c)...)
		row = append(row, centerText(c, "cpu-ns/op"), centerText(c, "write-amp"), centerText(c, "space-amp"), errorText(c))
		t.add(row...)
	}
	t.write(b)
	fmt.Fprintln(b)
	if bounded {
		fmt.Fprintln(b, "ops/s is the median of the runs; [a b] bounds it with at least 95 % confidence.")
	}
	if ranged {
		fmt.Fprintln(b, "ops/s is the median of the runs; a…b are the least and the most of them: too few for an interval (6 are needed).")
	}
	fmt.Fprintln(b, "Latencies are of all operations of all runs of a row, – where these are too few to tell. Rows of different durability or consistency promise different things.")
	if saturated {
		fmt.Fprintln(b, "A row that did not keep up with what it was offered has no latency: its backlog grew as long as the run lasted.")
	}
}

func throughputText(s Summary) []string {
	if s.N == 0 {
		return []string{"–", ""}
	}
	sc := countScale(s.Center)
	center := sc.show(s.Center) + sc.unit
	switch {
	case s.Bounded:
		return []string{center, "[" + sc.show(s.Lo) + " " + sc.show(s.Hi) + "]"}
	case s.N > 1:
		return []string{center, sc.show(s.Lo) + "…" + sc.show(s.Hi)}
	}
	return []string{center, ""}
}

func latencyText(c *Cell) []string { return quantilesText(c.Latency(""), c.Saturated()) }

// quantilesText is median, p99, p99.9 and maximum, each in the unit a person would choose, or dashes.
func quantilesText(h *Histogram, saturated bool) []string {
	if h.Count() == 0 || saturated {
		return []string{"–", "–", "–", "–"}
	}
	out := make([]string, 0, 4)
	for _, q := range []float64{0.5, 0.99, 0.999} {
		d, _ := h.Quantile(q)
		sc := timeScale(float64(d))
		text := quantileText(h, q, sc)
		if text != "–" {
			text += " " + sc.unit
		}
		out = append(out, text)
	}
	return append(out, shortDuration(h.Max()))
}

func centerText(c *Cell, unit string) string {
	ms, err := MetricsByUnit(unit)
	if err != nil {
		return "–"
	}
	s := c.Summary(ms[0])
	if s.N == 0 {
		return "–"
	}
	if unit == "cpu-ns/op" {
		sc := timeScale(s.Center)
		return sc.show(s.Center) + " " + sc.unit
	}
	return digits3(s.Center)
}

// errorText is how many operations of the cell failed, and the share, if any did.
func errorText(c *Cell) string {
	var ok, failed int64
	for _, r := range c.Runs {
		ok, failed = ok+r.Count(), failed+r.ErrorCount()
	}
	if failed == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s %%)", failed, digits3(100*float64(failed)/float64(ok+failed)))
}

// nameOf names a cell by what varies.
func (g *Groups) nameOf(c *Cell) string {
	var words []string
	for _, f := range g.Varying {
		if v, ok := c.Factors[f]; ok {
			words = append(words, quoteWord(f)+"="+quoteWord(v))
		}
	}
	if len(words) == 0 {
		return clipName(Subject(c.Factors) + " " + c.Factors["workload"])
	}
	return strings.Join(words, " ")
}

// environmentLines tell what all figures have in common.
func environmentLines(g *Groups) []string {
	if len(g.Cells) == 0 {
		return nil
	}
	e := g.Cells[0].Runs[0].Env
	var common []string
	for _, f := range slices.Sorted(maps.Keys(g.Common)) {
		if g.Common[f] == notApplicable {
			continue
		}
		common = append(common, quoteWord(f)+"="+quoteWord(g.Common[f]))
	}
	sync := "not measured"
	if e.DiskSyncN > 0 {
		sync = fmt.Sprintf("p50 %s, p99 %s of %d", shortDuration(e.DiskSyncP50), shortDuration(e.DiskSyncP99), e.DiskSyncN)
	}
	return []string{
		"All rows: " + strings.Join(common, " "),
		fmt.Sprintf("Machine: %s, %d cores, %s, %s %s; file system %s; device %s; sync of 4 KiB %s; %s",
			Inert(e.CPU), e.Cores, byteText(e.MemBytes), Inert(e.OS), Inert(e.Kernel), Inert(e.Mounted()), Inert(e.Device), sync, Inert(e.GoVersion)),
	}
}

func byteText(n int64) string {
	if n < 0 {
		return "memory unknown"
	}
	s := byteScale(float64(n))
	return s.show(float64(n)) + " " + s.unit
}
