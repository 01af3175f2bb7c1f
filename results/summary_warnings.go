package results

import (
	"fmt"
	"regexp"
	"strconv"
)

// number is one in the text of a warning: the texts of one kind of warning differ in these only.
var number = regexp.MustCompile(`[0-9]+(\.[0-9]+)?`)

// alike are the warnings of several cells that differ only in their numbers.
type alike struct {
	text   string // the first
	lo, hi []string
	cells  []*Cell
}

// warningLines are the warnings of all cells: those that differ only in their numbers on one line,
// each number as the range of theirs.
func (g *Groups) warningLines() []string {
	var order []*alike
	known := map[string]*alike{}
	for _, c := range g.Cells {
		for _, text := range c.Warnings {
			shape := number.ReplaceAllString(text, "#")
			a := known[shape]
			if a == nil {
				numbers := number.FindAllString(text, -1)
				a = &alike{text: text, lo: numbers, hi: append([]string(nil), numbers...)}
				known[shape] = a
				order = append(order, a)
			}
			a.add(c, number.FindAllString(text, -1))
		}
	}
	var out []string
	for _, a := range order {
		if len(a.cells) == 1 {
			out = append(out, g.nameOf(a.cells[0])+": "+a.String())
		} else {
			out = append(out, fmt.Sprintf("%d of %d rows (see the report): %s", len(a.cells), len(g.Cells), a))
		}
	}
	return out
}

// add widens the ranges by numbers, and counts c, once.
func (a *alike) add(c *Cell, numbers []string) {
	for i, n := range numbers {
		if less(n, a.lo[i]) {
			a.lo[i] = n
		}
		if less(a.hi[i], n) {
			a.hi[i] = n
		}
	}
	if len(a.cells) == 0 || a.cells[len(a.cells)-1] != c {
		a.cells = append(a.cells, c)
	}
}

func less(a, b string) bool {
	x, _ := strconv.ParseFloat(a, 64) // both are numbers: number found them
	y, _ := strconv.ParseFloat(b, 64)
	return x < y
}

// String is the text with the ranges of its numbers.
func (a *alike) String() string {
	i := -1
	return number.ReplaceAllStringFunc(a.text, func(string) string {
		i++
		if a.lo[i] == a.hi[i] {
			return a.lo[i]
		}
		return a.lo[i] + "…" + a.hi[i]
	})
}
