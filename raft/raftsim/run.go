package raftsim

import (
	"fmt"
	"maps"
	"runtime/debug"
	"time"

	"github.com/etalon-kv/etalon/sim"
)

// Options say how a seed is run. The zero value runs it as it is.
type Options struct {
	// Duration is how long faults go on, in virtual time; 0 means 8 s. Healing comes on top.
	Duration time.Duration
	// Off are faults that the seed would have and that are left out, to find which ones a failure needs.
	Off Faults
	// History asks for Result.History, Actions for Result.Script.
	History, Actions bool
}

// Result is what a run did.
type Result struct {
	Seed uint64
	// Trace is a hash over every event. The same seed and options on the same code give the same one.
	Trace uint64
	// Events of the world, and the virtual time they took, without weeks in which nobody was up.
	Events    uint64
	Simulated time.Duration
	// Faults that were on, and the plan in words.
	Faults Faults
	Plan   string
	// Actions of the nemesis, besides the faults that go on all the time.
	Actions int
	// Entries committed, Terms led; Writes and Reads that clients were answered.
	Entries, Terms, Writes, Reads int
	// Network is what messages went through.
	Network sim.NetworkStats
	// Points counts the situations that were met.
	Points map[string]int
	// Failure says what is wrong; empty if nothing is.
	Failure string
	// History is what clients asked and were told, if that was wanted.
	History []Operation
	// Script is the run with everything that its nemesis did, if that was wanted.
	Script *Script
}

// Run runs one seed to its end or to the first failure.
func Run(seed uint64, o Options) Result {
	w := sim.New(seed)
	return run(w, drawPlan(w.Rand("plan"), o.Off), nil, o)
}

// run runs a plan in w, with the actions of s instead of those of a nemesis if s is not nil.
func run(w *sim.World, p plan, s *Script, o Options) (r Result) {
	if o.Duration <= 0 {
		o.Duration = 8 * time.Second
	}
	r.Seed, r.Faults, r.Plan = w.Seed(), p.faults, p.String()
	var g *group
	defer func() {
		switch f := recover().(type) {
		case nil:
		case failure:
			r.Failure = string(f)
		default:
			r.Failure = fmt.Sprintf("panic: %v\n%s", f, debug.Stack())
		}
		if g == nil {
			return
		}
		r.Trace, r.Events, r.Simulated = w.Trace(), w.Events(), w.Now()-g.slept
		r.Entries, r.Terms, r.Writes, r.Reads = len(g.oracle.committed), len(g.oracle.leaders), g.oracle.writes, g.oracle.reads
		r.Actions = g.actions
		r.Network, r.Points, r.History = g.net.Stats(), maps.Clone(w.Points()), g.history.operations()
	}()
	g = newGroup(w, p)
	g.script = s
	if o.History {
		g.history = &history{}
	}
	if o.Actions {
		r.Script = &Script{Seed: w.Seed(), plan: p}
		g.recorded = &r.Script.actions
	}
	g.start()
	for end := time.Duration(0); end < o.Duration+g.slept; {
		end = o.Duration + g.slept
		w.RunUntil(end)
	}
	g.heal()
	if !g.settle() {
		if !g.mayBeStuck() {
			g.fail("no progress after all faults ended%s", g.describe())
		}
		w.Sometimes("majority lost for good")
	}
	return r
}
