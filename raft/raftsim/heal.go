package raftsim

import (
	"fmt"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// heal ends all faults, now and then after a power cut of everything, and expects the group to get on.
func (g *group) heal() {
	g.faultsOn = false
	g.plan.link.Loss, g.plan.link.Duplicate, g.plan.link.Late = 0, 0, 0
	g.net.SetLink(g.plan.link)
	g.plan.disk, g.plan.apply, g.plan.slow = min(g.plan.disk, 10*time.Millisecond), 3*time.Millisecond, 0
	g.net.Heal()
	for _, m := range g.members {
		m.host.Resume()
		m.host.SetDrift(0)
		m.slowTo, m.dawdlesTo = 0, 0
		if m.node != nil && g.plan.dark {
			m.crash(true, 0)
		}
	}
}

// settle waits, at most for 400 election timeouts, because a window of one message with one entry
// catches up slowly: first until every member has what the leader has, without anybody asking for
// anything new; then until a new write is everywhere. Then nothing may change for a while.
func (g *group) settle() bool {
	timeout := g.plan.tick * time.Duration(g.plan.cfg.ElectionTicks)
	mark, quiet := raft.Index(0), false
	for round := range 800 {
		g.w.RunUntil(g.w.Now() + timeout/2)
		l := g.leader()
		if l == nil || !g.converged(l, mark) {
			if round%8 == 7 {
				g.repair()
			}
			continue
		}
		if !quiet {
			quiet = true
			l.catchUp()
			mark = l.before.Last + 1
			if err := g.write(l); err != nil {
				g.fail("%d leads, all is quiet, and a write is refused: %v", l.id, err)
			}
			l.event()
			continue
		}
		g.rest(l, 3*timeout)
		return true
	}
	return false
}

// leader returns the member that leads in the highest term and is a voter of its own membership.
func (g *group) leader() (l *member) {
	for _, m := range g.members {
		if m.node != nil && m.before.Soft.Role == raft.Leader && (l == nil || m.before.Hard.Term > l.before.Hard.Term) {
			l = m
		}
	}
	return l
}

// converged reports whether every member of l's membership has applied everything that was acknowledged,
// all that l has in its log, and mark; and whether membership and leadership are such that can stay.
func (g *group) converged(l *member, mark raft.Index) bool {
	conf := &l.state.conf
	if l.state.applied < mark || l.state.applied != l.before.Last || conf.Joint() && conf.AutoLeave || !voter(conf, l.id) ||
		l.before.Transferee != raft.None {
		return false
	}
	for _, m := range g.members {
		if conf.Contains(m.id) && (m.gone || m.node == nil || m.state.applied < max(l.state.applied, g.oracle.acked)) {
			return false
		}
	}
	return true
}

// rest lets some time pass in which nothing happens to a healthy group: whoever leads goes on. Nodes that
// were removed and not told of it may disturb it, if only by answering late messages in a higher term; and a request to
// hand over leadership, or to change the membership, may be such a message.
func (g *group) rest(l *member, d time.Duration) {
	term, disturbed, conf := l.before.Hard.Term, g.disturbed, l.before.ConfIndex
	strangers := false
	for _, m := range g.members {
		strangers = strangers || !m.gone && g.oracle.joined[m.id] && !l.state.conf.Contains(m.id)
	}
	g.w.RunUntil(g.w.Now() + d)
	if strangers || g.disturbed > disturbed || l.before.ConfIndex > conf {
		return
	}
	if l.node == nil || l.before.Soft.Role != raft.Leader || l.before.Hard.Term != term {
		g.fail("%d led term %d, nothing happened, and it leads no more%s", l.id, term, g.describe())
	}
}

// repair is the operator: a member that is gone is removed, a joint change ended.
func (g *group) repair() {
	for _, m := range g.members {
		if m.node == nil || m.before.Soft.Role != raft.Leader {
			continue
		}
		m.catchUp()
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
}

// mayBeStuck: with a lost disk a membership can be left whose majority will never be there again.
func (g *group) mayBeStuck() bool {
	if !g.lost {
		return false
	}
	for _, m := range g.members {
		if m.node == nil {
			continue
		}
		conf := m.node.Conf()
		for _, electorate := range [][]raft.NodeID{conf.Voters, conf.VotersOutgoing} {
			alive := 0
			for _, id := range electorate {
				if !g.members[id-1].gone {
					alive++
				}
			}
			if len(electorate) > 0 && alive <= len(electorate)/2 {
				return true
			}
		}
	}
	return false
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
