package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/plot"
)

// cellView is everything about one cell.
type cellView struct {
	Name     string
	Color    string
	Label    string
	Headline string
	Repeat   string
	Warnings []string
	Ops      []opsView
	Stages   []stageView
	Runs     []runView
	Factors  []pair
	Bytes    []pair
	Options  []optionsView
}

// opsView is one kind of operation by one clock, runs merged.
type opsView struct {
	Kind, Clock   string
	Done          string
	Latencies     []string
	Late, Dropped string
	Errors        string
}

// stageView is one stage of the target, runs merged.
type stageView struct {
	Name, Doc string
	Counted   string
	Latencies []string
}

func stageViews(c *results.Cell) []stageView {
	var out []stageView
	for _, s := range c.Stages() {
		out = append(out, stageView{
			Name: results.Inert(s.Name), Doc: results.Inert(s.Doc),
			Counted: grouped(float64(s.Times.Count())), Latencies: latencyTexts(s.Times),
		})
	}
	return out
}

// runView is one run.
type runView struct {
	Rep        string
	Throughput string
	Order      int
	Seed       string
	Start      string
	Phases     string
	CPU        string
	RSS        string
	GC         string
	Verdicts   []results.Verdict
}

// optionsView is the effective options of one component.
type optionsView struct {
	Name  string
	Pairs []pair
}

func cellViews(in Input, panels []plot.Panel) []cellView {
	var out []cellView
	for _, p := range panels {
		for _, l := range p.Lines {
			c := l.Cell
			v := cellView{
				Name: p.Title + " · " + l.Label, Color: l.Look.Hex(),
				Label:    string(c.Durability) + ", " + string(c.Consistency),
				Headline: grouped(c.Summary(results.Throughput()).Center) + " operations / s",
				Ops:      opsViews(c.Runs), Stages: stageViews(c), Runs: runViews(c.Runs),
				Factors: mapPairs(c.Factors), Bytes: bytePairs(c),
			}
			for _, w := range c.Warnings {
				v.Warnings = append(v.Warnings, results.Inert(w))
			}
			first := c.Runs[0]
			if in.Repeat != nil {
				v.Repeat = results.Inert(in.Repeat(first))
			}
			for _, name := range slices.Sorted(maps.Keys(first.Options)) {
				v.Options = append(v.Options, optionsView{results.Inert(name), mapPairs(first.Options[name])})
			}
			out = append(out, v)
		}
	}
	return out
}

// opsViews merges the runs by kind and clock; failed operations have their own line.
func opsViews(runs []*results.Record) []opsView {
	merged := map[string]*results.OpStats{}
	for _, r := range runs {
		for kind, o := range r.Everything() {
			m := merged[kind]
			if m == nil {
				m = &results.OpStats{Errors: map[string]int64{}, Service: results.NewHistogram(), Response: results.NewHistogram(), Failed: results.NewHistogram()}
				merged[kind] = m
			}
			m.Service.Merge(o.Service)
			m.Response.Merge(o.Response)
			m.Failed.Merge(o.Failed)
			m.Late, m.Dropped, m.Behind = m.Late+o.Late, m.Dropped+o.Dropped, m.Behind+o.Behind
			for class, n := range o.Errors {
				m.Errors[class] += n
			}
		}
	}
	var out []opsView
	for _, kind := range slices.Sorted(maps.Keys(merged)) {
		m := merged[kind]
		view := func(clock string, h *results.Histogram) opsView {
			return opsView{
				Kind: results.Inert(kind), Clock: clock, Done: grouped(float64(h.Count())), Latencies: latencyTexts(h),
				Late: grouped(float64(m.Late)), Dropped: grouped(float64(m.Dropped)), Errors: errorText(m),
			}
		}
		if m.Response.Count() > 0 {
			out = append(out, view("response", m.Response))
		}
		out = append(out, view("service", m.Service))
		if m.Failed.Count() > 0 {
			out = append(out, view("failed", m.Failed))
		}
	}
	return out
}

