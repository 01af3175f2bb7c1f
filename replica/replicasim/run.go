package replicasim

import (
	"fmt"
	"maps"
	"time"
)

// Sabotage is a way to break a member on purpose, to see that it is noticed.
type Sabotage int

// The ways.
const (
	None Sabotage = iota
	// AckBeforeSync acknowledges writes of the log that were not synced.
	AckBeforeSync
	// StaleRead reads without asking the leader.
	StaleRead
	// Diverge lets member 1 apply other values than the others, now and then.
	Diverge
	// EarlyLease lets leases end half a second early.
	EarlyLease
	// ApplyTwice applies the last command again where a new leader's log has an entry without one.
	ApplyTwice
	sabotages
)

// String names it.
func (s Sabotage) String() string {
	return [...]string{"none", "ack-before-sync", "stale-read", "diverge", "early-lease", "apply-twice"}[s]
}

// Options say how a seed is run. The zero value runs it as it is.
type Options struct {
	// Duration is how long faults go on, in virtual time; 0 means 6 s. Healing comes on top.
	Duration time.Duration
	// Off are faults that the seed would have and that are left out, to find which ones a failure needs.
	Off      Faults
	Sabotage Sabotage
}

// Result is what a run did.
type Result struct {
	Seed uint64
	// Trace is a hash over every event. The same seed and options on the same code give the same one.
	Trace     uint64
	Events    uint64
	Simulated time.Duration
	Faults    Faults
	Plan      string
	// Entries committed and revisions made; Writes and Reads that clients were answered.
	Entries, Writes, Reads int
	Revisions              int64
	// Points counts the situations that were met.
	Points map[string]int
	// Failure says what is wrong; empty if nothing is.
	Failure string
}

// Run runs one seed to its end or to the first failure.
func Run(seed uint64, o Options) (r Result) {
	if o.Duration <= 0 {
		o.Duration = 6 * time.Second
	}
	r.Seed = seed
	var g *group
	defer func() {
		switch f := recover().(type) {
		case nil:
		case failure:
			r.Failure = string(f)
		default:
			panic(f)
		}
		if g == nil {
			return
		}
		g.end()
		r.Trace, r.Events, r.Simulated = g.w.Trace(), g.w.Events(), g.w.Now()
		r.Faults, r.Plan = g.plan.faults, g.plan.String()
		r.Entries, r.Revisions, r.Writes, r.Reads = len(g.model.entries), g.model.rev, g.writes, g.reads
		r.Points = maps.Clone(g.w.Points())
	}()
	g = newGroup(seed, o)
	g.clients()
	g.nemesis()
	for _, w := range g.watchers {
		w.step()
	}
	g.w.RunUntil(o.Duration)
	g.heal()
	if !g.settle() {
		g.fail("no progress after all faults ended%s", g.describe())
	}
	return r
}

// describe shows every member, for a failure.
func (g *group) describe() string {
	s := fmt.Sprintf("; the history is at %d", g.model.rev)
	for _, w := range g.watchers {
		s += fmt.Sprintf("\nwatcher %d waits for %d", w.name, w.next)
	}
	for _, m := range g.members {
		if m.core == nil {
			s += fmt.Sprintf("\n%d: down, gone=%t", m.id, m.gone)
			continue
		}
		st := m.core.Status()
		s += fmt.Sprintf("\n%d: %s of %d in term %d, %s, log %d to %d, committed %d, applied %d, state %d, %d writes, %d batches, %+v", m.id, st.Role, st.Leader, st.Term,
			st.Conf, st.First, st.Last, st.Committed, st.Applied, m.state.Applied().Index, len(m.writes), len(m.batches), st.Members)
	}
	return s
}

// Shrink leaves out, one after the other, the faults that the failure of a seed does not need.
func Shrink(seed uint64, o Options) Options {
	for again := true; again; {
		again = false
		for f := Faults(1); f < allFaults; f <<= 1 {
			with := o
			with.Off |= f
			if o.Off&f == 0 && Run(seed, o).Faults&f != 0 && Run(seed, with).Failure != "" {
				o, again = with, true
			}
		}
	}
	return o
}

// Replay returns the command that runs a seed again.
func Replay(seed uint64, o Options) string {
	return fmt.Sprintf("ETALON_SEED=%d ETALON_OFF=%d go test -run TestClustersUnderFaults ./replica/replicasim", seed, uint32(o.Off))
}
