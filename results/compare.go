package results

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"
)

// ErrNotComparable: base and new have no cell in common that may be compared, or, with
// CompareOptions.Strict, differ in something that was not declared.
var ErrNotComparable = errors.New("results: not comparable")

// CompareOptions say how two sets of runs are compared.
type CompareOptions struct {
	// Metrics to compare; none = HeadlineMetrics.
	Metrics []Metric
	// Ignore names factors whose difference is what is being compared, such as "engine": cells are
	// matched by all other factors. Runs of different durability or consistency are compared only
	// if "durability" or "consistency" is named here, and then with a warning.
	Ignore []string
	// Alpha is the level of significance over all rows together; 0 = 0.05.
	Alpha float64
	// Gate is the change in the bad direction from which on a significant row misses the gate:
	// 0.05 is 5 %. 0 = no gate.
	Gate float64
	// Strict makes differences of environment or options between base and new an error.
	Strict bool
}

// Comparison is the outcome of Compare.
type Comparison struct {
	Rows []Row
	// Alpha and Gate are those that were used.
	Alpha, Gate float64
	// OnlyBase and OnlyNew name cells without a counterpart; Refused those that have one under
	// another label; Invalid the runs that were left out.
	OnlyBase, OnlyNew, Refused []string
	Invalid                    []*Record
	// Warnings are differences between base and new that nobody declared; Notes are those of the
	// software, which a comparison is usually about.
	Warnings, Notes []string
}

// Row compares one metric of one cell.
type Row struct {
	Factors     map[string]string // of the cell, without the ignored ones
	Durability  Durability
	Consistency Consistency
	Metric      Metric
	Base, New   Summary
	// Delta is New.Center/Base.Center - 1; +Inf from 0 to more than 0.
	Delta float64
	// P is that of the Mann-Whitney U test over the runs; Adjusted the same after Holm's correction
	// for all rows of the Comparison.
	P, Adjusted float64
	// Change is what can be said at Alpha.
	Change Change
	// Missed: the change is for the worse, significant, and beyond the gate.
	Missed   bool
	Warnings []string
}

// Change is what a Row's runs show.
type Change string

const (
	ChangeNone      Change = "no change shown" // enough runs to show one, and they do not
	ChangeBetter    Change = "better"
	ChangeWorse     Change = "worse"
	ChangeOther     Change = "changed"      // significant, in a metric without a good direction
	ChangeUndecided Change = "too few runs" // no outcome of so few runs would be significant
)

// GateOK reports whether no row misses the gate and every row could have: a gate that cannot fire
// has not been passed. why has one line a reason.
func (c *Comparison) GateOK() (ok bool, why []string) {
	if c.Gate <= 0 {
		return true, nil
	}
	undecided, need := 0, 0
	vary := c.varying()
	for _, r := range c.Rows {
		if r.Missed {
			why = append(why, fmt.Sprintf("%s %s: %+.1f %% (adjusted p %.3f), the gate is %.3g %%",
				CellText(only(r.Factors, vary)), r.Metric.Title, 100*r.Delta, r.Adjusted, 100*c.Gate))
		}
		if r.Change == ChangeUndecided {
			undecided++
			need = runsFor(c.Alpha / float64(len(c.Rows)))
		}
	}
	if undecided > 0 {
		why = append(why, fmt.Sprintf("%d of %d rows have too few runs to show any change: at least %d a side are needed for %d rows together",
			undecided, len(c.Rows), need, len(c.Rows)))
	}
	for _, name := range c.Refused {
		why = append(why, "not compared: "+name)
	}
	return len(why) == 0, why
}

// Compare compares new with base cell by cell: medians over runs, the Mann-Whitney U test, Holm's
// correction across all rows. Each run is one sample; latencies of single operations are never
// tested. It answers ErrNotComparable when no row results.
func Compare(base, new []*Record, o CompareOptions) (*Comparison, error) {
	if o.Alpha == 0 {
		o.Alpha = benchmath.DefaultThresholds.CompareAlpha
	}
	if len(o.Metrics) == 0 {
		o.Metrics = HeadlineMetrics()
	}
	if !(o.Alpha > 0 && o.Alpha < 1) || !(o.Gate >= 0) || math.IsInf(o.Gate, 0) {
		return nil, fmt.Errorf("results: alpha %v and gate %v, accepted are an alpha between 0 and 1 and a gate of at least 0", o.Alpha, o.Gate)
	}
	by := factorNames(o.Ignore, base, new)
	b, n := Group(base, by...), Group(new, by...)
	c := &Comparison{Alpha: o.Alpha, Gate: o.Gate, Invalid: append(b.Invalid, n.Invalid...)}
	rest := slices.Clone(n.Cells)
	for _, bc := range b.Cells {
		i := slices.IndexFunc(rest, func(nc *Cell) bool { return o.match(by, bc, nc) == "" })
		if i < 0 {
			c.unmatched(o, by, bc, n.Cells)
			continue
		}
		c.addRows(o, by, bc, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	for _, nc := range rest {
		c.OnlyNew = append(c.OnlyNew, CellText(only(nc.Runs[0].Factors, by)))
	}
	if len(c.Rows) == 0 {
		return nil, fmt.Errorf("%w: no cell is in both; %d cells only in base, %d only in new, %d refused %v",
			ErrNotComparable, len(c.OnlyBase), len(c.OnlyNew), len(c.Refused), c.Refused)
	}
	if o.Strict && len(c.Warnings) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrNotComparable, strings.Join(c.Warnings, "; "))
	}
	c.settle()
	return c, nil
}

