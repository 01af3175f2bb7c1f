package results

import (
	"iter"
	"maps"
	"slices"
)

// Kinds of background work.
const (
	KindEvent      = "event"      // a watcher was told of a write
	KindCompaction = "compaction" // old revisions were removed
)

// Everything goes over what the run has of each kind: its operations, then what happened in the
// background.
func (r *Record) Everything() iter.Seq2[string, *OpStats] {
	return func(yield func(string, *OpStats) bool) {
		for _, from := range []map[string]*OpStats{r.Ops, r.Background} {
			for kind, s := range from {
				if !yield(kind, s) {
					return
				}
			}
		}
	}
}

// Latency is a new histogram of what the headline counts, of one kind of operation or of background
// work, or of all operations merged if kind is "".
func (r *Record) Latency(kind string) *Histogram {
	h := NewHistogram()
	for k, s := range r.Ops {
		if kind == "" || kind == k {
			h.Merge(s.Latency())
		}
	}
	if s := r.Background[kind]; s != nil {
		h.Merge(s.Latency())
	}
	return h
}

// SaturatedIn is Saturated for one kind. Of background work it is also true when what was owed at
// the end of the phase, or came too late to be timed, is a larger share than SaturatedBelow leaves.
func (r *Record) SaturatedIn(kind string) bool {
	s := r.Background[kind]
	if r.Saturated() || s == nil {
		return r.Saturated()
	}
	failed := s.ErrorCount()
	return float64(s.Behind+failed) > (1-SaturatedBelow)*float64(s.Count+failed)
}

// Kinds are the kinds of operations and of background work that any run of the cell has, sorted.
func (c *Cell) Kinds() []string {
	kinds := map[string]bool{}
	for _, r := range c.Runs {
		for k := range r.Everything() {
			kinds[k] = true
		}
	}
	return slices.Sorted(maps.Keys(kinds))
}

// SaturatedIn reports whether any run is, in one kind.
func (c *Cell) SaturatedIn(kind string) bool {
	return slices.ContainsFunc(c.Runs, func(r *Record) bool { return r.SaturatedIn(kind) })
}

// hasBackground reports whether any run has background work, which is then told apart from its
// operations wherever kinds are shown.
func (c *Cell) hasBackground() bool {
	return slices.ContainsFunc(c.Runs, func(r *Record) bool { return len(r.Background) > 0 })
}
