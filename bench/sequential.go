package bench

import (
	"math/rand/v2"
	"sync/atomic"
)

// Sequential chooses 0, 1, 2, … and starts again at the end. One may be shared by all workers, who
// then visit every item once before any item twice.
type Sequential struct{ next atomic.Uint64 }

// Choose implements Chooser; safe for concurrent use.
func (s *Sequential) Choose(_ *rand.Rand, n uint64) uint64 { return (s.next.Add(1) - 1) % n }
