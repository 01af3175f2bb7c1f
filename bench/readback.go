package bench

import (
	"errors"
	"math/rand/v2"
	"slices"
)

// Samples implements Verifier.
func (m *Mix) Samples(r *rand.Rand, n int) []uint64 {
	low, high := m.deleted.Load(), m.frontier.Acked()
	sample := m.tracker.tracked()
	if low < high {
		if uint64(n) >= high-low {
			for i := low; i < high; i++ {
				sample = append(sample, i)
			}
		} else {
			for range n {
				sample = append(sample, low+r.Uint64N(high-low))
			}
		}
	}
	slices.Sort(sample)
	return slices.Compact(sample)
}

// Ask implements Verifier.
func (m *Mix) Ask(op *Op, index uint64) {
	*op = Op{Kind: Get, Index: index, Key: m.plan.keys.Append(nil, index)}
}

// Judge implements Verifier: the record must be there exactly if it should, hold a value that was
// written to it, and, if its writes were followed, the value of one that no later acknowledged
// write superseded.
func (m *Mix) Judge(op *Op, err error) bool {
	m.wrong.checked.Add(1)
	missing := errors.Is(err, ErrNotFound)
	var stamp Stamp
	switch {
	case err != nil && !missing:
		m.wrong.add("verify %q: %v", op.Key, err)
		return false
	case missing:
		if m.present(op.Index) {
			m.wrong.add("verify %q: not found, want the value of an acknowledged write", op.Key)
			return false
		}
	default:
		if _, err := m.values.Check(nil, op.Index, op.Value); err != nil {
			m.wrong.add("verify %q: %v", op.Key, err)
			return false
		}
		var ok bool
		if stamp, ok = m.values.Stamp(op.Value); !ok {
			return true // too short to tell who wrote it
		}
	}
	right, known := m.tracker.final(op.Index, stamp, missing)
	switch {
	case known && !right && missing:
		m.wrong.add("verify %q: not found, want the value of its last acknowledged write", op.Key)
		return false
	case known && !right:
		m.wrong.add("verify %q: got the value of %v, which an acknowledged later write replaced", op.Key, stamp)
		return false
	}
	return true
}

// Wrong implements Verifier.
func (m *Mix) Wrong() (wrong, checked int64, first []string) {
	m.wrong.mu.Lock()
	defer m.wrong.mu.Unlock()
	return m.wrong.count.Load(), m.wrong.checked.Load(), slices.Clone(m.wrong.first)
}
