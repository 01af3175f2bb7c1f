package bench

import (
	"math"
	"sync"
	"time"
)

const (
	// trackedKeys is about how many loaded records have their writes followed.
	trackedKeys = 1024
	// maxTracked bounds the followed records when inserts add to them.
	maxTracked = 4 * trackedKeys
	// maxCandidates bounds the writes kept for one record. Past it, by many failed writes, nothing
	// is claimed about the record any more.
	maxCandidates = 64
)

// tracker follows the writes of a sample of records, chosen by hash, and knows which values each
// may hold in the end: those of writes that no acknowledged later write superseded. Safe for
// concurrent use; most operations are on records it does not follow, and cost it one hash.
type tracker struct {
	seed  uint64
	limit uint64 // a record is followed if its hash is below
	mu    sync.Mutex
	keys  map[uint64]*history
}

// history is what is known of one record.
type history struct {
	candidates  []write
	newestStart time.Duration // of the acknowledged writes
	acked       bool          // there was one
	unsure      bool          // too many candidates: nothing is claimed
}

// write is one write of a record. A failed one may take effect at any time after its start.
type write struct {
	stamp      Stamp
	deletes    bool
	start, end time.Duration
	acked      bool
}

func newTracker(seed, records uint64) *tracker {
	t := &tracker{seed: mix(seed ^ 0x747261636b), keys: make(map[uint64]*history)}
	share := trackedKeys / math.Max(float64(records), trackedKeys*64)
	if records > 0 {
		share = math.Min(1, trackedKeys/float64(records))
	}
	t.limit = ^uint64(0)
	if share < 1 {
		t.limit = uint64(share * 0x1p64)
	}
	return t
}

// follows reports whether the writes of record index are to be noted.
func (t *tracker) follows(index uint64) bool { return mix(index^t.seed) <= t.limit }

// note takes the outcome of a write of record index.
func (t *tracker) note(index uint64, w write) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.keys[index]
	if h == nil {
		if len(t.keys) >= maxTracked {
			return
		}
		h = new(history)
		t.keys[index] = h
	}
	if w.acked {
		kept := h.candidates[:0]
		for _, c := range h.candidates {
			if !c.acked || c.end >= w.start {
				kept = append(kept, c)
			}
		}
		h.candidates = kept
		superseded := h.acked && w.end < h.newestStart
		h.newestStart = max(h.newestStart, w.start)
		h.acked = true
		if superseded {
			return
		}
	}
	if len(h.candidates) >= maxCandidates {
		h.unsure = true
		return
	}
	h.candidates = append(h.candidates, w)
}

// tracked returns the records with noted writes.
func (t *tracker) tracked() []uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]uint64, 0, len(t.keys))
	for i := range t.keys {
		all = append(all, i)
	}
	return all
}

// final tells whether record index may hold the value of stamp (missing: may be absent) when no
// write is under way. known is false if the tracker cannot tell.
func (t *tracker) final(index uint64, stamp Stamp, missing bool) (right, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.keys[index]
	if h == nil || h.unsure {
		return false, false
	}
	for _, c := range h.candidates {
		if missing && c.deletes || !missing && !c.deletes && c.stamp == stamp {
			return true, true
		}
	}
	// Failed writes alone leave what was there before as well.
	return false, h.acked
}
