package results

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/perf/benchfmt"
)

// WriteBenchfmt writes one line a valid run in the format of go test -bench, for benchstat:
//
//	BenchmarkPut/clients=4/engine=bolt/…-2 184213 1998 ops/s 4300211 p99-ns …
//
// All factors are in the name, so that `benchstat -col /engine` and the like work; labels, machine
// and software are configuration lines, and since benchstat makes a table for each configuration,
// different labels or machines never share one. Kinds of operations have units of their own
// (put-p99-ns) where a run has several. Units carry what better means. Invalid runs are named in
// lines that benchstat does not read.
func WriteBenchfmt(w io.Writer, recs []*Record) error {
	var valid []*Record
	for _, r := range recs {
		if r.Valid() {
			valid = append(valid, r)
		} else if _, err := fmt.Fprintf(w, "# left out, invalid: %s\n", r.ID); err != nil {
			return err
		}
	}
	bw := benchfmt.NewWriter(w)
	metrics := metricsOf(valid)
	for _, m := range metrics {
		better := "lower"
		if m.Better == HigherBetter {
			better = "higher"
		}
		meta := &benchfmt.UnitMetadata{OrigUnit: benchWord(m.Unit), Value: better}
		meta.Key = "better"
		if err := bw.Write(meta); err != nil {
			return err
		}
	}
	for _, r := range valid {
		res := &benchfmt.Result{Config: benchConfig(r), Name: benchName(r), Iters: int(max(r.Count(), 1))}
		for _, m := range metrics {
			if x, ok := m.Of(r); ok && finite(x) {
				res.Values = append(res.Values, benchfmt.Value{Value: x, Unit: benchWord(m.Unit)})
			}
		}
		if len(res.Values) == 0 {
			continue
		}
		if err := bw.Write(res); err != nil {
			return err
		}
	}
	return nil
}

// metricsOf are all metrics, those of each kind of operation where any run has several, and those of
// the stages that any run has.
func metricsOf(recs []*Record) []Metric {
	ms := Metrics()
	kinds := map[string]bool{}
	for _, r := range recs {
		if len(r.Ops)+len(r.Background) > 1 {
			for k := range r.Everything() {
				kinds[k] = true
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		for _, q := range []float64{0.5, 0.99, 0.999} {
			ms = append(ms, LatencyQuantile(k, q))
		}
	}
	for _, s := range stageNames(recs) {
		for _, q := range []float64{0.5, 0.99} {
			ms = append(ms, StageQuantile(s, q))
		}
	}
	return ms
}

func benchConfig(r *Record) []benchfmt.Config {
	var out []benchfmt.Config
	for _, kv := range [][2]string{
		{"durability-label", string(r.Durability)}, {"consistency-label", string(r.Consistency)},
		{"goos", r.Env.OS}, {"goarch", r.Env.Arch}, {"cpu", r.Env.CPU}, {"kernel", r.Env.Kernel},
		{"filesystem", r.Env.FileSystem}, {"device", r.Env.Device}, {"host", r.Env.Host},
		{"go", r.Env.GoVersion}, {"commit", r.Env.Commit},
	} {
		if v := strings.TrimSpace(Inert(kv[1])); v != "" {
			out = append(out, benchfmt.Config{Key: kv[0], Value: []byte(v), File: true})
		}
	}
	return out
}

// benchName is the workload as a Go name, then every factor.
func benchName(r *Record) benchfmt.Name {
	var b strings.Builder
	upper := true
	for _, c := range r.Factors["workload"] {
		if !isIDRune(c) || c == '-' || c == '_' || c == '.' {
			upper = true
			continue
		}
		if upper {
			c = unicode.ToUpper(c)
		}
		upper = false
		b.WriteRune(c)
	}
	if b.Len() == 0 {
		b.WriteString("Run")
	}
	for _, f := range slices.Sorted(maps.Keys(r.Factors)) {
		b.WriteString("/" + benchWord(f) + "=" + benchWord(r.Factors[f]))
	}
	fmt.Fprintf(&b, "-%d", max(r.Env.GOMAXPROCS, 1))
	return benchfmt.Name(b.String())
}

// benchWord keeps what may stand in a name or unit and writes all else as %XX.
func benchWord(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; isIDRune(rune(c)) || strings.IndexByte("+:,@", c) >= 0 || c == '/' && isUnit(s) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// isUnit tells our units, which may have a slash, from names, which may not.
func isUnit(s string) bool {
	return slices.ContainsFunc(Metrics(), func(m Metric) bool { return m.Unit == s })
}
