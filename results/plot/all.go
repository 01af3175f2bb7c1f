package plot

import (
	"maps"
	"slices"

	"github.com/etalon-kv/etalon/results"
)

// All returns every figure of the records: the headline, throughput, bytes, and for each panel the
// latency over time and the latency by percentile of all operations and of each kind. Invalid runs
// are left out. Without a valid run there is no figure.
func All(records []*results.Record) []Figure {
	panels := Panels(results.Group(records).Cells)
	if len(panels) == 0 {
		return nil
	}
	var out []Figure
	add := func(f Figure, ok bool) {
		if ok {
			out = append(out, f)
		}
	}
	add(headline(panels))
	add(throughputFigure(panels), true)
	add(bytesFigure(panels))
	for _, p := range panels {
		kinds := kindsOf(p)
		if len(kinds) > 1 {
			add(latencyFigure(p, allKinds))
		}
		for _, k := range kinds {
			add(latencyFigure(p, k))
		}
		add(seriesFigure(p))
	}
	return unique(out)
}

// kindsOf returns the kinds of operation in the panel, sorted.
func kindsOf(p Panel) []string {
	kinds := map[string]bool{}
	for _, l := range p.Lines {
		for _, k := range l.Cell.Kinds() {
			kinds[k] = true
		}
	}
	return slices.Sorted(maps.Keys(kinds))
}
