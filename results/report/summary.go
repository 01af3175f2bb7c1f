package report

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/plot"
)

// column is one head of the summary table.
type column struct {
	Name   string
	Hint   string
	Number bool
}

// row is one cell of the experiment.
type row struct {
	First  bool // of its panel
	Fields []field
}

// field is one cell of the table. Sort is what a click on the head sorts by: a number or a text.
type field struct {
	Text   string
	Spread string
	Sort   string
	Number bool
	Color  string // set in the field that names the row
}

func text(s string) field {
	s = results.Inert(s)
	return field{Text: s, Sort: s}
}

// number is a field that sorts by v. An unknown one shows a dash and sorts first.
func number(v float64, known bool, format func(float64) string) field {
	if !known {
		return field{Text: "–", Sort: "-1", Number: true}
	}
	return field{Text: format(v), Sort: strconv.FormatFloat(v, 'g', -1, 64), Number: true}
}

// table is a table that a click on its heads sorts.
type table struct {
	Columns []column
	Rows    []row
}

// summary lays out the table: one row for each line of each panel.
func summary(panels []plot.Panel) table {
	extra := extraFactors(panels)
	columns := []column{{Name: "Workload"}, {Name: subjectHead(panels)}}
	for _, f := range extra {
		columns = append(columns, column{Name: results.Inert(f)})
	}
	columns = append(columns, column{Name: "Durability", Hint: "what an acknowledged write has survived, and what a read may answer"})
	_, equal := runsEach(panels)
	if !equal {
		columns = append(columns, column{Name: "N", Hint: "valid runs", Number: true})
	}
	columns = append(columns,
		column{Name: "Operations / s", Hint: "median over runs, and its interval", Number: true},
		column{Name: "p50", Hint: "half of all operations took at most this", Number: true},
		column{Name: "p99", Number: true}, column{Name: "p99.9", Number: true},
		column{Name: "max", Hint: "the slowest operation of all runs", Number: true},
		column{Name: "CPU / op", Hint: "user and system time of the processes that did the work; the load generator is part of them unless they are servers", Number: true},
		column{Name: "Written", Hint: "bytes written by the engine per byte the clients wrote", Number: true},
		column{Name: "Disk", Hint: "data directory after the drain", Number: true},
	)
	var rows []row
	for _, p := range panels {
		for i, l := range p.Lines {
			rows = append(rows, row{First: i == 0 && len(rows) > 0, Fields: summaryFields(l, extra, !equal)})
		}
	}
	return table{columns, rows}
}

// kinds lays out what went on beside the clients: a row for each kind of the lines with watchers or
// compactions. The latencies of the summary tell of operations only.
func kinds(panels []plot.Panel) (t table, notes []string) {
	extra := extraFactors(panels)
	seen := map[string]bool{}
	for _, p := range panels {
		first := len(t.Rows) > 0
		for _, l := range p.Lines {
			all := l.Cell.Kinds()
			if !slices.Contains(all, results.KindEvent) && !slices.Contains(all, results.KindCompaction) {
				continue
			}
			for _, kind := range all {
				seen[kind] = true
				t.Rows = append(t.Rows, row{First: first, Fields: kindFields(l, extra, kind)})
				first = false
			}
		}
	}
	t.Columns = []column{{Name: "Workload"}, {Name: subjectHead(panels)}}
	for _, f := range extra {
		t.Columns = append(t.Columns, column{Name: results.Inert(f)})
	}
	t.Columns = append(t.Columns, column{Name: "Durability"}, column{Name: "Kind"}, column{Name: "Count", Number: true},
		column{Name: "p50", Number: true}, column{Name: "p99", Number: true}, column{Name: "p99.9", Number: true}, column{Name: "max", Number: true})
	for _, kind := range []string{results.KindEvent, results.KindCompaction} {
		if seen[kind] {
			notes = append(notes, results.KindDoc(kind)+".")
		}
	}
	return t, notes
}

func kindFields(l plot.Line, extra []string, kind string) []field {
	name := text(results.Subject(l.Cell.Factors))
	name.Color = l.Look.Hex()
	fields := []field{text(l.Cell.Factors["workload"]), name}
	for _, f := range extra {
		fields = append(fields, text(l.Cell.Factors[f]))
	}
	h := l.Cell.Latency(kind)
	fields = append(fields, text(string(l.Cell.Durability)+", "+string(l.Cell.Consistency)), text(kind), number(float64(h.Count()), true, grouped))
	for _, q := range []float64{0.5, 0.99, 0.999, 1} {
		if l.Cell.SaturatedIn(kind) {
			fields = append(fields, number(0, false, nil))
			continue
		}
		fields = append(fields, quantile(h, q))
	}
	return fields
}

// subjectHead names what the lines are: engines, logs or targets, or some of each.
func subjectHead(panels []plot.Panel) string {
	factor := ""
	for _, p := range panels {
		for _, l := range p.Lines {
			switch f := results.SubjectFactor(l.Cell.Factors); {
			case factor == "":
				factor = f
			case factor != f:
				return "Subject"
			}
		}
	}
	return map[string]string{"": "Engine", "engine": "Engine", "log": "Log", "target": "Target"}[factor]
}

