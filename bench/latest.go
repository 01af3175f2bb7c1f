package bench

import "math/rand/v2"

// Latest prefers the newest items: the one of rank i from the end has the popularity that ranks
// gives to i. With n the acknowledged inserts (see Frontier) it never chooses an item whose insert
// is still under way.
type Latest struct{ ranks Chooser }

// NewLatest counts what ranks chooses from the end; YCSB's latest is one over a Zipfian.
func NewLatest(ranks Chooser) *Latest { return &Latest{ranks: ranks} }

// Choose implements Chooser.
func (l *Latest) Choose(r *rand.Rand, n uint64) uint64 { return n - 1 - l.ranks.Choose(r, n) }
