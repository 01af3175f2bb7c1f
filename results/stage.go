package results

import (
	"bufio"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Stage is a histogram that a target kept by itself, of one stretch of the way that operations take
// through it ("sync"). Unlike the latencies in Ops and Background it comes from the target's own stamps
// and not from the load generator's, so it says where within an operation the time goes. Stages need
// not follow one another: Doc says from where to where one reaches.
type Stage struct {
	// Name is a word of letters, digits and dashes, unique in its record.
	Name string `json:"name"`
	// Doc says in a line what was timed, and what counts once.
	Doc   string     `json:"doc"`
	Times *Histogram `json:"times"`
}

// maxStages bounds the stages of a record: far above what a target has, below what would swamp a page.
const maxStages = 64

func checkStages(stages []Stage) error {
	if len(stages) > maxStages {
		return fmt.Errorf("%d stages, accepted are %d", len(stages), maxStages)
	}
	seen := make(map[string]bool)
	for _, s := range stages {
		if s.Name == "" || slices.ContainsFunc([]rune(s.Name), func(r rune) bool { return !isStageRune(r) }) {
			return fmt.Errorf("stage %q, accepted are letters, digits and dashes", clip(s.Name, 80))
		}
		if seen[s.Name] {
			return fmt.Errorf("stage %q twice", clip(s.Name, 80))
		}
		seen[s.Name] = true
		if s.Times == nil {
			return errors.New("stage " + clip(s.Name, 80) + " has no histogram")
		}
	}
	return nil
}

func isStageRune(r rune) bool { return isIDRune(r) && r != '.' && r != '_' }

// Stage is the record's stage of that name; nil if it has none.
func (r *Record) Stage(name string) *Stage {
	for i := range r.Stages {
		if r.Stages[i].Name == name {
			return &r.Stages[i]
		}
	}
	return nil
}

// Stages are new histograms over all runs of the cell, in the order of the first run that has them.
// Those in which nothing was counted are left out.
func (c *Cell) Stages() []Stage {
	var all []Stage
	for _, r := range c.Runs {
		for _, s := range r.Stages {
			i := slices.IndexFunc(all, func(a Stage) bool { return a.Name == s.Name })
			if i < 0 {
				i = len(all)
				all = append(all, Stage{Name: s.Name, Doc: s.Doc, Times: NewHistogram()})
			}
			all[i].Times.Merge(s.Times)
		}
	}
	return slices.DeleteFunc(all, func(s Stage) bool { return s.Times.Count() == 0 })
}

// StageQuantile is the q-th quantile of a stage; unit "stage-sync-p99-ns".
func StageQuantile(stage string, q float64) Metric {
	m := LatencyQuantile("", q)
	m.Unit, m.Title = stagePrefix+stage+"-"+m.Unit, "stage "+stage+" "+quantileName(q)
	m.Of = func(r *Record) (float64, bool) {
		s := r.Stage(stage)
		if s == nil {
			return 0, false
		}
		d, ok := s.Times.Quantile(q)
		return float64(d), ok
	}
	return m
}

// stagePrefix tells the units of stages from those of kinds of operations.
const stagePrefix = "stage-"

// stageNames are the stages of some records, in the order in which they come.
func stageNames(recs []*Record) []string {
	var names []string
	for _, r := range recs {
		for _, s := range r.Stages {
			if s.Times.Count() > 0 && !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	return names
}

// writeStages writes a row a cell that has stages, with median and p99 of each, and what the stages
// are below it; nothing where no cell has any.
func (g *Groups) writeStages(b *bufio.Writer) {
	var docs []Stage
	for _, c := range g.Cells {
		for _, s := range c.Stages() {
			if !slices.ContainsFunc(docs, func(d Stage) bool { return d.Name == s.Name }) {
				docs = append(docs, s)
			}
		}
	}
	if len(docs) == 0 {
		return
	}
	names := g.nameColumns()
	t := textTable{left: len(names) + 1}
	var head []string
	for _, f := range append(slices.Clone(names), "durability") {
		head = append(head, clipName(f))
	}
	for _, d := range docs {
		head = append(head, d.Name)
	}
	t.add(head...)
	for _, c := range g.Cells {
		stages := c.Stages()
		if len(stages) == 0 {
			continue
		}
		var row []string
		for _, f := range names {
			row = append(row, clipName(c.Factors[f]))
		}
		row = append(row, string(c.Durability))
		for _, d := range docs {
			row = append(row, stageText(stages, d.Name))
		}
		t.add(row...)
	}
	fmt.Fprintln(b, "\nStages, median / p99:")
	t.write(b)
	for _, d := range docs {
		g.writeStageDocs(b, d.Name)
	}
	fmt.Fprintln(b)
}

// writeStageDocs writes what a stage is, for each target where these do not mean the same.
func (g *Groups) writeStageDocs(b *bufio.Writer, name string) {
	var docs []string
	targets := map[string][]string{} // by doc
	for _, c := range g.Cells {
		for _, s := range c.Stages() {
			if s.Name != name {
				continue
			}
			if targets[s.Doc] == nil {
				docs = append(docs, s.Doc)
			}
			if t := Inert(c.Factors["target"]); !slices.Contains(targets[s.Doc], t) {
				targets[s.Doc] = append(targets[s.Doc], t)
			}
		}
	}
	for _, doc := range docs {
		of := ""
		if len(docs) > 1 {
			of = " of " + strings.Join(targets[doc], ", ")
		}
		fmt.Fprintf(b, "  %s%s: %s\n", name, of, Inert(doc))
	}
}

// stageText is median and p99 of a stage: "12 / 340 µs", or with a unit each where they lie far apart.
func stageText(stages []Stage, name string) string {
	i := slices.IndexFunc(stages, func(s Stage) bool { return s.Name == name })
	if i < 0 {
		return "–"
	}
	h := stages[i].Times
	p50, _ := h.Quantile(0.5)
	p99, _ := h.Quantile(0.99)
	sc, tail := timeScale(float64(p50)), timeScale(float64(p99))
	if sc.unit == tail.unit || float64(p99) < 10_000*sc.by {
		return quantileText(h, 0.5, sc) + " / " + quantileText(h, 0.99, sc) + " " + sc.unit
	}
	return quantileText(h, 0.5, sc) + " " + sc.unit + " / " + quantileText(h, 0.99, tail) + " " + tail.unit
}
