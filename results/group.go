package results

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Groups are runs sorted into cells.
type Groups struct {
	// Cells hold the valid runs. Neighbours differ in the contenders (engine, index, log, target)
	// first, so that what is to be compared stands together.
	Cells []*Cell
	// Invalid are the runs with a verdict that is not OK. They are in no cell and no figure; they
	// must be listed wherever the figures are.
	Invalid []*Record
	// Warnings say what the cells do not have in common though a comparison needs it: the machine,
	// the system, the software.
	Warnings []string
	// Varying are the factors that differ between cells; Common the others with their values.
	Varying []string
	Common  map[string]string
}

// Cell is the valid runs of one choice of factors, under one durability and one consistency label.
type Cell struct {
	// Factors are those that all runs of the cell share.
	Factors     map[string]string
	Durability  Durability
	Consistency Consistency
	// Runs are in the order in which they were measured; there is at least one.
	Runs []*Record
	// Warnings of pooling these runs (what differs between them), then those of the runs
	// themselves, each once with the number of runs that have it.
	Warnings []string
}

// Group sorts runs into cells by the named factors; with none named, by all factors, so that only
// repetitions share a cell. Runs of different durability or consistency labels never share one. A
// cell whose runs differ in anything else (a factor that is not named, an option, the environment,
// the software) carries a warning that says in what.
func Group(recs []*Record, by ...string) *Groups {
	g := &Groups{Common: map[string]string{}}
	cells := map[string]*Cell{}
	for _, r := range recs {
		if !r.Valid() {
			g.Invalid = append(g.Invalid, r)
			continue
		}
		key := r.Factors
		if len(by) > 0 {
			key = map[string]string{}
			for _, name := range by {
				key[name] = r.Factors[name]
			}
		}
		text := CellText(key) + "\n" + string(r.Durability) + "\n" + string(r.Consistency)
		c := cells[text]
		if c == nil {
			c = &Cell{Durability: r.Durability, Consistency: r.Consistency}
			cells[text] = c
			g.Cells = append(g.Cells, c)
		}
		c.Runs = append(c.Runs, r)
	}
	for _, c := range g.Cells {
		c.settle()
	}
	g.settle()
	return g
}

func (c *Cell) settle() {
	slices.SortStableFunc(c.Runs, func(a, b *Record) int { return a.Start.Compare(b.Start) })
	c.Factors = maps.Clone(c.Runs[0].Factors)
	for _, d := range Differences(c.Runs) {
		if d.Kind == "factor" {
			delete(c.Factors, d.Name)
		}
		c.Warnings = append(c.Warnings, "runs differ in "+d.String())
	}
	runs := map[string]int{}
	var order []string
	for _, r := range c.Runs {
		for _, w := range r.Warnings {
			if runs[w] == 0 {
				order = append(order, w)
			}
			runs[w]++
		}
	}
	for _, w := range order {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%s (%d of %d runs)", Inert(w), runs[w], len(c.Runs)))
	}
}

// contenders are the factors that a comparison is usually between; cells that differ only in them
// are neighbours.
func contenders() []string { return []string{"target", "log", "index", "engine"} }

func (g *Groups) settle() {
	values := map[string]map[string]bool{}
	var all []*Record
	for _, c := range g.Cells {
		all = append(all, c.Runs...)
		for _, r := range c.Runs {
			for name := range r.Factors {
				values[name] = map[string]bool{}
			}
		}
	}
	for _, c := range g.Cells {
		for name, vs := range values {
			v, ok := c.Factors[name]
			if !ok {
				v = noValue
			}
			if v != notApplicable { // which is no choice: where a factor means something it may be the same everywhere
				vs[v] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if len(values[name]) > 1 {
			g.Varying = append(g.Varying, name)
		} else if len(values[name]) == 0 {
			g.Common[name] = notApplicable
		} else if v := slices.Collect(maps.Keys(values[name]))[0]; v != noValue {
			g.Common[name] = v
		}
	}
	for _, d := range Differences(all) {
		if d.Kind == "environment" || d.Kind == "software" {
			g.Warnings = append(g.Warnings, "cells differ in "+d.String())
		}
	}
	order := slices.DeleteFunc(slices.Clone(g.Varying), func(n string) bool {
		return n == "workload" || slices.Contains(contenders(), n)
	})
	order = append(append([]string{"workload"}, order...), contenders()...)
	slices.SortStableFunc(g.Cells, func(a, b *Cell) int {
		for _, name := range order {
			if name == "target" {
				if c := targetPlace(a) - targetPlace(b); c != 0 {
					return c
				}
			}
			if c := naturalCompare(a.Factors[name], b.Factors[name]); c != 0 {
				return c
			}
		}
		return strings.Compare(string(a.Durability)+string(a.Consistency), string(b.Durability)+string(b.Consistency))
	})
}

// targetPlace is how high above the ground a cell's target is.
func targetPlace(c *Cell) int {
	order := targetOrder()
	if i := slices.Index(order, c.Factors["target"]); i >= 0 {
		return i
	}
	return len(order)
}

// OpenLoop reports whether any run was driven by a schedule: latency is then response time.
func (c *Cell) OpenLoop() bool { return slices.ContainsFunc(c.Runs, (*Record).OpenLoop) }

// Latency is a new histogram over all runs of the cell, of one kind (see Record.Latency), or of all
// operations if kind is "": percentiles are those of all together, never averages of percentiles.
func (c *Cell) Latency(kind string) *Histogram {
	h := NewHistogram()
	for _, r := range c.Runs {
		h.Merge(r.Latency(kind))
	}
	return h
}

// Name is the cell in words: the values of the named factors, or all factors as text if none are
// named. It is safe to print.
func (c *Cell) Name(factors ...string) string {
	if len(factors) == 0 {
		return CellText(c.Factors)
	}
	var words []string
	for _, f := range factors {
		if v := c.Factors[f]; v != "" {
			words = append(words, Inert(v))
		}
	}
	return strings.Join(words, " ")
}
