package results

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
)

// WriteComparison writes the comparison for terminals: a row a metric and cell with both medians in
// one scale, the change, and p after Holm's correction; then what was not compared and why, and the
// state of the gate.
func WriteComparison(w io.Writer, c *Comparison) error {
	b := bufio.NewWriter(w)
	vary := c.varying()
	t := textTable{left: len(vary) + 3}
	head := make([]string, 0, len(vary)+10)
	for _, f := range vary {
		head = append(head, clipName(f))
	}
	t.add(append(head, "durability", "consistency", "metric", "base", "new", "", "change", "p", "runs", "verdict")...)
	for _, r := range c.Rows {
		var row []string
		for _, f := range vary {
			row = append(row, clipName(r.Factors[f]))
		}
		sc := scaleOf(r.Metric.Unit, min(r.Base.Center, r.New.Center))
		delta := fmt.Sprintf("%+.1f %%", 100*r.Delta)
		if math.IsInf(r.Delta, 0) || math.IsNaN(r.Delta) {
			delta = "from 0"
		}
		verdict := string(r.Change)
		if r.Missed {
			verdict += ", MISSES THE GATE"
		}
		t.add(append(row, string(r.Durability), string(r.Consistency), clipName(r.Metric.Title), sc.show(r.Base.Center), sc.show(r.New.Center), sc.unit,
			delta, fmt.Sprintf("%.3f", r.Adjusted), fmt.Sprintf("%d+%d", r.Base.N, r.New.N), verdict)...)
	}
	t.write(b)
	fmt.Fprintf(b, "\nMedians over runs; p of the Mann-Whitney U test after Holm's correction for %d rows; a change is shown at p <= %.3g.\n", len(c.Rows), c.Alpha)
	var warnings []string
	warnings = append(warnings, c.Warnings...)
	for _, r := range c.Rows {
		for _, text := range r.Warnings {
			warnings = append(warnings, "compared all the same, as asked: "+text)
		}
	}
	slices.Sort(warnings)
	lines(b, "Warnings", slices.Compact(warnings))
	lines(b, "Software that differs", c.Notes)
	lines(b, "Not compared, other labels", c.Refused)
	lines(b, "Only in base", c.OnlyBase)
	lines(b, "Only in new", c.OnlyNew)
	var invalid []string
	for _, r := range c.Invalid {
		invalid = append(invalid, Inert(r.ID))
	}
	lines(b, "Invalid runs, left out", invalid)
	if c.Gate > 0 {
		ok, why := c.GateOK()
		if ok {
			fmt.Fprintf(b, "\nThe gate of %.3g %% is passed.\n", 100*c.Gate)
		} else {
			lines(b, fmt.Sprintf("The gate of %.3g %% is missed", 100*c.Gate), why)
		}
	}
	return b.Flush()
}

// varying are the factors in which the rows differ, or the workload if they differ in none.
func (c *Comparison) varying() []string {
	var out []string
	values := map[string]string{}
	for _, r := range c.Rows {
		for f, v := range r.Factors {
			if old, seen := values[f]; seen && old != v && !slices.Contains(out, f) {
				out = append(out, f)
			}
			values[f] = v
		}
	}
	if len(out) == 0 {
		return []string{"workload"}
	}
	slices.Sort(out)
	return out
}
