package results

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"strings"
)

// WriteHgrm writes the latency distribution of one kind of operation ("" = all kinds), merged over
// the cell's runs, as HdrHistogram's percentile file (.hgrm), which its plotter and others read.
// Values are microseconds. What the format has no place for stands in comments at the end: the cell,
// its labels, and how many operations were longer than HistogramMax.
func WriteHgrm(w io.Writer, c *Cell, kind string) error {
	what := "service time"
	if c.OpenLoop() {
		what = "response time"
	}
	name := Inert(kind)
	if kind == "" {
		name = "all kinds"
	}
	if c.SaturatedIn(kind) {
		what += " (saturated: it tells how long the run lasted)"
	}
	return c.writeHgrm(w, c.Latency(kind), name+", "+what)
}

// WriteStageHgrm is WriteHgrm for one of the cell's Stages.
func WriteStageHgrm(w io.Writer, c *Cell, s Stage) error {
	return c.writeHgrm(w, s.Times, "stage "+Inert(s.Name)+" ("+Inert(s.Doc)+")")
}

func (c *Cell) writeHgrm(w io.Writer, h *Histogram, what string) error {
	b := bufio.NewWriter(w)
	micro := func(ns float64) float64 { return ns / 1e3 }
	fmt.Fprintf(b, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")
	for p := range h.Percentiles(5) {
		if p.Quantile >= 1 {
			fmt.Fprintf(b, "%12.3f %1.12f %10d\n", micro(float64(p.Value)), p.Quantile, p.Count)
			continue
		}
		fmt.Fprintf(b, "%12.3f %1.12f %10d %14.2f\n", micro(float64(p.Value)), p.Quantile, p.Count, 1/(1-p.Quantile))
	}
	fmt.Fprintf(b, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", micro(float64(h.Mean())), micro(h.stdDev()))
	fmt.Fprintf(b, "#[Max     = %12.3f, Total count    = %12d]\n", micro(float64(h.Max())), h.Count())
	fmt.Fprintf(b, "#[Buckets = %12d, SubBuckets     = %12d]\n", blockCount-1, 2*blockLen)
	fmt.Fprintf(b, "# %s in microseconds, %d runs merged\n# %s\n# durability %s, consistency %s\n",
		what, len(c.Runs), CellText(c.Factors), c.Durability, c.Consistency)
	if h.Overflow() > 0 {
		fmt.Fprintf(b, "# %d operations took longer than %v: percentiles among them are shown as the longest\n", h.Overflow(), HistogramMax)
	}
	return b.Flush()
}

// stdDev is that of the counters' middles, in nanoseconds; the overflow counts as the maximum.
func (h *Histogram) stdDev() float64 {
	if h.count == 0 {
		return 0
	}
	mean := float64(h.sumNS) / float64(h.count)
	sq := float64(h.overflow) * (float64(h.maxNS) - mean) * (float64(h.maxNS) - mean)
	for b := range h.Buckets() {
		d := float64(b.Lo+b.Hi)/2 - mean
		sq += float64(b.Count) * d * d
	}
	return math.Sqrt(sq / float64(h.count))
}

// FileName is a name for a file of the cell that no other cell of a store has: readable words and a
// hash, without an ending. Labels and kind are part of it.
func (c *Cell) FileName(kind string) string {
	words := []string{c.Factors["workload"], Subject(c.Factors), kind}
	sum := sha256.Sum256([]byte(CellText(c.Factors) + "\n" + string(c.Durability) + "\n" + string(c.Consistency) + "\n" + kind))
	slug := strings.Map(func(r rune) rune {
		if isIDRune(r) && r != '.' {
			return r
		}
		return '-'
	}, strings.Join(words, "-"))
	return strings.Trim(slug[:min(len(slug), 80)], "-") + "-" + hex.EncodeToString(sum[:4])
}
