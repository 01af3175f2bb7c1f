package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/plot"
)

// page is everything the markup shows. All strings in it are plain text, which is escaped. Only Style and
// Script, which come from this package's own files, and Data, which is JSON without angle brackets, are raw.
type page struct {
	Style, Script         raw
	StyleHash, ScriptHash string

	Title     string
	Lede      string
	Machines  []string
	Verdicts  []string
	Warnings  []warning
	Summary   table
	Kinds     table // of what went on beside the clients
	KindNotes []string
	Floors    floorsView
	Generated string
	Command   string

	SummaryNote  string
	Environments []environment
	Cells        []cellView
	Method       []string
	Data         raw
}

// pair is a name with its value.
type pair struct{ Name, Value string }

// environment is one machine and build, as one line and in full.
type environment struct {
	Name  string
	Pairs []pair
}

func newPage(in Input) (page, error) {
	groups := results.Group(in.Records)
	panels := plot.Panels(groups.Cells)
	envs := environments(in.Records)
	figures, err := json.Marshal(newFigureData(panels))
	if err != nil {
		return page{}, err
	}
	p := page{
		Style: raw(style), Script: raw(script),
		StyleHash: hash(style), ScriptHash: hash(script),
		Title: title(in), Lede: lede(in.Records, len(groups.Cells)),
		Verdicts: verdicts(groups), Warnings: warnings(in, groups),
		Generated: in.Generated.UTC().Format("2 January 2006 15:04 UTC"), Command: results.Inert(in.Command),
		Method: method, Data: raw(figures),
	}
	for i, e := range envs {
		view := environment{Pairs: environmentPairs(e.env)}
		if len(envs) > 1 {
			view.Name = fmt.Sprintf("%d of %d, %s", i+1, len(envs), count(e.runs, "run"))
		}
		p.Environments = append(p.Environments, view)
	}
	p.Machines = machines(envs)
	if n := len(p.Machines); n > 3 {
		p.Machines = append(p.Machines[:3], fmt.Sprintf("and %d more environments, all listed under Cells", n-3))
	}
	p.Floors = newFloors(results.Ladders(groups))
	p.Summary = summary(panels)
	p.Kinds, p.KindNotes = kinds(panels)
	p.SummaryNote = summaryNote(panels)
	p.Cells = cellViews(in, panels)
	return p, nil
}

func title(in Input) string {
	if in.Title != "" {
		return results.Inert(in.Title)
	}
	var suites []string
	for _, r := range in.Records {
		if !slices.Contains(suites, r.Suite) {
			suites = append(suites, r.Suite)
		}
	}
	slices.Sort(suites)
	if len(suites) == 0 {
		return "No runs"
	}
	return results.Inert("Suite " + listed(suites, 3))
}

// lede says what was measured and when.
func lede(records []*results.Record, cells int) string {
	if len(records) == 0 {
		return "There are no runs to report."
	}
	first, last := records[0].Start, records[0].Start
	sets := map[string]map[string]bool{"engine": {}, "log": {}, "workload": {}}
	for _, r := range records {
		if r.Start.Before(first) {
			first = r.Start
		}
		if r.Start.After(last) {
			last = r.Start
		}
		for factor, set := range sets {
			if v := r.Factors[factor]; v != "" && v != "-" {
				set[v] = true
			}
		}
	}
	parts := []string{count(len(sets["engine"]), "engine")}
	if n := len(sets["log"]); n > 0 && len(sets["engine"]) == 0 {
		parts = []string{count(n, "raft log")}
	} else if n > 1 {
		parts = append(parts, count(n, "raft log"))
	}
	parts = append(parts, count(len(sets["workload"]), "workload"))
	return fmt.Sprintf("%s of %s: %s. Measured %s.", count(len(records), "run"), count(cells, "cell"),
		strings.Join(parts, ", "), span(first, last))
}

// span writes two times, the common parts once.
func span(first, last time.Time) string {
	first, last = first.UTC(), last.UTC()
	from, to := first.Format("2 January 2006, 15:04"), last.Format("15:04 UTC")
	switch {
	case first.Truncate(time.Minute).Equal(last.Truncate(time.Minute)):
		return from + " UTC"
	case first.Format(time.DateOnly) != last.Format(time.DateOnly):
		to = last.Format("2 January 2006, 15:04 UTC")
	}
	return from + " to " + to
}

// listed joins the first few of many names.
func listed(names []string, most int) string {
	if len(names) <= most+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// verdicts is one sentence a workload: who won, by how much, with what confidence.
func verdicts(groups *results.Groups) []string {
	var out []string
	for _, w := range results.Winners(groups) {
		out = append(out, w.String())
	}
	return append(out, results.FloorSentences(results.Ladders(groups))...)
}
