package raftsim

import (
	"slices"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// nemesis does one of the things that the plan allows, and comes back.
func (g *group) nemesis() {
	if !g.faultsOn {
		return
	}
	if g.later(g.nemesis) {
		return
	}
	g.w.After(g.around(g.plan.nemesis), g.nemesis)
	m := g.pick()
	fault := Faults(1) << g.rng.IntN(len(faultNames))
	for range 3 {
		if !g.plan.has(fault) {
			fault = Faults(1) << g.rng.IntN(len(faultNames))
		}
	}
	if g.plan.has(fault) {
		g.strike(fault, m)
	}
}

// strike lets m feel a fault.
func (g *group) strike(fault Faults, m *member) {
	id, someone := int64(m.id), 1+g.rng.Int64N(int64(len(g.members)))
	if fault == Transfers && g.rng.IntN(4) > 0 {
		if l := g.leader(); l != nil {
			m, id = l, int64(l.id)
		}
	}
	if fault&(OneWayCuts|Partitions|Transfers|Pauses) != 0 {
		g.act("stick", id)
	}
	switch fault {
	case OneWayCuts, Partitions:
		g.cut(fault, m)
		if g.plan.has(Ambushes) && g.rng.IntN(2) == 0 {
			g.siege()
		}
	case Crashes:
		g.act("crash", id, 0)
	case PowerCuts:
		g.act("crash", id, 1)
		if g.rng.IntN(8) == 0 {
			g.act("dark", 0)
		}
	case FailedSyncs:
		g.act("failsync", id)
	case SlowDisks:
		g.act("slow", id, g.around(time.Second).Microseconds())
	case LostDisks:
		g.act("lose", id)
	case RolledBack:
		if m.image == nil || g.rng.IntN(3) == 0 {
			g.act("image", id)
		} else {
			g.act("roll", id)
		}
	case Pauses:
		g.freeze(m)
	case Jumps:
		g.act("jump", id, g.rng.Int64N((2*time.Hour).Microseconds())-time.Hour.Microseconds())
	case Membership:
		for range 1 + g.rng.IntN(3) {
			g.changeMembers(m)
		}
	case Rejoins:
		g.act("rejoin", someone)
	case Transfers:
		if g.act("transfer", id, someone) {
			switch cuts := g.plan.has(Ambushes) && g.plan.has(OneWayCuts|Partitions); {
			case cuts && g.rng.IntN(2) == 0:
				g.w.After(g.around(4*time.Millisecond), func() { g.deafen(m) })
			case cuts && g.rng.IntN(2) == 0:
				g.mute(g.members[someone-1])
			default:
				g.ambush(m)
			}
		}
	case Unreachable:
		switch g.rng.IntN(3) {
		case 0:
			g.act("unreachable", id, someone)
		case 1:
			g.act("forget", id)
		default:
			g.act("campaign", id)
		}
	case Compaction:
		g.act("snapshot", id)
	}
}

// leads is told that m has become leader: a good moment for a membership change.
func (g *group) leads(m *member) {
	if g.faultsOn && g.script == nil && g.plan.has(Membership) && g.rng.IntN(3) == 0 {
		g.w.After(g.around(5*time.Millisecond), func() {
			if g.faultsOn {
				g.changeMembers(m)
			}
		})
	}
}

// stick lets a client read at m for a while, whoever leads meanwhile.
func (g *group) stick(m *member) {
	for i := range 40 {
		g.w.After(time.Duration(i)*10*time.Millisecond, func() {
			if m.running() {
				m.catchUp()
				g.read(m)
				m.event()
			}
		})
	}
}

func (g *group) cut(fault Faults, m *member) {
	args := []int64{g.around(700 * time.Millisecond).Microseconds()}
	apart := func(from, to uint64) { args = append(args, int64(from), int64(to)) }
	if fault == OneWayCuts {
		in := g.rng.IntN(3) == 0 // it is not heard, or does not hear
		for _, to := range g.addrs {
			if to == uint64(m.id) || g.rng.IntN(2) == 0 {
				continue
			}
			if in {
				apart(to, uint64(m.id))
			} else {
				apart(uint64(m.id), to)
			}
		}
		g.act("cut", args...)
		return
	}
	addrs := slices.Clone(g.addrs)
	g.rng.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	n := len(addrs)
	k := 1 + g.rng.IntN(n)
	connected := [...]func(i, j int) bool{
		func(i, j int) bool { return addrs[i] != uint64(m.id) && addrs[j] != uint64(m.id) }, // m alone
		func(i, j int) bool { return (i < k) == (j < k) },                                   // two parts
		func(i, j int) bool { return i == n/2 || j == n/2 || (i < n/2) == (j < n/2) },       // a bridge
		func(i, j int) bool { return j-i == 1 || j-i == n-1 },                               // a ring
	}[g.rng.IntN(4)]
	for j := range addrs {
		for i := range j {
			if !connected(i, j) {
				apart(addrs[i], addrs[j])
				apart(addrs[j], addrs[i])
			}
		}
	}
	g.act("cut", args...)
}

// changeMembers lets m propose a random change.
func (g *group) changeMembers(m *member) {
	args := []int64{int64(m.id), g.rng.Int64N(3)}
	if g.rng.IntN(8) == 0 {
		g.coup(m)
		return
	}
	for range g.rng.IntN(4) {
		n := g.rng.IntN(len(g.members))
		if !g.members[n].gone {
			args = append(args, 1+g.rng.Int64N(3), int64(n+1))
		}
	}
	if g.act("change", args...) {
		g.ambush(m)
	}
}

// blackout: everybody loses power, for at least so long.
func (g *group) blackout(least time.Duration) {
	g.w.Sometimes("power cut of the whole group")
	if least > 0 {
		g.w.Sometimes("a week passes")
		g.slept += least
		g.asleepTo = g.w.Now() + least
	}
	for _, m := range g.members {
		if m.node != nil {
			m.crash(true, least)
		}
	}
}

// later puts fn off to the end of a week in which nobody is up.
func (g *group) later(fn func()) bool {
	if g.asleepTo <= g.w.Now() {
		return false
	}
	g.w.After(g.asleepTo-g.w.Now(), fn)
	return true
}

// loseDisk ends a member for good: an id stands for what its disk has promised.
func (g *group) loseDisk(m *member) {
	if g.lost || g.plan.voters < 3 || m.node == nil {
		return
	}
	g.lost, m.gone = true, true
	m.crash(true, 0)
	g.w.Sometimes("disk lost")
}

// rollBack gives a member an old copy of its disk. Whoever runs it has to see that and to refuse, because
// the member would break promises; only its log is looked at, and what it says to a leader
// who knows better.
func (g *group) rollBack(m *member) {
	if g.lost || g.plan.voters < 3 || m.node == nil || m.image == nil {
		return
	}
	g.lost, m.gone = true, true
	m.crash(true, 0)
	m.reviveImage()
	g.w.Sometimes("disk rolled back")
}

// rejoin removes m, lets it forget its log once everybody knows, and adds it again. In the place of its log it
// gets a state from after its removal, from its operator: with what came before, in whose memberships it votes, it
// could elect itself.
func (g *group) rejoin(m *member) {
	propose := func(t raft.ChangeType) {
		for _, l := range g.members {
			if l != m && l.running() && l.before.Soft.Role == raft.Leader {
				g.ask(l, action{verb: "change", args: []int64{int64(l.id), 0, int64(t), int64(m.id)}})
			}
		}
	}
	wiped := false
	var try func(left int)
	try = func(left int) {
		if left == 0 || !g.faultsOn || m.gone {
			return
		}
		if !wiped && left%5 == 0 {
			propose(raft.RemoveNode)
		}
		if from := g.forgotten(m); !wiped && from != nil {
			m.wipe(from)
			wiped = true
		}
		if wiped {
			propose(raft.AddVoter)
			for _, l := range g.members {
				if l.running() && l.state.conf.Contains(m.id) {
					g.w.Sometimes("removed and added again")
					return
				}
			}
		}
		g.w.After(15*time.Millisecond, func() { try(left - 1) })
	}
	try(60)
}

// forgotten returns a member to copy the state of if nobody, whatever happens, will ever act on a membership
// with m: everybody has durably applied every change that anybody has, and has no m; or was never told of
// the group. It is the one that has applied least; nil if it is not so.
func (g *group) forgotten(m *member) (least *member) {
	led := false
	for _, n := range g.members {
		if n == m || n.gone || !g.oracle.joined[n.id] {
			continue
		}
		if !n.running() {
			return nil
		}
		n.checkpoint()
		if n.kept.conf.Contains(m.id) || n.kept.applied < g.oracle.confTop {
			return nil
		}
		led = led || n.before.Soft.Role == raft.Leader
		if least == nil || n.kept.applied < least.kept.applied {
			least = n
		}
	}
	if !led {
		return nil
	}
	return least
}
