package plot

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/etalon-kv/etalon/results"
)

// MaxLines is how many lines share one pair of axes; more cannot be told apart.
const MaxLines = 8

// Panel is the cells that one pair of axes compares: one workload, and where a suite varies much,
// one choice of its other factors.
type Panel struct {
	Title string // the workload, and the further factors that single out the panel
	Lines []Line
	// Labels says in words what stands on every figure: durability, consistency, runs a line.
	Labels string
}

// Line is one cell as it appears in a panel.
type Line struct {
	Label   string // engine, and whatever else differs within the panel; unique in it
	Look    Look
	Variant int // 0 for the first line of an engine in the panel, then 1, 2, …
	Cell    *results.Cell
}

// dash is the pattern of the line; variants of one engine differ in it.
func (l Line) dash() []float64 {
	return [][]float64{nil, {6, 2.5}, {1.8, 2.5}, {8, 2.5, 1.8, 2.5}}[l.Variant%4]
}

// Panels arranges the cells of results.Group, keeping the order in which workloads first appear.
func Panels(cells []*results.Cell) []Panel {
	var order []string
	groups := map[string][]*results.Cell{}
	for _, c := range cells {
		w := c.Factors["workload"]
		if groups[w] == nil {
			order = append(order, w)
		}
		groups[w] = append(groups[w], c)
	}
	var out []Panel
	for _, w := range order {
		out = append(out, split(w, groups[w])...)
	}
	return out
}

// split divides the cells of one workload into panels of at most MaxLines.
func split(workload string, cells []*results.Cell) []Panel {
	if len(cells) <= MaxLines {
		return []Panel{newPanel(workload, cells)}
	}
	varying := differing(cells)
	lead := leading(varying)
	var order []string
	groups := map[string][]*results.Cell{}
	for _, c := range cells {
		var rest []string
		for _, f := range varying {
			if f != lead && f != "durability" && chosen(c, f) {
				rest = append(rest, factorText(f, rivalsPlace(f, c.Factors[f])))
			}
		}
		key := strings.Join(append([]string{workload}, rest...), ", ")
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], c)
	}
	var out []Panel
	for _, key := range order {
		parts := slices.Collect(slices.Chunk(groups[key], MaxLines))
		for i, part := range parts {
			title := key
			if len(parts) > 1 {
				title = fmt.Sprintf("%s (%d of %d)", key, i+1, len(parts))
			}
			out = append(out, newPanel(title, part))
		}
	}
	return out
}

// leading is the factor that a panel compares: the engine or the log, if one of them varies.
func leading(varying []string) string {
	for _, f := range []string{"engine", "log"} {
		if slices.Contains(varying, f) {
			return f
		}
	}
	if len(varying) > 0 {
		return varying[0]
	}
	return "engine"
}

func newPanel(title string, cells []*results.Cell) Panel {
	varying := differing(cells)
	p := Panel{Title: Clean(title), Labels: labels(cells)}
	engines := map[string]int{}
	durabilities, consistencies := map[results.Durability]bool{}, map[results.Consistency]bool{}
	for _, c := range cells {
		engines[engineOf(c)]++
		durabilities[c.Durability], consistencies[c.Consistency] = true, true
	}
	for _, c := range cells {
		words := []string{engineOf(c)}
		for _, f := range varying {
			isName := f == "engine" || (f == "log" || f == "target") && engineOf(c) == c.Factors[f]
			if !isName && f != "durability" && chosen(c, f) {
				words = append(words, factorText(f, c.Factors[f]))
			}
		}
		var differ []string
		if len(durabilities) > 1 {
			differ = append(differ, string(c.Durability))
		}
		if len(consistencies) > 1 {
			differ = append(differ, string(c.Consistency))
		}
		if c.Saturated() { // its latencies tell how long the run lasted
			differ = append(differ, "saturated")
		}
		if len(differ) > 0 {
			words[0] += " (" + strings.Join(differ, ", ") + ")"
		}
		p.Lines = append(p.Lines, Line{Label: Clean(strings.Join(words, " ")), Look: LookOf(engineOf(c)), Cell: c})
	}
	slices.SortStableFunc(p.Lines, func(a, b Line) int {
		if d := rank(engineOf(a.Cell)) - rank(engineOf(b.Cell)); d != 0 {
			return d
		}
		return strings.Compare(a.Label, b.Label)
	})
	seen := map[string]int{}
	for i := range p.Lines {
		l := &p.Lines[i]
		e := engineOf(l.Cell)
		if len(engines) == 1 && len(cells) > 1 { // one engine: its colour would tell nothing
			l.Look = looks()[i%len(looks())]
		} else {
			l.Variant = seen[e]
		}
		seen[e]++
	}
	return p
}

