package bench

import (
	"math/rand/v2"
	"sync"
)

// away are the records that were deleted and are to be created again, with how many workers have
// each in hand; one whose creation failed stays, since it may be there or not. Safe for concurrent
// use.
type away struct {
	mu      sync.Mutex
	records map[uint64]int
}

// add is called before the deletion is sent.
func (a *away) add(index uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.records == nil {
		a.records = make(map[uint64]int)
	}
	a.records[index]++
}

// settle takes the outcome of a creation.
func (a *away) settle(index uint64, ok bool) {
	if !ok {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.records[index]--; a.records[index] == 0 {
		delete(a.records, index)
	}
}

func (a *away) has(index uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.records[index] > 0
}

// recreate makes op, by turns, the deletion of a chosen record and its creation with a new value.
func (w *mixWorker) recreate(r *rand.Rand, op *Op) {
	if w.lost {
		w.lost = false
		w.fill(0, w.written[0].index)
		w.write(op, Insert, 1)
		return
	}
	w.lost = true
	index := w.choose(r)
	w.away.add(index)
	w.remove(op, index)
}

// remove makes op the deletion of record index.
func (w *mixWorker) remove(op *Op, index uint64) {
	w.pairs[0].Key = w.plan.keys.Append(w.pairs[0].Key[:0], index)
	w.written[0] = written{index: index}
	op.Kind, op.Index, op.Key, op.Value = Delete, index, w.pairs[0].Key, nil
}