// runsEach is how many valid runs a row has, if all have as many.
func runsEach(panels []plot.Panel) (n int, equal bool) {
	for _, p := range panels {
		for _, l := range p.Lines {
			if n > 0 && len(l.Cell.Runs) != n {
				return 0, false
			}
			n = len(l.Cell.Runs)
		}
	}
	return n, true
}

func summaryFields(l plot.Line, extra []string, withRuns bool) []field {
	c := l.Cell
	name := text(results.Subject(c.Factors))
	name.Color = l.Look.Hex()
	fields := []field{text(c.Factors["workload"]), name}
	for _, f := range extra {
		fields = append(fields, text(c.Factors[f]))
	}
	rate := c.Summary(results.Throughput())
	ops := number(rate.Center, rate.N > 0, grouped)
	ops.Spread = spreadText(rate)
	h := c.Latency("")
	fields = append(fields, text(string(c.Durability)+", "+string(c.Consistency)))
	if withRuns {
		fields = append(fields, number(float64(len(c.Runs)), true, grouped))
	}
	fields = append(fields, ops)
	for _, q := range []float64{0.5, 0.99, 0.999, 1} {
		if c.Saturated() {
			fields = append(fields, number(0, false, nil))
			continue
		}
		fields = append(fields, quantile(h, q))
	}
	flow := newByteFlow(c)
	return append(fields, cpuPerOp(c),
		number(flow.Written, flow.Written >= 0, plot.FormatTimes),
		number(flow.Disk, flow.Disk >= 0, plot.FormatBytes))
}

// quantile shows q of h; where fewer operations were done than q can tell, a dash.
func quantile(h *results.Histogram, q float64) field {
	d, ok := h.Quantile(q)
	if h.Count() == 0 || q < 1 && float64(h.Count())*(1-q) < 1 {
		return number(0, false, nil)
	}
	f := number(float64(d), true, plot.FormatTime)
	switch {
	case !ok:
		f.Text = "> " + plot.FormatTime(float64(results.HistogramMax))
	case h.Floored(d):
		f.Text = "≤ " + f.Text
	}
	return f
}

// spreadText is the interval of a throughput in per cent of its median.
func spreadText(s results.Summary) string {
	if s.N < 2 || s.Center <= 0 {
		return ""
	}
	return "(−" + percent((s.Center-s.Lo)/s.Center) + " +" + percent((s.Hi-s.Center)/s.Center) + " %)"
}

// percent writes a share in per cent to two digits or so.
func percent(share float64) string {
	if share >= 0.0995 {
		return fmt.Sprintf("%.0f", 100*share)
	}
	return fmt.Sprintf("%.1f", 100*share)
}

func cpuPerOp(c *results.Cell) field {
	ms, err := results.MetricsByUnit("cpu-ns/op")
	if err != nil {
		panic(err) // the unit stands above
	}
	s := c.Summary(ms[0])
	return number(s.Center, s.N > 0, plot.FormatTime)
}

// extraFactors are those that differ between cells beside workload, engine and durability.
func extraFactors(panels []plot.Panel) []string {
	first := map[string]string{}
	var out []string
	for _, p := range panels {
		for _, l := range p.Lines {
			for f, v := range l.Cell.Factors {
				if v == "-" { // means nothing here, which is no other value
					continue
				}
				if was, ok := first[f]; !ok {
					first[f] = v
				} else if was != v && !slices.Contains(out, f) && f != "workload" && f != "engine" && f != "durability" && !isSubject(l.Cell, f) {
					out = append(out, f)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// isSubject: the factor is the name of the row already.
func isSubject(c *results.Cell, factor string) bool {
	return factor == "log" && results.Subject(c.Factors) == c.Factors["log"]
}

// grouped writes a whole number with commas between thousands.
func grouped(v float64) string {
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// summaryNote says how to read the table.
func summaryNote(panels []plot.Panel) string {
	clock := "service time, closed loop"
	open, closed, saturated := false, false, false
	for _, p := range panels {
		for _, l := range p.Lines {
			for _, r := range l.Cell.Runs {
				saturated = saturated || r.Saturated()
				for _, o := range r.Ops {
					open = open || o.Response != nil
					closed = closed || o.Response == nil
				}
			}
		}
	}
	switch {
	case open && closed:
		clock = "response time where the load is an open loop, else service time"
	case open:
		clock = "response time, open loop"
	}
	note := ""
	if n, equal := runsEach(panels); equal && n > 1 {
		note = fmt.Sprintf(" Every row has %d runs.", n)
	} else if equal {
		note = " Every row has one run."
	}
	if saturated {
		note += " Where the target did not keep up with the load there is none: it would tell how long the run lasted."
	}
	return fmt.Sprintf("Latencies are of all operations of all runs together (%s).%s In brackets: %s, from the median. Click a head to sort.", clock, note, plot.Interval)
}