// differing returns the factors in which the cells differ, sorted, engine first; not the workload.
func differing(cells []*results.Cell) []string {
	values := map[string]map[string]bool{}
	for _, c := range cells {
		for f := range c.Factors {
			values[f] = map[string]bool{}
		}
	}
	for f, set := range values {
		for _, c := range cells {
			if v := rivalsPlace(f, c.Factors[f]); v != "-" { // which is no choice, as results.Group has it
				set[v] = true
			}
		}
	}
	var out []string
	for _, f := range slices.Sorted(maps.Keys(values)) {
		if len(values[f]) > 1 && f != "workload" && f != "engine" {
			out = append(out, f)
		}
	}
	if len(values["engine"]) > 1 {
		out = append([]string{"engine"}, out...)
	}
	return out
}

// rivalsPlace is the value of a factor for the choice of a panel: etcd is a rival of our server and stands
// beside it, told apart by its name.
func rivalsPlace(factor, value string) string {
	if factor == "target" && value == "etcd" {
		return "server"
	}
	return value
}

// chosen tells whether a factor has a value that means something for the cell.
func chosen(c *results.Cell, factor string) bool {
	v := c.Factors[factor]
	return v != "" && v != "-"
}

func factorText(name, value string) string { return name + "=" + value }

// engineOf names what a line is about: the engine, or the log, or the target where that has neither.
func engineOf(c *results.Cell) string {
	return results.Subject(c.Factors)
}

// rank puts the engines everybody knows first, in one order in every figure.
func rank(engine string) int {
	known := []string{"mem", "bolt", "pebble", "badger", "etcd", "zookeeper"}
	if i := slices.Index(known, engine); i >= 0 {
		return i
	}
	return len(known)
}

// labels says durability, consistency and runs of the cells in words.
func labels(cells []*results.Cell) string {
	durability, consistency := map[string]bool{}, map[string]bool{}
	lo, hi := len(cells[0].Runs), len(cells[0].Runs)
	for _, c := range cells {
		durability[string(c.Durability)] = true
		consistency[string(c.Consistency)] = true
		lo, hi = min(lo, len(c.Runs)), max(hi, len(c.Runs))
	}
	runs := fmt.Sprintf("N = %d", lo)
	if lo != hi {
		runs = fmt.Sprintf("N = %d to %d", lo, hi)
	}
	return fmt.Sprintf("durability %s; reads %s; %s", oneOf(durability, "as in brackets"), oneOf(consistency, "as in brackets"), runs)
}

// oneOf returns the only name in set, or many if there are more.
func oneOf(set map[string]bool, many string) string {
	names := slices.Sorted(maps.Keys(set))
	if len(names) == 1 {
		return names[0]
	}
	return many
}

// commonLabels is labels over every cell of the panels.
func commonLabels(panels []Panel) string {
	var cells []*results.Cell
	for _, p := range panels {
		for _, l := range p.Lines {
			cells = append(cells, l.Cell)
		}
	}
	return labels(cells)
}

// Clean makes a text from a record fit for one line of a figure: what does not print becomes
// visible escapes, and it is cut at 48 characters.
func Clean(s string) string {
	const limit = 48
	out := []rune(results.Inert(s))
	if len(out) > limit {
		out = append(out[:limit-1], '…')
	}
	return string(out)
}
