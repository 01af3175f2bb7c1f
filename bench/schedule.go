package bench

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/etalon-kv/etalon/internal/nearest"
)

// Constant sends PerSec operations a second, evenly spaced, for ever.
type Constant struct{ PerSec float64 }

// At implements Schedule.
func (c Constant) At(n uint64) (time.Duration, bool) {
	return time.Duration(float64(n) / c.PerSec * 1e9), true
}

// Rate implements Schedule.
func (c Constant) Rate(time.Duration) float64 { return c.PerSec }

// String implements Schedule.
func (c Constant) String() string { return formatRate(c.PerSec) }

// Step is a stretch of a Steps.
type Step struct {
	PerSec float64
	For    time.Duration
}

// Steps sends at one rate after the other, and ends with the last.
type Steps []Step

// At implements Schedule.
func (s Steps) At(n uint64) (time.Duration, bool) {
	var start time.Duration
	for _, step := range s {
		count := uint64(math.Round(step.PerSec * step.For.Seconds()))
		if n < count {
			return start + time.Duration(float64(n)/step.PerSec*1e9), true
		}
		n -= count
		start += step.For
	}
	return start, false
}

// Length is how long all steps take.
func (s Steps) Length() (sum time.Duration) {
	for _, step := range s {
		sum += step.For
	}
	return sum
}

// Rate implements Schedule.
func (s Steps) Rate(d time.Duration) float64 {
	var ops float64
	left := d
	for _, step := range s {
		part := min(step.For, left)
		ops += step.PerSec * part.Seconds()
		left -= part
	}
	return ops / d.Seconds()
}

// String implements Schedule.
func (s Steps) String() string {
	parts := make([]string, len(s))
	for i, step := range s {
		parts[i] = formatRate(step.PerSec) + "x" + step.For.String()
	}
	return "steps:" + strings.Join(parts, ",")
}

// ScheduleString is s.String(), or "max" for the closed loop.
func ScheduleString(s Schedule) string {
	if s == nil {
		return "max"
	}
	return s.String()
}

// maxRate is the highest rate accepted, in operations a second: one a nanosecond.
const maxRate = 1e9

// ParseSchedule reads when operations are sent. seed is for the arrivals of poisson.
//
//	max, 0                   as fast as the target answers: a closed loop, nil
//	5000                     5,000 a second, evenly spaced
//	poisson:5000             5,000 a second on average, arriving at random
//	steps:1000x10s,2000x10s  1,000 a second for 10 s, then 2,000 a second for 10 s
func ParseSchedule(text string, seed uint64) (Schedule, error) {
	kind, args, found := strings.Cut(strings.TrimSpace(text), ":")
	fail := func(err error) (Schedule, error) { return nil, fmt.Errorf("bench: rate %q: %w", text, err) }
	if !found {
		if kind == "max" || kind == "0" {
			return nil, nil
		}
		rate, err := parseRate(kind)
		if err != nil && (kind == "" || kind[0] > '9') {
			err = nearest.Error("schedule", kind, []string{"max", "poisson", "steps"})
		}
		if err != nil {
			return fail(err)
		}
		return Constant{PerSec: rate}, nil
	}
	switch kind {
	case "poisson":
		rate, err := parseRate(args)
		if err != nil {
			return fail(err)
		}
		return Poisson{PerSec: rate, Seed: seed}, nil
	case "steps":
		steps, err := parseSteps(args)
		if err != nil {
			return fail(err)
		}
		return steps, nil
	}
	return fail(nearest.Error("schedule", kind, []string{"max", "poisson", "steps"}))
}

func parseSteps(args string) (Steps, error) {
	var steps Steps
	for part := range strings.SplitSeq(args, ",") {
		rateText, lengthText, found := strings.Cut(strings.TrimSpace(part), "x")
		if !found {
			return nil, fmt.Errorf("step %q, want RATExDURATION such as 1000x10s", part)
		}
		rate, err := parseRate(rateText)
		if err != nil {
			return nil, err
		}
		length, err := time.ParseDuration(lengthText)
		if err != nil || length <= 0 {
			return nil, fmt.Errorf("step %q: duration %q, want a positive one such as 10s", part, lengthText)
		}
		if rate*length.Seconds() < 1 {
			return nil, fmt.Errorf("step %q holds no operation", part)
		}
		steps = append(steps, Step{PerSec: rate, For: length})
	}
	return steps, nil
}

func parseRate(s string) (float64, error) {
	rate, err := strconv.ParseFloat(s, 64)
	if err != nil || !(rate >= 1e-3 && rate <= maxRate) {
		return 0, fmt.Errorf("%q operations a second, accepted: 0.001 to %.0f, or max", s, float64(maxRate))
	}
	return rate, nil
}

func formatRate(r float64) string { return strconv.FormatFloat(r, 'f', -1, 64) }
