package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// table is what was measured: by cell and system one figure a round.
type table struct {
	cells   []string
	units   map[string]string
	figures map[string]map[system][]float64
}

func newTable() *table {
	return &table{units: map[string]string{}, figures: map[string]map[system][]float64{}}
}

func (t *table) add(cell, unit string, s system, v float64) {
	if t.figures[cell] == nil {
		t.cells = append(t.cells, cell)
		t.figures[cell], t.units[cell] = map[system][]float64{}, unit
	}
	t.figures[cell][s] = append(t.figures[cell][s], v)
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// ratio is how much better ours is than etcd's in a cell: the median of the rounds' ratios, since both were
// measured in the same minute. Requests a second are better when there are more, all else when there is less.
func (t *table) ratio(cell string, ours system) (r float64, ok bool) {
	theirs, own := t.figures[cell][etcd], t.figures[cell][ours]
	var all []float64
	for i := range min(len(theirs), len(own)) {
		if t.units[cell] == "requests/s" {
			all = append(all, own[i]/theirs[i])
		} else {
			all = append(all, theirs[i]/own[i])
		}
	}
	return median(all), len(all) > 0
}

// print prints medians with the least and the greatest, then the ratios of each engine, then again those of the first.
func (t *table) print(w io.Writer, engines []system) {
	for _, c := range t.cells {
		fmt.Fprintf(w, "%-36s %-10s", c, t.units[c])
		for _, s := range append([]system{etcd, ceiling}, engines...) {
			if v := t.figures[c][s]; len(v) > 0 {
				fmt.Fprintf(w, "  %s %.4g (%.4g to %.4g)", s, median(v), slices.Min(v), slices.Max(v))
			}
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
	for i := len(engines) - 1; i >= 0; i-- {
		for _, c := range t.cells {
			if r, ok := t.ratio(c, engines[i]); ok && (i > 0 || len(engines) > 1) {
				fmt.Fprintf(w, "ratio engine=%s/%s %.2f\n", engines[i], c, r)
			}
		}
	}
	for _, c := range t.cells {
		if r, ok := t.ratio(c, engines[0]); ok {
			fmt.Fprintf(w, "ratio %s %.2f\n", strings.TrimSpace(c), r)
		}
	}
}
