package server

import (
	"context"
	"time"

	"github.com/etalon-kv/etalon/apply"
)

// Retention is how much history is kept by compaction that nobody has to ask for. The zero value keeps
// all.
type Retention struct {
	// Period keeps what is younger.
	Period time.Duration
	// Revisions keeps so many of the newest. With Period too, Period counts.
	Revisions int64
}

// revisionInterval is how often compaction by revisions looks; samples how many samples of the
// revision are taken in a period.
const (
	revisionInterval = 5 * time.Minute
	samples          = 10
)

// compactor decides when to compact; times are given to it.
type compactor struct {
	keep  Retention
	taken []sample // by period: oldest first
	done  int64
}

type sample struct {
	at  time.Time
	rev int64
}

// interval is how often next should be called: ten times in a period, an hour's at the longest.
func (c *compactor) interval() time.Duration {
	if c.keep.Period > 0 {
		return min(c.keep.Period, time.Hour) / samples
	}
	return revisionInterval
}

// next returns the revision to compact at, when rev is the current one at now; 0 for none.
func (c *compactor) next(now time.Time, rev int64) int64 {
	target := int64(0)
	if c.keep.Period > 0 {
		c.taken = append(c.taken, sample{now, rev})
		for len(c.taken) > 0 && now.Sub(c.taken[0].at) >= c.keep.Period {
			target = c.taken[0].rev
			c.taken = c.taken[1:]
		}
	} else {
		target = rev - c.keep.Revisions
	}
	if target <= c.done {
		return 0
	}
	return target
}

// autoCompact compacts while this member leads, until the server stops.
func (s *Server) autoCompact() {
	c := compactor{keep: s.config.Retention}
	tick := time.NewTicker(c.interval())
	defer tick.Stop()
	for {
		select {
		case <-s.stopping:
			return
		case <-tick.C:
		}
		rev := c.next(s.config.Now(), s.state.Rev())
		if l, _ := s.replica.Leadership(); rev == 0 || !l.Leads {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), s.config.requestTimeout())
		res, err := propose[*apply.Done](ctx, s, &apply.Compact{Rev: rev}, 0)
		cancel()
		if err == nil {
			err = res.Err
		}
		if err != nil {
			s.config.Logger.Warn("automatic compaction", "revision", rev, "error", err)
			continue
		}
		c.done = rev
		s.config.Logger.Info("compacted", "revision", rev)
	}
}
