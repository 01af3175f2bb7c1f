package results

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// CellText is the canonical text of a cell: its factors as name=value, sorted by name, separated
// by spaces. Values that hold a space, an equals sign or a quote, or are empty, are quoted as in Go,
// so that different cells never have the same text.
func CellText(factors map[string]string) string {
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(factors)) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(quoteWord(name))
		b.WriteByte('=')
		b.WriteString(quoteWord(factors[name]))
	}
	return b.String()
}

func quoteWord(s string) string {
	if q := strconv.Quote(s); s == "" || len(q) != len(s)+2 || strings.ContainsAny(s, " =") {
		return q
	}
	return s
}

// notApplicable is the value of a factor that means nothing in a cell, such as the engine of a target
// that has none.
const notApplicable = "-"

// Subject is what a cell is about, in a word: its engine, the log of a target that has no engine, or
// the target itself where that has neither.
func Subject(factors map[string]string) string { return factors[SubjectFactor(factors)] }

// SubjectFactor is the factor that Subject is the value of: engine, log or target.
func SubjectFactor(factors map[string]string) string {
	for _, name := range []string{"engine", "log"} {
		if v := factors[name]; v != "" && v != "none" && v != notApplicable {
			return name
		}
	}
	return "target"
}

// maxIDBytes bounds a run's ID, so that with its suffixes it is a file name everywhere.
const maxIDBytes = 160

// RunID names a run: readable words from its cell, the repetition, and a hash over cell, repetition
// and definition. definition is a text of everything else that makes the run what it is: suite seed,
// effective options, versions. Equal IDs mean that a finished run needs no repeating.
func RunID(factors map[string]string, rep int, definition string) string {
	cell := CellText(factors)
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %d\n%s\n%s", rep, len(cell), len(definition), cell, definition)
	var words []string
	for _, name := range []string{"target", "engine", "index", "log", "workload"} {
		if v := factors[name]; v != "" && v != notApplicable {
			words = append(words, v)
		}
	}
	slug := strings.Map(func(r rune) rune {
		if isIDRune(r) {
			return r
		}
		return '-'
	}, strings.Join(words, "-"))
	slug = strings.Trim(slug[:min(len(slug), maxIDBytes/2)], "-.")
	return fmt.Sprintf("%s-r%d-%s", "run-"+slug, rep, hex.EncodeToString(h.Sum(nil)[:6]))
}

// checkID answers an error for anything that is not a plain file name of modest length.
func checkID(id string) error {
	bad := strings.IndexFunc(id, func(r rune) bool { return !isIDRune(r) }) >= 0
	if bad || id == "" || id[0] == '.' || len(id) > maxIDBytes {
		return fmt.Errorf("%w: id %q, accepted are 1 to %d letters, digits and -_. with no dot first",
			ErrRecord, clip(id, 80), maxIDBytes)
	}
	return nil
}

func isIDRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.'
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
