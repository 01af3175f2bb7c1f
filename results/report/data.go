package report

import (
	"math"
	"strconv"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/plot"
)

// seriesPoints is how many intervals of a run's series are kept at most.
const seriesPoints = 240

// figureData is what report.js draws: the JSON of the page.
type figureData struct {
	Panels   []panelData `json:"panels"`
	Interval string      `json:"interval"` // what the whiskers are
}

type panelData struct {
	Title  string     `json:"title"`
	Labels string     `json:"labels"`
	Lines  []lineData `json:"lines"`
}

type lineData struct {
	Label      string                   `json:"label"`
	Color      string                   `json:"color"`
	Marker     string                   `json:"marker"`
	Variant    int                      `json:"variant"`
	Throughput spread                   `json:"throughput"`
	Latency    map[string]latencyCurves `json:"latency"` // by kind, and "all"
	Runs       []runSeries              `json:"runs"`
	MedianRun  int                      `json:"medianRun"` // index into Runs
	Bytes      byteFlow                 `json:"bytes"`
}

// spread is a median with its interval and the single runs. Lo and Hi are absent without one.
type spread struct {
	Median float64   `json:"median"`
	Lo     *float64  `json:"lo,omitempty"`
	Hi     *float64  `json:"hi,omitempty"`
	Runs   []float64 `json:"runs"`
}

// latencyCurves are pairs of 1/(1-q) and nanoseconds; see plot.Curve.
type latencyCurves struct {
	Service  [][2]float64 `json:"service"`
	Response [][2]float64 `json:"response,omitempty"`
}

// runSeries is a run by interval: seconds since the phase began, operations a second, and p50, p99
// and max in nanoseconds.
type runSeries struct {
	Rep     int          `json:"rep"`
	Seconds [][5]float64 `json:"seconds"`
}

// byteFlow holds medians; -1 is unknown or meaningless.
type byteFlow struct {
	Written float64 `json:"written"` // engine bytes per client byte
	Device  float64 `json:"device"`  // device bytes per client byte
	Disk    float64 `json:"disk"`
	Peak    float64 `json:"peak"`
}

func newFigureData(panels []plot.Panel) figureData {
	d := figureData{Panels: []panelData{}, Interval: plot.Interval}
	for _, p := range panels {
		pd := panelData{Title: p.Title, Labels: p.Labels}
		for _, l := range p.Lines {
			pd.Lines = append(pd.Lines, newLineData(l))
		}
		d.Panels = append(d.Panels, pd)
	}
	return d
}

// thin keeps at most limit samples by joining neighbours. Throughput is summed; of percentiles and
// maxima, which cannot be averaged, the worst of the joined intervals is kept.
func thin(samples []results.Sample, limit int) [][5]float64 {
	step := (len(samples) + limit - 1) / limit
	out := [][5]float64{}
	for i := 0; i < len(samples); i += step {
		var p [5]float64
		var ops, seconds float64
		for _, s := range samples[i:min(i+step, len(samples))] {
			ops += float64(s.Ops)
			seconds += s.Duration.Seconds()
			p[0] = s.At.Seconds()
			p[2] = math.Max(p[2], float64(s.P50))
			p[3] = math.Max(p[3], float64(s.P99))
			p[4] = math.Max(p[4], float64(s.Max))
		}
		if seconds > 0 {
			p[1] = ops / seconds
		}
		for k, v := range p {
			p[k] = round(v)
		}
		out = append(out, p)
	}
	return out
}

func sampled(h *results.Histogram) [][2]float64 {
	if h == nil || h.Count() == 0 {
		return nil
	}
	points := plot.Curve(h)
	for i, p := range points {
		points[i] = [2]float64{round(p[0]), round(p[1])}
	}
	return points
}

// round keeps five significant digits, which is more than a screen shows.
func round(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 5, 64), 64)
	if err != nil || math.IsInf(r, 0) || math.IsNaN(r) {
		return 0
	}
	return r
}
