package resultstest

import (
	"strings"

	"github.com/etalon-kv/etalon/results"
)

// HostileStrings are texts that must stay inert wherever a record's strings are shown: markup and
// scripts for HTML and SVG, formulas for spreadsheets, line breaks and escape sequences for
// terminals and line formats, broken UTF-8.
func HostileStrings() []string {
	return []string{
		`<script>alert(1)</script>`,
		`"><img src=x onerror=alert(1)>`,
		`javascript:alert(1)`,
		`</svg><script>alert(1)</script>`,
		`=cmd|' /C calc'!A0`,
		`+1+1`, `-2+3`, `@SUM(A1)`,
		"\x1b[2J\x1b]0;title\x07red",
		"two\nlines\r\tand a tab",
		"Benchmark 1 2 ns/op",
		"\u202eright to left\u0000",
		"\xff\xfe broken",
		"{{.Secret}} %s %n ${HOME}",
	}
}

// Hostile returns valid records whose every free text is hostile: one a string, in one workload.
func Hostile() []*results.Record {
	var recs []*results.Record
	for i, h := range HostileStrings() {
		r := Records(Options{Seed: uint64(i), Engines: []string{"bolt"}, Workloads: []string{"put"}, Reps: 1})[0]
		text := strings.ToValidUTF8(h, "?") // what factors must be
		r.Factors["engine"], r.Factors["note"+text] = text, text
		r.Cell = results.CellText(r.Factors)
		r.ID = results.RunID(r.Factors, r.Rep, h)
		r.Suite = h
		r.Options["engine"][h] = h
		r.Env.CPU, r.Env.Kernel, r.Env.FileSystem, r.Env.Modules[h] = h, h, h, h
		r.Ops[h] = r.Ops["put"]
		r.Phases = append(r.Phases, results.Phase{Name: h})
		r.Stages = []results.Stage{{Name: "queue", Doc: h, Times: r.Ops[h].Service}}
		r.Warnings = append(r.Warnings, h)
		r.Verdicts = append(r.Verdicts, results.Verdict{Name: h, OK: true, Detail: h})
		r.Ops[h].Errors[h] = 1
		recs = append(recs, r)
	}
	return recs
}
