package bench

import (
	"sync"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// Staged is a Target that times what it does inside.
type Staged interface {
	// TakeStages returns what was timed since the last call, and begins anew. The Runner calls it
	// when the measured phase begins, and throws the answer away, and when it ends: operations that
	// are under way then count in part.
	TakeStages() []results.Stage
}

// Stages are the histograms of a Staged target: named stretches of the way of an operation, or events
// beside it. Its methods are safe for concurrent use.
type Stages struct {
	mu  sync.Mutex
	all []results.Stage
}

// NewStages makes empty stages with these names and docs, in this order; Times is ignored. See
// results.Stage for what is accepted.
func NewStages(docs ...results.Stage) *Stages {
	s := &Stages{all: append([]results.Stage(nil), docs...)}
	s.TakeStages()
	return s
}

// Record counts n operations (or entries, or events) that each took d in the i-th stage: a batch is
// stamped once and counts for all that is in it, so that quantiles are those of operations.
func (s *Stages) Record(i int, d time.Duration, n int) {
	s.mu.Lock()
	s.all[i].Times.RecordN(d, int64(n))
	s.mu.Unlock()
}

// TakeStages implements Staged.
func (s *Stages) TakeStages() []results.Stage {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := append([]results.Stage(nil), s.all...)
	for i := range s.all {
		s.all[i].Times = results.NewHistogram()
	}
	return taken
}
