package bench

import (
	"errors"
	"sync/atomic"
	"time"
)

// revisions are what a workload has learnt of its target's: the first that it was told of, when all
// records were loaded, and the newest. Safe for concurrent use.
type revisions struct{ first, newest atomic.Int64 }

// see takes a revision that was written or read.
func (v *revisions) see(rev int64) {
	v.first.CompareAndSwap(0, rev)
	for {
		now := v.newest.Load()
		if rev <= now || v.newest.CompareAndSwap(now, rev) {
			return
		}
	}
}

// within picks one of the newest behind+1 revisions by a random number, none before the first;
// 0 while none is known.
func (v *revisions) within(behind, u uint64) int64 {
	first, newest := v.first.Load(), v.newest.Load()
	if first == 0 || newest <= first {
		return newest
	}
	return newest - int64(scale(u, min(behind, uint64(newest-first))+1))
}

var errForeignKey = errors.New("no record has this key")

// followsRevisions reports whether the workload needs to know them.
func (p *plan) followsRevisions() bool { return p.Behind > 0 || p.CompactEvery > 0 }

// CompactEvery implements Compacted.
func (m *Mix) CompactEvery() time.Duration { return m.plan.CompactEvery }

// CompactTo implements Compacted: the newest revision, or as far below as scans may read.
func (m *Mix) CompactTo() int64 {
	return max(m.revs.newest.Load()-int64(m.plan.Behind), 0)
}

// Watchers implements Watched.
func (m *Mix) Watchers() int { return m.plan.Watchers }

// Stamp implements Watched.
func (m *Mix) Stamp(value []byte) (Stamp, bool) { return m.values.Stamp(value) }

// CheckEvent implements Watched.
func (m *Mix) CheckEvent(scratch []byte, e *Event) ([]byte, error) {
	index, ok := m.plan.keys.Index(e.Key)
	if !ok {
		return scratch, errForeignKey
	}
	return m.values.Check(scratch, index, e.Value)
}
