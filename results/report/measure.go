package report

import (
	"math"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/plot"
)

// allKinds is the name of every kind of operation together on the page.
const allKinds = "all"

func newLineData(l plot.Line) lineData {
	c := l.Cell
	d := lineData{
		Label: l.Label, Color: l.Look.Hex(), Marker: string(l.Look.Marker), Variant: l.Variant,
		Throughput: newSpread(c), Latency: map[string]latencyCurves{}, Bytes: newByteFlow(c),
	}
	kinds := c.Kinds()
	for _, kind := range kinds {
		d.Latency[results.Inert(kind)] = curves(c, kind)
	}
	d.Latency[allKinds] = curves(c, "")
	if len(kinds) == 1 { // the same; the page offers no choice
		d.Latency = map[string]latencyCurves{allKinds: d.Latency[allKinds]}
	}
	typical := plot.Typical(c)
	for i, r := range c.Runs {
		if r == typical {
			d.MedianRun = i
		}
		d.Runs = append(d.Runs, runSeries{Rep: r.Rep, Seconds: thin(r.Series, seriesPoints)})
	}
	return d
}

func newSpread(c *results.Cell) spread {
	s := c.Summary(results.Throughput())
	d := spread{Median: round(s.Center), Runs: []float64{}}
	if s.N > 1 {
		lo, hi := round(s.Lo), round(s.Hi)
		d.Lo, d.Hi = &lo, &hi
	}
	for _, v := range c.Sample(results.Throughput()) {
		d.Runs = append(d.Runs, round(v))
	}
	return d
}

// curves merges the runs of a cell for one kind of operation, or for all if kind is "".
func curves(c *results.Cell, kind string) latencyCurves {
	service, response := results.NewHistogram(), results.NewHistogram()
	for _, r := range c.Runs {
		for k, o := range r.Everything() {
			if kind == k || kind == "" && r.Ops[k] != nil {
				service.Merge(o.Service)
				response.Merge(o.Response)
			}
		}
	}
	return latencyCurves{Service: sampled(service), Response: sampled(response)}
}

func newByteFlow(c *results.Cell) byteFlow {
	f := plot.FlowOf(c)
	known := func(v float64) float64 {
		if math.IsNaN(v) {
			return -1
		}
		return round(v)
	}
	return byteFlow{Written: known(f.Engine), Device: known(f.Device), Disk: known(f.Disk), Peak: known(f.Peak)}
}
