package raftsim

import (
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// ambush is a fault that meets m, or somebody, soon after something delicate has begun.
func (g *group) ambush(m *member) {
	if !g.plan.has(Ambushes) || g.script != nil {
		return
	}
	if g.rng.IntN(3) == 0 {
		m = g.members[g.rng.IntN(len(g.members))]
	}
	fault := [...]Faults{Crashes, Crashes, PowerCuts, Pauses, OneWayCuts, Partitions, Transfers}[g.rng.IntN(7)]
	if !g.plan.has(fault) {
		return
	}
	g.w.After(g.around(25*time.Millisecond), func() {
		if g.faultsOn {
			g.w.Sometimes("ambush")
			g.strike(fault, m)
		}
	})
}

// changeCommits is told that m, who leads, has just committed a membership change, which nobody else knows yet:
// a good moment to cut it off.
func (g *group) changeCommits(m *member) {
	if !g.faultsOn || g.script != nil || !g.plan.has(Ambushes) || !g.plan.has(OneWayCuts|Partitions) || g.rng.IntN(3) > 0 {
		return
	}
	g.w.Sometimes("cut off with a change that only the leader knows to be committed")
	args := []int64{g.around(500 * time.Millisecond).Microseconds()}
	for _, to := range g.addrs {
		args = append(args, int64(m.id), int64(to))
	}
	g.act("cut", args...)
	if n := g.rng.Int64N(6); n > 0 && n < 4 { // its log shall be longer than those of all others, too
		g.w.After(g.around(time.Millisecond), func() { g.act("write", int64(m.id), n) })
	}
	if g.plan.has(Crashes|PowerCuts) && g.rng.IntN(2) == 0 {
		g.w.After(g.around(20*time.Millisecond), func() {
			if g.faultsOn {
				g.act("crash", int64(m.id), g.rng.Int64N(2))
			}
		})
	}
}

// deafen lets a member hear nobody for a while: one that leads goes on in the belief that it does.
func (g *group) deafen(m *member) {
	if m.running() && m.before.Soft.Role == raft.Leader && g.plan.cfg.ReadMode == raft.ReadLease {
		g.w.Sometimes("a leader with a lease hears nobody after a transfer")
	}
	args := []int64{g.around(150 * time.Millisecond).Microseconds()}
	for _, from := range g.addrs {
		args = append(args, int64(from), int64(m.id))
	}
	g.act("cut", args...)
}

// freeze lets a member stand still, half of the time longer than it takes to elect another, and then it
// goes on without hearing of that at once.
func (g *group) freeze(m *member) {
	d := g.around(time.Duration(g.plan.cfg.ElectionTicks) * g.plan.tick)
	if g.plan.has(Ambushes) && g.plan.has(OneWayCuts|Partitions) && g.rng.IntN(2) == 0 {
		d *= 2
		args := []int64{(d + g.around(50*time.Millisecond)).Microseconds()}
		for _, from := range g.addrs {
			args = append(args, int64(from), int64(m.id))
		}
		g.act("cut", args...)
		if m.running() && m.before.Soft.Role == raft.Leader {
			g.w.Sometimes("a leader stands still and wakes up alone")
		}
	}
	g.act("pause", int64(m.id), d.Microseconds())
}

// changeApplies is told that m has been given a membership change to apply. Where that takes its time, a snapshot can
// overtake it: others go on, with another change if they can, and forget the entries that it is sent next.
func (g *group) changeApplies(m *member) {
	if !g.faultsOn || g.script != nil || !g.plan.has(Ambushes) || !g.plan.has(SlowApplies) || !g.plan.has(Compaction) || g.rng.IntN(2) > 0 {
		return
	}
	l := g.leader()
	if l == nil || l == m {
		return
	}
	g.w.Sometimes("others forget what a member is to be sent, while it applies a membership change")
	wait := 50*time.Millisecond + g.around(50*time.Millisecond)
	dawdle := wait + g.around(300*time.Millisecond)
	g.w.After(0, func() {
		g.act("dawdle", int64(m.id), dawdle.Microseconds())
		g.act("cut", wait.Microseconds(), int64(l.id), int64(m.id))
		g.act("hurry", int64(l.id))
		g.changeAgain(l)
		g.act("write", int64(l.id), 2)
	})
	g.w.After(wait*9/10, func() {
		g.act("hurry", int64(l.id))
		g.act("forgetlog", int64(l.id))
	})
}

// changeAgain lets l propose another membership change, if it can: what a snapshot has is then not what the change
// that it overtakes made.
func (g *group) changeAgain(l *member) {
	if !g.faultsOn || !l.running() {
		return
	}
	conf := l.node.Conf()
	for _, m := range g.members {
		switch {
		case m.gone || voter(&conf, m.id):
			continue
		case conf.Contains(m.id):
			g.act("change", int64(l.id), 0, int64(raft.RemoveNode), int64(m.id))
		default:
			g.act("change", int64(l.id), 0, int64(raft.AddLearner), int64(m.id))
		}
		return
	}
}

// mute lets nobody hear a member for a while: one that stands for election, because it was told to, comes into a term
// of which nobody knows.
func (g *group) mute(m *member) {
	g.w.Sometimes("nobody hears who leadership is handed to")
	args := []int64{(50*time.Millisecond + g.around(300*time.Millisecond)).Microseconds()}
	for _, to := range g.addrs {
		args = append(args, int64(m.id), int64(to))
	}
	g.act("cut", args...)
}

// coup lets m propose that only one or two of the others stay: those who go must give their successors
// all that these need.
func (g *group) coup(m *member) {
	if !m.running() {
		return
	}
	conf := m.node.Conf()
	args := []int64{int64(m.id), g.rng.Int64N(3)}
	stay := 1 + g.rng.IntN(2)
	for _, i := range g.rng.Perm(len(conf.Voters)) {
		switch id := conf.Voters[i]; {
		case id != m.id && stay > 0 && !g.members[id-1].gone:
			stay--
		default:
			args = append(args, int64(raft.RemoveNode), int64(id))
		}
	}
	if g.act("change", args...) {
		g.w.Sometimes("a change that removes the leader and most of the others")
		g.ambush(m)
	}
}

// siege is a time in which whoever may campaign does, while some crash.
func (g *group) siege() {
	g.act("storm", g.around(300*time.Millisecond).Microseconds())
	for range g.rng.IntN(4) {
		m := g.members[g.rng.IntN(len(g.members))]
		g.w.After(g.around(200*time.Millisecond), func() {
			if g.faultsOn && g.plan.has(Crashes) {
				g.act("crash", int64(m.id), 0)
			}
		})
	}
}

// storm lets everybody campaign, every 10 ms.
func (g *group) storm(until time.Duration) {
	for _, m := range g.members {
		if m.running() && m.before.Soft.Role == raft.Follower {
			g.ask(m, action{verb: "campaign"})
		}
	}
	if g.faultsOn && g.w.Now() < until {
		g.w.After(10*time.Millisecond, func() { g.storm(until) })
	}
}
