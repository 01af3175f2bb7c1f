package raftsim

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// nemesis does one of the things that the plan allows, and comes back.
func (g *group) nemesis() {
	if !g.faultsOn {
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
	if !g.plan.has(fault) {
		return
	}
	if fault&(OneWayCuts|Partitions|Transfers|Pauses) != 0 {
		g.stick(m)
	}
	g.w.Note("nemesis", uint64(fault), uint64(m.id))
	switch fault {
	case OneWayCuts, Partitions:
		g.cut(fault, m)
	case Crashes, PowerCuts:
		if m.node != nil {
			m.crash(fault == PowerCuts)
		}
		if fault == PowerCuts && g.rng.IntN(8) == 0 {
			g.blackout()
		}
	case FailedSyncs:
		m.disk.FailSync()
	case SlowDisks:
		m.slowTo = g.w.Now() + g.around(time.Second)
	case LostDisks:
		g.loseDisk(m)
	case Pauses:
		m.host.Pause(g.around(time.Duration(m.g.plan.cfg.ElectionTicks) * g.plan.tick))
	case Jumps:
		m.host.Jump(time.Duration(g.rng.Int64N(int64(2*time.Hour))) - time.Hour)
	default:
		if m = g.some(); m != nil {
			g.ask(fault, m)
			m.event()
		}
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

// blackout: the whole group loses power.
func (g *group) blackout() {
	g.w.Sometimes("power cut of the whole group")
	for _, m := range g.members {
		if m.node != nil {
			m.crash(true)
		}
	}
}

func (g *group) cut(fault Faults, m *member) {
	if fault == OneWayCuts {
		for _, to := range g.addrs {
			if g.rng.IntN(2) == 0 {
				g.net.Cut(uint64(m.id), to)
			}
		}
	} else {
		addrs := slices.Clone(g.addrs)
		g.rng.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
		switch g.rng.IntN(4) {
		case 0:
			g.net.CutUnless(addrs, func(i, j int) bool { return addrs[i] != uint64(m.id) && addrs[j] != uint64(m.id) })
		case 1:
			g.net.Split(addrs, 1+g.rng.IntN(len(addrs)))
		case 2:
			g.net.Bridge(addrs)
		default:
			g.net.Ring(addrs)
		}
	}
	g.w.After(g.around(700*time.Millisecond), g.net.Heal)
}

// loseDisk ends a member for good: an id stands for what its disk has promised.
func (g *group) loseDisk(m *member) {
	if g.lost || g.plan.voters < 3 || m.node == nil {
		return
	}
	g.lost, m.gone = true, true
	m.crash(true)
	g.w.Sometimes("disk lost")
}

// ask asks a member for something unusual.
func (g *group) ask(fault Faults, m *member) {
	someone := raft.NodeID(1 + g.rng.IntN(len(g.members)))
	switch fault {
	case Membership:
		for range 1 + g.rng.IntN(3) {
			g.changeMembers(m)
		}
	case Transfers:
		_ = m.node.TransferLeader(someone)
	case Unreachable:
		switch g.rng.IntN(3) {
		case 0:
			m.node.ReportUnreachable(someone)
		case 1:
			_ = m.node.ForgetLeader()
		default:
			_ = m.node.Campaign()
		}
	case Compaction:
		m.snapshot()
	}
}

// changeMembers proposes a random change.
func (g *group) changeMembers(m *member) {
	cc := raft.ConfChange{Transition: raft.Transition(g.rng.IntN(3))}
	for range g.rng.IntN(4) {
		n := raft.NodeID(1 + g.rng.IntN(len(g.members)))
		if !g.members[n-1].gone {
			cc.Changes = append(cc.Changes, raft.Change{Type: raft.ChangeType(1 + g.rng.IntN(3)), Node: n})
		}
	}
	_ = m.node.ProposeConfChange(cc)
}

// heal ends all faults, now and then after a power cut of everything, and expects the group to get on.
func (g *group) heal() {
	g.faultsOn = false
	g.plan.link.Loss, g.plan.link.Duplicate, g.plan.link.Late = 0, 0, 0
	g.net.SetLink(g.plan.link)
	g.plan.disk = min(g.plan.disk, 10*time.Millisecond)
	g.net.Heal()
	dark := g.rng.IntN(2) == 0
	for _, m := range g.members {
		m.host.Resume()
		m.host.SetDrift(0)
		m.slowTo = 0
		if m.node != nil && dark {
			m.crash(true)
		}
	}
}

// settle waits until all members have the same, at most 400 election timeouts:
// a window of one message with one entry catches up slowly.
func (g *group) settle() bool {
	timeout := g.plan.tick * time.Duration(g.plan.cfg.ElectionTicks)
	mark := raft.Index(0)
	for round := range 800 {
		g.w.RunUntil(g.w.Now() + timeout/2)
		if g.converged(mark) {
			return true
		}
		if round%8 == 7 {
			for _, m := range g.members {
				if m.node != nil && m.before.Soft.Role == raft.Leader {
					mark = m.before.Last + 1
					g.repair(m)
				}
			}
		}
	}
	return false
}

// repair proposes something, and is the operator: a member that is gone is removed, a joint change ended.
func (g *group) repair(m *member) {
	m.catchUp()
	g.requests++
	_ = m.node.Propose(binary.LittleEndian.AppendUint64(nil, g.requests))
	conf := m.node.Conf()
	for _, n := range g.members {
		switch {
		case conf.Joint() && !conf.AutoLeave:
			_ = m.node.ProposeConfChange(raft.ConfChange{})
		case n.gone && conf.Contains(n.id):
			_ = m.node.ProposeConfChange(raft.ConfChange{Changes: []raft.Change{{Type: raft.RemoveNode, Node: n.id}}})
		}
	}
	m.event()
}
