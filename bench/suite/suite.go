package suite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/etalon-kv/etalon/internal/nearest"
	"github.com/etalon-kv/etalon/results"
)

// Bounds of what a suite may ask for: far above any sensible experiment, below what would hang a
// machine for days by a slip of the finger.
const (
	MaxReps     = 1000
	MaxRuns     = 100_000
	MaxDuration = 24 * time.Hour
)

// NotApplicable is the value of a factor that has no meaning in a cell, such as the engine of the
// null target.
const NotApplicable = "-"

// Factor is something a suite may vary.
type Factor struct {
	Name    string
	Default string
	Doc     string // one line for lists and help
	// Check refuses a bad value with an error that says what is accepted.
	Check func(value string) error
	// Applies tells whether the factor means anything in a cell; nil = always. A factor that does
	// not apply is NotApplicable, so that cells which differ only in it are one.
	Applies func(cell map[string]string) bool
}

// Suite is an experiment: every combination of its factors' values, each measured Reps times.
type Suite struct {
	Name string
	Doc  string
	Seed uint64
	Reps int
	// Warmup and Duration are those of each run's phases.
	Warmup, Duration time.Duration
	// Factors holds the values of the factors that the suite sets; the others keep their default.
	Factors map[string][]string
	// Exclude drops the cells that match all values of any of its entries.
	Exclude []map[string]string
	// Options holds settings beyond the factors by component ("pebble") and name.
	Options map[string]map[string]any
}

// Run is one measurement to make.
type Run struct {
	Suite string
	// Cell is the canonical text of Factors.
	Cell    string
	Factors map[string]string
	Rep     int // from 1
	Order   int // place in the suite, from 0
	// Seed drives the load. Runs of one repetition share it, so that every cell of a repetition
	// sees the same sequence of operations.
	Seed uint64
}

// Validate checks the suite against the factors that exist.
func (s *Suite) Validate(factors []Factor) error {
	if err := checkName(s.Name); err != nil {
		return fmt.Errorf("suite: %w", err)
	}
	switch {
	case s.Reps < 1 || s.Reps > MaxReps:
		return fmt.Errorf("suite: reps %d, accepted: 1 to %d", s.Reps, MaxReps)
	case s.Duration <= 0 || s.Duration > MaxDuration:
		return fmt.Errorf("suite: duration %v, accepted: above 0 to %v", s.Duration, MaxDuration)
	case s.Warmup < 0 || s.Warmup > MaxDuration:
		return fmt.Errorf("suite: warmup %v, accepted: 0 to %v", s.Warmup, MaxDuration)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Factors)) {
		if err := checkFactor(factors, name, s.Factors[name]); err != nil {
			return fmt.Errorf("suite: %w", err)
		}
	}
	for _, cell := range s.Exclude {
		for _, name := range slices.Sorted(maps.Keys(cell)) {
			if err := checkFactor(factors, name, []string{cell[name]}); err != nil {
				return fmt.Errorf("suite: exclude: %w", err)
			}
		}
	}
	return nil
}

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("no name given")
	case strings.ContainsFunc(name, func(r rune) bool { return !isNameRune(r) }):
		return fmt.Errorf("name %q, accepted: letters, digits, '-', '_' and '.'", name)
	}
	return nil
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)
}

func checkFactor(factors []Factor, name string, values []string) error {
	f, ok := find(factors, name)
	if !ok {
		return nearest.Error("factor", name, names(factors))
	}
	if len(values) == 0 {
		return fmt.Errorf("factor %s has no values", name)
	}
	for i, v := range values {
		if slices.Contains(values[:i], v) {
			return fmt.Errorf("factor %s has %q twice", name, v)
		}
		if err := f.Check(v); err != nil {
			return fmt.Errorf("factor %s: %w", name, err)
		}
	}
	return nil
}

func find(factors []Factor, name string) (Factor, bool) {
	i := slices.IndexFunc(factors, func(f Factor) bool { return f.Name == name })
	if i < 0 {
		return Factor{}, false
	}
	return factors[i], true
}

func names(factors []Factor) []string {
	list := make([]string, len(factors))
	for i, f := range factors {
		list[i] = f.Name
	}
	return list
}

