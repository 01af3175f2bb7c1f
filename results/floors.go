package results

import (
	"bufio"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// targetOrder are the targets from the ground up; others stand behind them. Raft has no store in it:
// it is beside the way from the engine to the wire, and no step of it.
func targetOrder() []string {
	return []string{"null", "engine", "mvcc", "raft", "replica", "server", "etcd"}
}

// floorNames are the targets that stand on each other: the same operation on the next one takes all
// of the one before.
func floorNames() []string { return []string{"engine", "mvcc", "replica", "server"} }

// Ladder is one workload on one engine, climbed from floor to floor.
type Ladder struct {
	// Workload is the workload, with what else varies between ladders; Subject what it is climbed on.
	// Both are safe to print.
	Workload, Subject string
	// Metric is throughput, or, where operations come at a rate of their own, the median latency.
	Metric Metric
	// Steps are from the ground up, at least two. Labels may differ between them.
	Steps []Step
}

// Step is a floor of a Ladder.
type Step struct {
	Target string
	Cell   *Cell
	Value  Summary
	// Ratio is the metric of this floor over that of the one below; without runs for the lowest.
	Ratio Ratio
}

// Ladders finds the cells that differ in nothing but their floor.
func Ladders(g *Groups) []Ladder {
	if !slices.Contains(g.Varying, "target") {
		return nil
	}
	var order []string
	rungs := map[string][]*Cell{}
	for _, c := range g.Cells {
		if !slices.Contains(floorNames(), c.Factors["target"]) {
			continue
		}
		rest := map[string]string{}
		for _, f := range g.Varying {
			if v := c.Factors[f]; f != "target" && v != notApplicable {
				rest[f] = v
			}
		}
		key := CellText(rest)
		if rungs[key] == nil {
			order = append(order, key)
		}
		rungs[key] = append(rungs[key], c)
	}
	var all []Ladder
	for _, key := range order {
		if l, ok := climb(g, rungs[key]); ok {
			all = append(all, l)
		}
	}
	return all
}

func climb(g *Groups, cells []*Cell) (Ladder, bool) {
	slices.SortStableFunc(cells, func(a, b *Cell) int {
		return slices.Index(floorNames(), a.Factors["target"]) - slices.Index(floorNames(), b.Factors["target"])
	})
	first := cells[0]
	l := Ladder{Subject: Inert(Subject(first.Factors)), Metric: Throughput()}
	rest := maps.Clone(first.Factors)
	l.Workload = title(g, rest, append([]string{"durability"}, contenders()...))
	if slices.ContainsFunc(cells, (*Cell).OpenLoop) {
		l.Metric = LatencyQuantile("", 0.5)
	}
	for i, c := range cells {
		s := Step{Target: c.Factors["target"], Cell: c, Value: c.Summary(l.Metric)}
		if i > 0 {
			if s.Target == cells[i-1].Factors["target"] {
				return l, false // two of one floor: they differ in more than is known here
			}
			s.Ratio, _ = ratioOf(c.Sample(l.Metric), cells[i-1].Sample(l.Metric))
		}
		l.Steps = append(l.Steps, s)
	}
	return l, len(l.Steps) > 1
}

// Text is the figure of a step, and how it compares with the floor below: "8.4k ops/s", "×0.25".
func (l Ladder) Text(s Step) (value, ratio string) {
	value = "–"
	if s.Value.N > 0 {
		sc := scaleOf(l.Metric.Unit, s.Value.Center)
		value = sc.show(s.Value.Center)
		if l.Metric.isLatency() {
			value += " "
		}
		value += strings.TrimSuffix(strings.TrimSuffix(sc.unit, l.Metric.Unit), " ")
	}
	if s.Ratio.NA > 0 {
		ratio = "×" + times(s.Ratio.Center)
	}
	return value, ratio
}

// FloorSentences say for each workload what each floor leaves of the one below it, over the
// engines: one sentence each, safe to print.
func FloorSentences(ladders []Ladder) []string {
	var out []string
	for i := 0; i < len(ladders); {
		j := i
		for j < len(ladders) && ladders[j].Workload == ladders[i].Workload {
			j++
		}
		if s := floorSentence(ladders[i:j]); s != "" {
			out = append(out, s)
		}
		i = j
	}
	return out
}

func floorSentence(ladders []Ladder) string {
	var parts []string
	below := ""
	for _, target := range floorNames() {
		var ratios []float64
		on := map[float64]string{}
		for _, l := range ladders {
			for i, s := range l.Steps {
				if s.Target == target && i > 0 && s.Ratio.NA > 0 {
					ratios = append(ratios, s.Ratio.Center)
					on[s.Ratio.Center], below = l.Subject, l.Steps[i-1].Target
				}
			}
		}
		if len(ratios) == 0 {
			continue
		}
		lo, hi := slices.Min(ratios), slices.Max(ratios)
		part := fmt.Sprintf("%s has %s", target, times(lo))
		if len(ratios) > 1 {
			part = fmt.Sprintf("%s has %s (%s) to %s (%s)", target, times(lo), on[lo], times(hi), on[hi])
		}
		parts = append(parts, fmt.Sprintf("%s times the %s of %s", part, ladders[0].Metric.Title, below))
	}
	if len(parts) == 0 {
		return ""
	}
	return ladders[0].Workload + ", floor by floor: " + strings.Join(parts, "; ") + "."
}

// writeFloors writes a row a ladder and a column a floor; nothing where nothing is climbed.
func (g *Groups) writeFloors(b *bufio.Writer) {
	ladders := Ladders(g)
	if len(ladders) == 0 {
		return
	}
	targets := LadderTargets(ladders)
	t := textTable{left: 2}
	head := []string{"workload", "engine"}
	for _, target := range targets {
		head = append(head, target, "")
	}
	t.add(head...)
	for _, l := range ladders {
		row := []string{clipName(l.Workload), clipName(l.Subject)}
		for _, target := range targets {
			value, ratio := "–", ""
			if i := slices.IndexFunc(l.Steps, func(s Step) bool { return s.Target == target }); i >= 0 {
				value, ratio = l.Text(l.Steps[i])
			}
			row = append(row, value, ratio)
		}
		t.add(row...)
	}
	fmt.Fprintf(b, "\nFloors, %s, and × that of the floor below (median over all pairs of runs):\n", ladders[0].Metric.Title)
	t.write(b)
}

// LadderTargets are the floors that occur, from the ground up.
func LadderTargets(ladders []Ladder) []string {
	return slices.DeleteFunc(floorNames(), func(target string) bool {
		return !slices.ContainsFunc(ladders, func(l Ladder) bool {
			return slices.ContainsFunc(l.Steps, func(s Step) bool { return s.Target == target })
		})
	})
}
