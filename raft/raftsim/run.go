package raftsim

import (
	"fmt"
	"maps"
	"time"

	"github.com/etalon-kv/etalon/sim"
)

// Options say how a seed is run. The zero value runs it as it is.
type Options struct {
	// Duration is how long faults go on, in virtual time; 0 means 8 s. Healing comes on top.
	Duration time.Duration
	// Off are faults that the seed would have and that are left out, to find which ones a failure needs.
	Off Faults
}

// Result is what a run did.
type Result struct {
	Seed uint64
	// Trace is a hash over every event. The same seed and options on the same code give the same one.
	Trace uint64
	// Events of the world, and the virtual time they took.
	Events    uint64
	Simulated time.Duration
	// Faults that were on, and the plan in words.
	Faults Faults
	Plan   string
	// Entries committed, Terms led; Writes and Reads that clients were answered.
	Entries, Terms, Writes, Reads int
	// Network is what messages went through.
	Network sim.NetworkStats
	// Points counts the situations that were met.
	Points map[string]int
	// Failure says what is wrong; empty if nothing is.
	Failure string
}

// Run runs one seed to its end or to the first failure.
func Run(seed uint64, o Options) (r Result) {
	if o.Duration <= 0 {
		o.Duration = 8 * time.Second
	}
	r.Seed = seed
	var g *group
	defer func() {
		switch f := recover().(type) {
		case nil:
		case failure:
			r.Failure = string(f)
		default:
			r.Failure = fmt.Sprintf("panic: %v", f)
		}
		if g == nil {
			return
		}
		r.Trace, r.Events, r.Simulated = g.w.Trace(), g.w.Events(), g.w.Now()
		r.Faults, r.Plan = g.plan.faults, g.plan.String()
		r.Entries, r.Terms, r.Writes, r.Reads = len(g.oracle.committed), len(g.oracle.leaders), g.oracle.writes, g.oracle.reads
		r.Network, r.Points = g.net.Stats(), maps.Clone(g.w.Points())
	}()
	g = newGroup(seed, o.Off)
	g.clients()
	g.snapshots()
	g.nemesis()
	g.w.RunUntil(o.Duration)
	g.heal()
	if !g.settle() {
		if !g.mayBeStuck() {
			g.fail("no progress after all faults ended%s", g.describe())
		}
		g.w.Sometimes("majority lost for good")
	}
	return r
}

// describe shows every member, for a failure.
func (g *group) describe() string {
	s := ""
	for _, m := range g.members {
		if m.node == nil {
			s += fmt.Sprintf("\n%d: down, gone=%t", m.id, m.gone)
			continue
		}
		s += fmt.Sprintf("\n%d: %+v %s applied %d, durable %s, %d writes", m.id, m.node.Status(), m.node.Conf(), m.state.applied, &m.durable, len(m.writes))
	}
	return s
}

// Shrink leaves out, one after the other, the faults that the failure of a seed does not need, and
// returns the options of the smallest run that still fails, in whatever way.
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
	return fmt.Sprintf("ETALON_SEED=%d ETALON_OFF=%d go test -run TestSafetyUnderFaults ./raft/raftsim", seed, uint32(o.Off))
}