// match is "" for two cells that may be compared, else the label that differs or "factors".
func (o *CompareOptions) match(by []string, b, n *Cell) string {
	switch {
	case CellText(only(b.Runs[0].Factors, by)) != CellText(only(n.Runs[0].Factors, by)):
		return "factors"
	case b.Durability != n.Durability && !slices.Contains(o.Ignore, "durability"):
		return fmt.Sprintf("durability %s and %s", b.Durability, n.Durability)
	case b.Consistency != n.Consistency && !slices.Contains(o.Ignore, "consistency"):
		return fmt.Sprintf("consistency %s and %s", b.Consistency, n.Consistency)
	}
	return ""
}

func (c *Comparison) unmatched(o CompareOptions, by []string, bc *Cell, cells []*Cell) {
	name := CellText(only(bc.Runs[0].Factors, by))
	for _, nc := range cells {
		if why := o.match(by, bc, nc); why != "factors" && why != "" {
			c.Refused = append(c.Refused, name+": "+why)
			return
		}
	}
	c.OnlyBase = append(c.OnlyBase, name)
}

func (c *Comparison) addRows(o CompareOptions, by []string, b, n *Cell) {
	factors := only(b.Runs[0].Factors, by)
	var warnings []string
	for _, d := range Differences(append(slices.Clone(b.Runs), n.Runs...)) {
		switch {
		case d.Kind == "software":
			c.Notes = append(c.Notes, d.String())
		case d.Kind == "factor" && slices.Contains(o.Ignore, d.Name):
		case d.Kind == "option" && slices.ContainsFunc(o.Ignore, func(f string) bool { return follows(d.Name, f) }):
		case d.Kind == "label":
			warnings = append(warnings, d.String())
		default:
			c.Warnings = append(c.Warnings, "base and new differ in "+d.String())
		}
	}
	if b.Saturated() || n.Saturated() {
		c.Warnings = append(c.Warnings, CellText(factors)+": saturated, so its latencies are not compared")
	}
	for _, m := range o.Metrics {
		xs, ys := b.Sample(m), n.Sample(m)
		if len(xs) == 0 || len(ys) == 0 {
			continue
		}
		r := Row{Factors: factors, Durability: b.Durability, Consistency: b.Consistency, Metric: m,
			Base: summarize(xs), New: summarize(ys), Warnings: warnings}
		r.Delta = r.New.Center/r.Base.Center - 1
		if r.New.Center == r.Base.Center {
			r.Delta = 0
		}
		t := benchmath.Thresholds{CompareAlpha: o.Alpha}
		cmp := benchmath.AssumeNothing.Compare(benchmath.NewSample(slices.Clone(xs), &t), benchmath.NewSample(slices.Clone(ys), &t))
		r.P = cmp.P
		c.Rows = append(c.Rows, r)
	}
}

// follows reports whether an option is what it is because of a factor: two engines do not even have
// the same options, and the runner says again what rate and clients were.
func follows(option, factor string) bool {
	component, name, _ := strings.Cut(option, ".")
	switch component {
	case "engine":
		return factor == "engine"
	case "log":
		return factor == "log"
	case "asked":
		return factor == "engine" || factor == "log"
	case "raft":
		return factor == "nodes" && name == "nodes"
	case "runner":
		return factor == "rate" && name == "schedule" || factor == "clients" && name == "workers"
	}
	return false
}

// settle looks at all rows together.
func (c *Comparison) settle() {
	slices.Sort(c.Warnings)
	c.Warnings = slices.Compact(c.Warnings)
	slices.Sort(c.Notes)
	c.Notes = slices.Compact(c.Notes)
	ps := make([]float64, len(c.Rows))
	for i, r := range c.Rows {
		ps[i] = r.P
	}
	for i, p := range holm(ps) {
		r := &c.Rows[i]
		r.Adjusted = p
		exact := r.Base.Min == r.Base.Max && r.New.Min == r.New.Max && r.Base.Min == r.New.Min
		switch {
		case p <= c.Alpha && r.Metric.Better == NeitherWay:
			r.Change = ChangeOther
		case p <= c.Alpha && (r.Delta > 0) == (r.Metric.Better == HigherBetter):
			r.Change = ChangeBetter
		case p <= c.Alpha:
			r.Change = ChangeWorse
		case !exact && leastP(r.Base.N, r.New.N)*float64(len(c.Rows)) > c.Alpha*(1+1e-9):
			r.Change = ChangeUndecided
		default:
			r.Change = ChangeNone
		}
		r.Missed = c.Gate > 0 && r.Change == ChangeWorse && math.Abs(r.Delta) > c.Gate
	}
}

// factorNames are all factors of the runs but the ignored ones, sorted.
func factorNames(ignore []string, sets ...[]*Record) []string {
	names := map[string]bool{}
	for _, set := range sets {
		for _, r := range set {
			for f := range r.Factors {
				names[f] = true
			}
		}
	}
	for _, f := range ignore {
		delete(names, f)
	}
	return slices.Sorted(maps.Keys(names))
}

func only(factors map[string]string, names []string) map[string]string {
	out := map[string]string{}
	for _, n := range names {
		if v, ok := factors[n]; ok {
			out[n] = v
		}
	}
	return out
}
