package results

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// confidence is the level asked of every interval.
const confidence = 0.95

// Summary is the statistics of one metric over the runs of a cell, one sample a run.
type Summary struct {
	// N is how many runs have the figure; with 0 nothing else is set.
	N int
	// Center is the median, Min and Max the extremes of the runs.
	Center, Min, Max float64
	// Lo and Hi bound the median with at least 95 % confidence, by order statistics, which assume
	// nothing about the distribution. Bounded is false when the runs are too few (6 are needed for
	// 95 %); Lo and Hi are then Min and Max and no confidence interval.
	Lo, Hi  float64
	Bounded bool
	// Warnings say what is missing, such as more runs.
	Warnings []string
}

// Sample is the metric of every run that has it, in the order of Runs. Of latencies there are none as
// soon as one run is saturated: what the other runs show would be the lucky ones.
func (c *Cell) Sample(m Metric) []float64 {
	if m.isLatency() && c.SaturatedIn(m.kind()) {
		return nil
	}
	var xs []float64
	for _, r := range c.Runs {
		if x, ok := m.Of(r); ok && finite(x) {
			xs = append(xs, x)
		}
	}
	return xs
}

// Saturated reports whether any run is.
func (c *Cell) Saturated() bool { return slices.ContainsFunc(c.Runs, (*Record).Saturated) }

// Summary is the median of the metric over the cell's runs with its confidence interval.
func (c *Cell) Summary(m Metric) Summary { return summarize(c.Sample(m)) }

func summarize(xs []float64) Summary {
	if len(xs) == 0 {
		return Summary{}
	}
	thresholds := benchmath.DefaultThresholds
	in := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(xs), &thresholds), confidence)
	s := Summary{
		N: len(xs), Center: in.Center, Min: slices.Min(xs), Max: slices.Max(xs),
		Lo: in.Lo, Hi: in.Hi, Bounded: !math.IsInf(in.Lo, 0) && !math.IsInf(in.Hi, 0),
	}
	if !s.Bounded {
		s.Lo, s.Hi = s.Min, s.Max
	}
	for _, w := range in.Warnings {
		s.Warnings = append(s.Warnings, w.Error())
	}
	return s
}
