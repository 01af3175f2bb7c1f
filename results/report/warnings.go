package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/etalon-kv/etalon/results"
)

// warning is one line that a reader must not miss.
type warning struct {
	Kind  string
	Where string
	Text  string
	Bad   bool // something was left out or is wrong, not merely to be kept in mind
}

// warnings collects what is wrong or doubtful, the worst first.
func warnings(in Input, groups *results.Groups) []warning {
	var out []warning
	for _, p := range in.Problems {
		out = append(out, warning{Kind: "File left out", Text: p.String(), Bad: true})
	}
	for _, r := range groups.Invalid {
		out = append(out, warning{Kind: "Invalid run, in no figure", Where: results.Inert(r.ID), Text: failedVerdicts(r), Bad: true})
	}
	out = append(out, operationErrors(in.Records, groups.Varying)...)
	for _, w := range groups.Warnings {
		out = append(out, warning{Kind: "Not the same conditions", Text: results.Inert(w)})
	}
	return append(out, cellWarnings(groups)...)
}

func failedVerdicts(r *results.Record) string {
	var failed []string
	for _, v := range r.Verdicts {
		if !v.OK {
			failed = append(failed, v.Name+": "+v.Detail)
		}
	}
	return results.Inert(strings.Join(failed, "; "))
}

// operationErrors names the cells whose operations failed, with the classes.
func operationErrors(records []*results.Record, varying []string) []warning {
	classes := map[string]map[string]int64{}
	for _, r := range records {
		for kind, ops := range r.Everything() {
			for class, n := range ops.Errors {
				if n == 0 {
					continue
				}
				name := cellName(r.Factors, varying)
				if classes[name] == nil {
					classes[name] = map[string]int64{}
				}
				classes[name][kind+" "+class] += n
			}
		}
	}
	var out []warning
	for _, name := range slices.Sorted(maps.Keys(classes)) {
		var parts []string
		for _, class := range slices.Sorted(maps.Keys(classes[name])) {
			parts = append(parts, fmt.Sprintf("%d × %s", classes[name][class], class))
		}
		out = append(out, warning{Kind: "Failed operations", Where: name, Text: results.Inert(strings.Join(parts, "; "))})
	}
	return out
}

// cellWarnings are those of the cells, those that differ only in numbers as one: each cell's own are
// with what the page says of it.
func cellWarnings(groups *results.Groups) []warning {
	var out []warning
	for _, a := range groups.Alike() {
		out = append(out, warning{Kind: "Warning", Where: where(groups, a.Cells), Text: results.Inert(a.String())})
	}
	var few []*results.Cell
	for _, c := range groups.Cells {
		if !c.Summary(results.Throughput()).Bounded {
			few = append(few, c)
		}
	}
	if len(few) > 0 {
		out = append(out, warning{Kind: "Warning", Where: where(groups, few),
			Text: "fewer than 6 runs, too few for a 95 % confidence interval: the range of the runs is shown instead"})
	}
	return out
}

// where names cells, by number if they are many.
func where(groups *results.Groups, cells []*results.Cell) string {
	switch n := len(cells); {
	case n == len(groups.Cells) && n > 1:
		return "every cell"
	case n > 4:
		return fmt.Sprintf("%d of %d cells", n, len(groups.Cells))
	}
	var names []string
	for _, c := range cells {
		names = append(names, cellName(c.Factors, groups.Varying))
	}
	return strings.Join(names, ", ")
}

// cellName names a cell by the factors that everybody looks for, and by what else tells it from others.
func cellName(factors map[string]string, varying []string) string {
	subject := results.Subject(factors)
	words := []string{factors["workload"] + " on " + subject}
	for _, f := range varying {
		if v := factors[f]; f != "workload" && v != subject && v != "" && v != "-" {
			words = append(words, f+" "+v)
		}
	}
	return results.Inert(strings.Join(words, ", "))
}
