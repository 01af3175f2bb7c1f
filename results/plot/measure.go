package plot

import (
	"math"
	"slices"

	"github.com/etalon-kv/etalon/results"
)

// Interval says in a legend's words what a whisker spans.
const Interval = "95 % interval of the median; below 6 runs, lowest to highest"

// Typical returns the run of a cell whose throughput is nearest to the median: the one to show
// where runs cannot be merged, such as a course over time.
func Typical(c *results.Cell) *results.Record {
	m := results.Throughput()
	center := c.Summary(m).Center
	off := func(r *results.Record) float64 {
		v, ok := m.Of(r)
		if !ok {
			return math.Inf(1)
		}
		return math.Abs(v - center)
	}
	return slices.MinFunc(c.Runs, func(a, b *results.Record) int {
		switch x, y := off(a), off(b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return a.Rep - b.Rep
	})
}

// median returns the median of the metric with this unit over the runs, or NaN if no run has it.
func median(c *results.Cell, unit string) float64 {
	ms, err := results.MetricsByUnit(unit)
	if err != nil {
		panic(err) // the units stand in this package
	}
	if s := c.Summary(ms[0]); s.N > 0 {
		return s.Center
	}
	return math.NaN()
}

// devicePerByte is what was sent to the device per client byte, median over runs; NaN if unknown.
func devicePerByte(c *results.Cell) float64 {
	s := c.Summary(results.Metric{Unit: "device-write-amp", Of: func(r *results.Record) (float64, bool) {
		return float64(r.Bytes.DeviceWritten) / float64(r.Bytes.ClientWritten), r.Bytes.DeviceWritten >= 0 && r.Bytes.ClientWritten > 0
	}})
	if s.N == 0 {
		return math.NaN()
	}
	return s.Center
}

// Flow is where the bytes of a cell went: medians over its runs, NaN where nobody counted.
type Flow struct {
	Engine, Device float64 // written per byte that the clients wrote
	Disk, Peak     float64 // bytes of the data directory after the drain, and at its largest
}

// FlowOf returns the flow of a cell.
func FlowOf(c *results.Cell) Flow {
	return Flow{
		Engine: median(c, "write-amp"), Device: devicePerByte(c),
		Disk: median(c, "disk-B"), Peak: median(c, "disk-peak-B"),
	}
}
