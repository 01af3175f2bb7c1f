package replicasim

import (
	"fmt"
	"slices"
	"time"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica"
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
	g.w.Note("nemesis", uint64(fault), uint64(m.id))
	if fault&(OneWayCuts|Partitions|Transfers|Pauses) != 0 {
		g.stick(m)
	}
	switch fault {
	case OneWayCuts, Partitions:
		g.cut(fault, m)
	case Crashes, PowerCuts:
		if m.core != nil {
			m.crash(fault == PowerCuts)
		}
		if fault == PowerCuts && g.rng.IntN(6) == 0 {
			g.blackout()
		}
	case FailedSyncs:
		m.disk.FailSync()
	case SlowDisks:
		m.slowTo = g.w.Now() + g.around(500*time.Millisecond)
	case Pauses:
		m.host.Pause(g.around(time.Duration(g.plan.raft.ElectionTicks) * g.plan.tick))
	case Jumps:
		m.host.Jump(time.Duration(g.rng.Int64N(int64(2*time.Hour))) - time.Hour)
	case Membership, Transfers:
		if m = g.some(); m != nil {
			if fault == Membership {
				g.changeMembers(m)
			} else {
				_ = m.core.TransferLeader(raft.NodeID(1 + g.rng.IntN(len(g.members))))
			}
			m.event()
		}
	}
}

// stick lets a client read at m for a while, whoever leads meanwhile.
func (g *group) stick(m *member) {
	for i := range 30 {
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
		if m.core != nil {
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

// changeMembers asks for a random change of one member.
func (g *group) changeMembers(m *member) {
	id := raft.NodeID(1 + g.rng.IntN(len(g.members)))
	c := apply.MemberChange{Member: apply.Member{ID: uint64(id), PeerURLs: []string{fmt.Sprint("peer", id)}}}
	ch := raft.Change{Type: raft.ChangeType(1 + g.rng.IntN(3)), Node: id}
	conf := m.core.Status().Conf
	switch {
	case ch.Type == raft.AddVoter && slices.Contains(conf.Learners, id):
		c.Promote = true
	case ch.Type == raft.RemoveNode && g.rng.IntN(3) > 0:
		return // ids come to an end
	}
	c.Member.Learner = ch.Type == raft.AddLearner
	q := &replica.Request{}
	change := m.core.EncloseChange(raft.ConfChange{Changes: []raft.Change{ch}, Context: c.Append(nil)}, q)
	if err := m.core.ProposeChange(change); err != nil {
		q.Abandon()
	}
}

// heal ends all faults, now and then after a power cut of everything, and expects the group to get on.
func (g *group) heal() {
	g.faultsOn = false
	g.plan.link.Loss, g.plan.link.Duplicate, g.plan.link.Late = 0, 0, 0
	g.net.SetLink(g.plan.link)
	g.net.Heal()
	dark := g.rng.IntN(2) == 0
	for _, m := range g.members {
		m.host.Resume()
		m.host.SetDrift(0)
		m.slowTo = 0
		if m.core != nil && dark {
			m.crash(true)
		}
	}
}

// settle waits until all members and watchers have the same, at most 200 election timeouts.
func (g *group) settle() bool {
	timeout := g.plan.tick * time.Duration(g.plan.raft.ElectionTicks)
	mark := raft.Index(0)
	for round := range 400 {
		g.w.RunUntil(g.w.Now() + timeout/2)
		if g.converged(mark) {
			return true
		}
		if round%8 != 7 {
			continue
		}
		for _, m := range g.members {
			if m.core != nil && m.core.Soft().Role == raft.Leader {
				mark = m.core.Status().Last + 1
				m.catchUp()
				g.propose(m, &apply.Put{Key: []byte("k00"), Value: g.value()}, nil)
				m.event()
			}
		}
	}
	return false
}