func latencyTexts(h *results.Histogram) []string {
	var out []string
	for _, q := range []float64{0.5, 0.9, 0.99, 0.999, 0.9999, 1} {
		out = append(out, quantile(h, q).Text)
	}
	if h.Count() == 0 {
		return append(out, "–")
	}
	return append(out, plot.FormatTime(float64(h.Mean())))
}

// errorText is the errors by class, and what background work still owed.
func errorText(o *results.OpStats) string {
	var parts []string
	for _, class := range slices.Sorted(maps.Keys(o.Errors)) {
		if o.Errors[class] > 0 {
			parts = append(parts, fmt.Sprintf("%d × %s", o.Errors[class], class))
		}
	}
	if o.Behind > 0 {
		parts = append(parts, grouped(float64(o.Behind))+" owed at the end")
	}
	return results.Inert(strings.Join(parts, "; "))
}

func runViews(runs []*results.Record) []runView {
	var out []runView
	for _, r := range runs {
		v := runView{
			Rep: fmt.Sprint(r.Rep), Throughput: rateText(r), Order: r.Order,
			Seed: fmt.Sprint(r.Seed), Start: r.Start.UTC().Format("15:04:05"), Phases: phaseText(r.Phases),
			CPU: cpuText(r), RSS: "–", GC: "–",
		}
		if n := r.Resources.MaxRSSBytes; n >= 0 {
			v.RSS = plot.FormatBytes(float64(n))
		}
		if d := r.Resources.GCPause; d >= 0 {
			v.GC = plot.FormatTime(float64(d))
		}
		for _, d := range r.Verdicts {
			v.Verdicts = append(v.Verdicts, results.Verdict{Name: results.Inert(d.Name), OK: d.OK, Detail: results.Inert(d.Detail)})
		}
		out = append(out, v)
	}
	return out
}

// cpuText is the CPU an operation, and the load generator's own beside it.
func cpuText(r *results.Record) string {
	n := float64(r.Count())
	if n == 0 {
		return "–"
	}
	text := "–"
	if r.Resources.UserCPU >= 0 {
		text = plot.FormatTime(float64(r.Resources.UserCPU+r.Resources.SystemCPU) / n)
	}
	if own := r.Generator; own != nil {
		text += " + " + plot.FormatTime(float64(own.UserCPU+own.SystemCPU)/n) + " client"
	}
	return text
}

func rateText(r *results.Record) string {
	v, ok := results.Throughput().Of(r)
	if !ok {
		return "–"
	}
	return grouped(v)
}

func phaseText(phases []results.Phase) string {
	var parts []string
	for _, p := range phases {
		s := p.Name + " " + plot.FormatTime(float64(p.Duration.Round(time.Microsecond)))
		if p.Errors > 0 {
			s += fmt.Sprintf(" (%d errors)", p.Errors)
		}
		parts = append(parts, s)
	}
	return results.Inert(strings.Join(parts, ", "))
}

// bytePairs is the ledger of the run of median throughput.
func bytePairs(c *results.Cell) []pair {
	b := plot.Typical(c).Bytes
	show := func(v int64) string {
		if v < 0 {
			return "unknown"
		}
		return plot.FormatBytes(float64(v))
	}
	syncs := "unknown"
	if b.Syncs >= 0 {
		syncs = grouped(float64(b.Syncs))
	}
	return []pair{
		{"written by clients", show(b.ClientWritten)}, {"read by clients", show(b.ClientRead)},
		{"written by the engine", show(b.EngineWritten)}, {"sent to the device", show(b.DeviceWritten)},
		{"syncs", syncs}, {"dataset", show(b.Dataset)}, {"disk after the drain", show(b.Disk)},
		{"disk at its largest", show(b.DiskPeak)}, {"live", show(b.Live)}, {"log", show(b.Log)},
	}
}
