package results

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// ErrRecord is returned for a record that contradicts itself or lacks what every figure needs.
var ErrRecord = errors.New("results: bad record")

// Check reports what makes r unfit to be stored or used: a missing or foreign schema, id, cell or
// label, numbers that are not finite, negative counts, a success histogram that does not hold
// exactly the counted operations. An invalid run (a verdict that is not OK) passes: it is kept and
// listed. The error wraps ErrRecord.
func (r *Record) Check() error {
	if r.Schema != Schema {
		return fmt.Errorf("%w: schema %d, this version writes and reads %d", ErrRecord, r.Schema, Schema)
	}
	if err := checkID(r.ID); err != nil {
		return err
	}
	if r.Cell != CellText(r.Factors) || r.Rep < 1 {
		return fmt.Errorf("%w: %s: cell %q, repetition %d; its factors say %q, repetitions count from 1",
			ErrRecord, r.ID, clip(r.Cell, 200), r.Rep, clip(CellText(r.Factors), 200))
	}
	for name, value := range r.Factors {
		if !utf8.ValidString(name + value) {
			return fmt.Errorf("%w: %s: factor %q=%q is not UTF-8", ErrRecord, r.ID, clip(name, 80), clip(value, 80))
		}
	}
	switch r.Durability {
	case DurabilitySync, DurabilityGroup, DurabilityInterval, DurabilityNone, DurabilityUnknown:
	default:
		return fmt.Errorf("%w: %s: durability %q, accepted are sync, group, interval, none, unknown", ErrRecord, r.ID, clip(string(r.Durability), 80))
	}
	switch r.Consistency {
	case Linearizable, Serializable, Local:
	default:
		return fmt.Errorf("%w: %s: consistency %q, accepted are linearizable, serializable, local", ErrRecord, r.ID, clip(string(r.Consistency), 80))
	}
	for kind, op := range r.Everything() {
		if r.Ops[kind] != nil && r.Background[kind] != nil {
			return fmt.Errorf("%w: %s: kind %q is of operations and of background work", ErrRecord, r.ID, clip(kind, 80))
		}
		if err := op.check(); err != nil {
			return fmt.Errorf("%w: %s: operation %q: %w", ErrRecord, r.ID, clip(kind, 80), err)
		}
	}
	if err := checkStages(r.Stages); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrRecord, r.ID, err)
	}
	for _, p := range r.Phases {
		if p.Duration < 0 || p.Ops < 0 || p.Errors < 0 {
			return fmt.Errorf("%w: %s: phase %q has negative figures", ErrRecord, r.ID, clip(p.Name, 80))
		}
	}
	return r.checkFinite()
}

func (r *Record) checkFinite() error {
	for i, s := range r.Series {
		if !finite(s.CPU) {
			return fmt.Errorf("%w: %s: series %d: cpu is %v", ErrRecord, r.ID, i, s.CPU)
		}
	}
	if !finite(r.Env.LoadAvg) {
		return fmt.Errorf("%w: %s: load average is %v", ErrRecord, r.ID, r.Env.LoadAvg)
	}
	return nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func (s *OpStats) check() error {
	if s == nil || s.Service == nil {
		return errors.New("no service time histogram")
	}
	if s.Count < 0 || s.Items < 0 || s.Late < 0 || s.Dropped < 0 || s.Behind < 0 {
		return fmt.Errorf("negative count in %d operations, %d items, %d late, %d dropped, %d behind", s.Count, s.Items, s.Late, s.Dropped, s.Behind)
	}
	if s.Service.Count() != s.Count || s.Response != nil && s.Response.Count() != s.Count {
		n := int64(-1)
		if s.Response != nil {
			n = s.Response.Count()
		}
		return fmt.Errorf("%d operations, but %d service and %d response times (-1: none)", s.Count, s.Service.Count(), n)
	}
	for class, n := range s.Errors {
		if n < 0 {
			return fmt.Errorf("%d errors of class %q", n, clip(class, 80))
		}
	}
	return nil
}

// Latency is what the headline counts: response time in an open loop, service time in a closed one.
func (s *OpStats) Latency() *Histogram {
	if s.Response != nil {
		return s.Response
	}
	return s.Service
}

// ErrorCount is the sum over all error classes.
func (s *OpStats) ErrorCount() int64 {
	var n int64
	for _, c := range s.Errors {
		n += c
	}
	return n
}