// Cells returns every cell of the suite in the order of the factors, each factor filled in.
func (s *Suite) Cells(factors []Factor) ([]map[string]string, error) {
	cells := []map[string]string{{}}
	for _, f := range factors {
		values := s.Factors[f.Name]
		if len(values) == 0 {
			values = []string{f.Default}
		}
		if len(cells)*len(values) > MaxRuns {
			return nil, fmt.Errorf("suite: more than %d cells at factor %s", MaxRuns, f.Name)
		}
		var next []map[string]string
		for _, cell := range cells {
			for _, v := range values {
				c := maps.Clone(cell)
				c[f.Name] = v
				next = append(next, c)
			}
		}
		cells = next
	}
	return s.reduce(cells, factors)
}

// Idle returns the factors that the suite sets although they mean nothing in any of its cells: whoever
// wrote it believes that they are varied.
func (s *Suite) Idle(factors []Factor) ([]Factor, error) {
	cells, err := s.Cells(factors)
	if err != nil {
		return nil, err
	}
	var idle []Factor
	for _, f := range factors {
		used := slices.ContainsFunc(cells, func(c map[string]string) bool { return c[f.Name] != NotApplicable })
		if s.Factors[f.Name] != nil && !used {
			idle = append(idle, f)
		}
	}
	return idle, nil
}

// reduce blanks the factors that do not apply, merges the cells that are then equal, and drops
// the excluded ones.
func (s *Suite) reduce(cells []map[string]string, factors []Factor) ([]map[string]string, error) {
	seen := make(map[string]bool)
	var kept []map[string]string
	for _, cell := range cells {
		for _, f := range factors {
			if f.Applies != nil && !f.Applies(cell) {
				cell[f.Name] = NotApplicable
			}
		}
		key := results.CellText(cell)
		if seen[key] || slices.ContainsFunc(s.Exclude, func(e map[string]string) bool { return matches(cell, e) }) {
			continue
		}
		seen[key] = true
		kept = append(kept, cell)
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("suite: %s has no cells left after its exclusions", s.Name)
	}
	return kept, nil
}

func matches(cell, pattern map[string]string) bool {
	for name, v := range pattern {
		if cell[name] != v {
			return false
		}
	}
	return true
}

// Runs returns all runs in the order to make them: one block a repetition, each holding every
// cell once, shuffled by the suite's seed. Drift of the machine so falls on all cells alike.
func (s *Suite) Runs(factors []Factor) ([]Run, error) {
	if err := s.Validate(factors); err != nil {
		return nil, err
	}
	cells, err := s.Cells(factors)
	if err != nil {
		return nil, err
	}
	if len(cells)*s.Reps > MaxRuns {
		return nil, fmt.Errorf("suite: %d cells x %d reps, accepted: %d runs", len(cells), s.Reps, MaxRuns)
	}
	shuffle := rand.New(rand.NewPCG(s.Seed, 0x5175e))
	var runs []Run
	for rep := 1; rep <= s.Reps; rep++ {
		for _, i := range shuffle.Perm(len(cells)) {
			runs = append(runs, Run{
				Suite: s.Name, Cell: results.CellText(cells[i]), Factors: cells[i],
				Rep: rep, Order: len(runs), Seed: repSeed(s.Seed, rep),
			})
		}
	}
	return runs, nil
}

func repSeed(seed uint64, rep int) uint64 {
	h := fnv.New64a()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], seed)
	binary.LittleEndian.PutUint64(b[8:], uint64(rep))
	h.Write(b[:])
	return h.Sum64()
}

// Only narrows the suite to the cells that have one of the given values of each given factor
// ("engine=bolt"), adding factors that the suite left at their default.
func (s *Suite) Only(pairs []string, factors []Factor) error {
	chosen := make(map[string][]string)
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("only: %q, accepted: FACTOR=VALUE", pair)
		}
		if err := checkFactor(factors, name, []string{value}); err != nil {
			return fmt.Errorf("only: %w", err)
		}
		f, _ := find(factors, name)
		have := s.Factors[name]
		if len(have) == 0 {
			have = []string{f.Default}
		}
		if !slices.Contains(have, value) {
			return fmt.Errorf("only: suite %s has no %s, it has %s", s.Name, pair, strings.Join(have, ", "))
		}
		if !slices.Contains(chosen[name], value) {
			chosen[name] = append(chosen[name], value)
		}
	}
	if s.Factors == nil {
		s.Factors = make(map[string][]string)
	}
	maps.Copy(s.Factors, chosen)
	return nil
}
