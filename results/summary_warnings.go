package results

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// number is one in the text of a warning: the texts of one kind of warning differ in these only.
var number = regexp.MustCompile(`[0-9]+(\.[0-9]+)?`)

// Alike are the warnings of one or more cells that differ only in their numbers.
type Alike struct {
	Cells []*Cell // each once, in the order of the groups

	text   string // the first
	lo, hi []string
}

// Alike returns the warnings of all cells, those that differ only in their numbers as one.
func (g *Groups) Alike() []*Alike {
	var order []*Alike
	known := map[string]*Alike{}
	for _, c := range g.Cells {
		for _, text := range c.Warnings {
			shape := number.ReplaceAllString(text, "#")
			a := known[shape]
			if a == nil {
				numbers := number.FindAllString(text, -1)
				a = &Alike{text: text, lo: numbers, hi: slices.Clone(numbers)}
				known[shape] = a
				order = append(order, a)
			}
			a.add(c, number.FindAllString(text, -1))
		}
	}
	return order
}

// warningLines are the warnings of all cells, those that are alike on one line.
func (g *Groups) warningLines() []string {
	var out []string
	for _, a := range g.Alike() {
		if len(a.Cells) == 1 {
			out = append(out, g.nameOf(a.Cells[0])+": "+a.String())
		} else {
			out = append(out, fmt.Sprintf("%d of %d rows (see the report): %s", len(a.Cells), len(g.Cells), a))
		}
	}
	return out
}

// add widens the ranges by numbers, and counts c, once.
func (a *Alike) add(c *Cell, numbers []string) {
	for i, n := range numbers {
		if less(n, a.lo[i]) {
			a.lo[i] = n
		}
		if less(a.hi[i], n) {
			a.hi[i] = n
		}
	}
	if len(a.Cells) == 0 || a.Cells[len(a.Cells)-1] != c {
		a.Cells = append(a.Cells, c)
	}
}

func less(a, b string) bool {
	x, _ := strconv.ParseFloat(a, 64) // both are numbers: number found them
	y, _ := strconv.ParseFloat(b, 64)
	return x < y
}

// String is the text, each number in it as the range of all.
func (a *Alike) String() string {
	i := -1
	return number.ReplaceAllStringFunc(a.text, func(string) string {
		i++
		if a.lo[i] == a.hi[i] {
			return a.lo[i]
		}
		return a.lo[i] + "…" + a.hi[i]
	})
}
