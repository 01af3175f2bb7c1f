package results

import (
	"bufio"
	"fmt"
	"slices"
)

// writeKinds writes a row for each kind of the cells that have background work: their operations
// inside and outside of it, and what their watchers were told, each with its own latencies; nothing
// where no cell has any.
func (g *Groups) writeKinds(b *bufio.Writer) {
	names := g.nameColumns()
	t := textTable{left: len(names) + 2}
	var head []string
	for _, f := range append(slices.Clone(names), "durability", "kind") {
		head = append(head, clipName(f))
	}
	t.add(append(head, "count", "p50", "p99", "p99.9", "max", "owed", "errors")...)
	kinds := map[string]bool{}
	for _, c := range g.Cells {
		if !c.hasBackground() {
			continue
		}
		for _, kind := range c.Kinds() {
			kinds[kind] = true
			var row []string
			for _, f := range names {
				row = append(row, clipName(c.Factors[f]))
			}
			row = append(row, string(c.Durability), clipName(kind))
			t.add(append(row, kindText(c, kind)...)...)
		}
	}
	if len(kinds) == 0 {
		return
	}
	fmt.Fprintln(b, "\nBy kind:")
	t.write(b)
	for _, kind := range []string{KindEvent, KindCompaction} {
		if kinds[kind] {
			fmt.Fprintln(b, "  "+KindDoc(kind))
		}
	}
	fmt.Fprintln(b)
}

// kindText is the part of a row that tells of one kind.
func kindText(c *Cell, kind string) []string {
	var behind, failed int64
	for _, r := range c.Runs {
		for k, s := range r.Everything() {
			if k == kind {
				behind, failed = behind+s.Behind, failed+s.ErrorCount()
			}
		}
	}
	h := c.Latency(kind)
	row := append([]string{fmt.Sprint(h.Count())}, quantilesText(h, c.SaturatedIn(kind))...)
	return append(row, fmt.Sprint(behind), fmt.Sprint(failed))
}

// KindDoc says what a kind of background work measures.
func KindDoc(kind string) string {
	switch kind {
	case KindEvent:
		return "event: from the moment its write was sent (in an open loop: due) until a watcher had it; those owed at the end came later and are counted"
	case KindCompaction:
		return "compaction: from its request until the revisions were gone; a compaction ran during any part of what is -compacting, and of nothing -quiet"
	}
	return ""
}
