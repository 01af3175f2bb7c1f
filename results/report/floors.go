package report

import (
	"fmt"
	"slices"

	"github.com/etalon-kv/etalon/results"
)

// floorsView is the table of what each floor costs: a row a ladder, a column a floor.
type floorsView struct {
	Title   string // of the metric
	Targets []string
	Rows    []floorRow
}

type floorRow struct {
	First             bool // of its workload
	Workload, Subject string
	Steps             []floorStep
}

// floorStep is one floor: its figure, how that compares with the floor below, the label, and the CPU
// an operation.
type floorStep struct{ Value, Ratio, Interval, Label, CPU string }

func newFloors(ladders []results.Ladder) floorsView {
	if len(ladders) == 0 {
		return floorsView{}
	}
	v := floorsView{Title: ladders[0].Metric.Title, Targets: results.LadderTargets(ladders)}
	for i, l := range ladders {
		row := floorRow{First: i > 0 && l.Workload != ladders[i-1].Workload, Workload: l.Workload, Subject: l.Subject}
		for _, target := range v.Targets {
			at := slices.IndexFunc(l.Steps, func(s results.Step) bool { return s.Target == target })
			if at < 0 {
				row.Steps = append(row.Steps, floorStep{Value: "–"})
				continue
			}
			s := l.Steps[at]
			step := floorStep{Label: string(s.Cell.Durability) + ", " + string(s.Cell.Consistency), CPU: cpuPerOp(s.Cell).Text}
			step.Value, step.Ratio = l.Text(s)
			if r := s.Ratio; r.NA > 1 && r.NB > 1 {
				step.Interval = intervalText(r)
			}
			row.Steps = append(row.Steps, step)
		}
		v.Rows = append(v.Rows, row)
	}
	return v
}

// intervalText is the interval of a ratio: "0.21…0.27".
func intervalText(r results.Ratio) string { return fmt.Sprintf("%.2f…%.2f", r.Lo, r.Hi) }
