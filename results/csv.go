package results

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// WriteCSV writes one row a run, invalid ones too (column valid): ids, labels, a column factor.X for
// every factor, then every metric by its unit. A figure that a run does not have is empty. Text that
// a spreadsheet would take for a formula has a quote before it; control characters are escaped.
func WriteCSV(w io.Writer, recs []*Record) error {
	factors := factorNames(nil, recs)
	metrics := metricsOf(recs)
	head := []string{"id", "suite", "rep", "order", "start", "seed", "valid", "durability", "consistency"}
	for _, f := range factors {
		head = append(head, cellText("factor."+f))
	}
	for _, m := range metrics {
		head = append(head, cellText(m.Unit))
	}
	head = append(head, "overflow", "late", "dropped", "warnings")
	cw := csv.NewWriter(w)
	if err := cw.Write(head); err != nil {
		return err
	}
	for _, r := range recs {
		row := []string{r.ID, cellText(r.Suite), strconv.Itoa(r.Rep), strconv.Itoa(r.Order),
			r.Start.UTC().Format(time.RFC3339Nano), strconv.FormatUint(r.Seed, 10),
			strconv.FormatBool(r.Valid()), string(r.Durability), string(r.Consistency)}
		for _, f := range factors {
			row = append(row, cellText(r.Factors[f]))
		}
		for _, m := range metrics {
			text := ""
			if x, ok := m.Of(r); ok && finite(x) {
				text = strconv.FormatFloat(x, 'f', -1, 64)
			}
			row = append(row, text)
		}
		overflow := sumOps(r, func(s *OpStats) int64 { return s.Latency().Overflow() })
		late := sumOps(r, func(s *OpStats) int64 { return s.Late })
		dropped := sumOps(r, func(s *OpStats) int64 { return s.Dropped })
		for _, n := range []float64{overflow, late, dropped} {
			row = append(row, strconv.FormatFloat(n, 'f', -1, 64))
		}
		row = append(row, cellText(strings.Join(r.Warnings, "; ")))
		if err := cw.Write(row); err != nil {
			return err
		}
	}
	cw.Flush()
	return cw.Error()
}

// WriteSeriesCSV writes one row an interval of every run's measured phase, with the id that joins it
// to WriteCSV's row and the factors again. Times are in nanoseconds, unknown figures empty.
func WriteSeriesCSV(w io.Writer, recs []*Record) error {
	factors := factorNames(nil, recs)
	head := []string{"id", "rep", "valid", "durability"}
	for _, f := range factors {
		head = append(head, cellText("factor."+f))
	}
	head = append(head, "at-ns", "duration-ns", "ops", "items", "errors", "ops/s", "p50-ns", "p99-ns", "p99.9-ns", "max-ns",
		"cpu-cores", "rss-B", "gc-pause-ns", "disk-B", "engine-B", "device-B")
	cw := csv.NewWriter(w)
	if err := cw.Write(head); err != nil {
		return err
	}
	for _, r := range recs {
		lead := []string{r.ID, strconv.Itoa(r.Rep), strconv.FormatBool(r.Valid()), string(r.Durability)}
		for _, f := range factors {
			lead = append(lead, cellText(r.Factors[f]))
		}
		for _, s := range r.Series {
			rate := ""
			if s.Duration > 0 {
				rate = strconv.FormatFloat(float64(s.Ops)/s.Duration.Seconds(), 'f', 1, 64)
			}
			row := append(slices.Clone(lead), known(int64(s.At)), known(int64(s.Duration)), known(s.Ops), known(s.Items), known(s.Errors), rate,
				known(int64(s.P50)), known(int64(s.P99)), known(int64(s.P999)), known(int64(s.Max)),
				strconv.FormatFloat(s.CPU, 'f', -1, 64), known(s.RSSBytes), known(int64(s.GCPause)),
				known(s.DiskBytes), known(s.EngineBytes), known(s.DeviceBytes))
			if err := cw.Write(row); err != nil {
				return err
			}
		}
	}
	cw.Flush()
	return cw.Error()
}

func known(n int64) string {
	if n < 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// cellText makes a text inert in a spreadsheet, which takes =, +, - and @ at the start, also after
// white space, for a formula.
func cellText(s string) string {
	s = Inert(s)
	if s == "-" { // a factor that means nothing in a cell; no spreadsheet takes it for a formula
		return s
	}
	if t := strings.TrimLeft(s, " \u00a0"); t != "" && strings.ContainsRune("=+-@|%'", rune(t[0])) {
		return "'" + s
	}
	return s
}

// WriteJSONL writes one record a line, in the form in which it is stored, invalid ones too. What a
// terminal might act on is written as \uXXXX, which means the same in JSON.
func WriteJSONL(w io.Writer, recs []*Record) error {
	for _, r := range recs {
		data, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("results: %s: %w", r.ID, err)
		}
		if _, err := w.Write(append(inertJSON(data), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// inertJSON escapes the runes that do not print; in JSON text those stand only within strings.
func inertJSON(data []byte) []byte {
	if bytes.IndexFunc(data, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return data
	}
	var out []byte
	for _, r := range string(data) {
		switch {
		case unicode.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case r < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		}
	}
	return out
}
