package raft

import (
	"cmp"
	"slices"
)

// members is the membership in force and, with it, what is known about each member: one slice in
// order of ids, so that walking it is fast and the same every time. A node that is not a member of
// its own group (not yet, or no more) is not in it.
type members struct {
	list      []progress
	autoLeave bool
	// Sizes of the two electorates.
	incoming, outgoing int
	// window is copied into the progress of new members.
	window inflights
	// scratch is reused by quorumMin.
	scratch []uint64
}

func (m *members) find(id NodeID) *progress {
	for i := range m.list {
		if m.list[i].id == id {
			return &m.list[i]
		}
	}
	return nil
}

// load makes conf the membership. Members that stay keep their progress; onNew is called for the
// others.
func (m *members) load(conf *ConfState, onNew func(*progress)) {
	old := m.list
	m.list = make([]progress, 0, len(conf.Voters)+len(conf.Learners)+1)
	m.autoLeave, m.incoming, m.outgoing = conf.AutoLeave, len(conf.Voters), len(conf.VotersOutgoing)
	var ids []NodeID
	for _, part := range [][]NodeID{conf.Voters, conf.VotersOutgoing, conf.Learners, conf.LearnersNext} {
		ids = append(ids, part...)
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		i, found := slices.BinarySearchFunc(old, id, func(p progress, id NodeID) int { return cmp.Compare(p.id, id) })
		p := progress{id: id, inflight: m.window}
		if found {
			p = old[i]
		}
		p.incoming = slices.Contains(conf.Voters, id)
		p.outgoing = slices.Contains(conf.VotersOutgoing, id)
		p.learner = slices.Contains(conf.Learners, id)
		p.learnerNext = slices.Contains(conf.LearnersNext, id)
		m.list = append(m.list, p)
		if !found {
			onNew(&m.list[len(m.list)-1])
		}
	}
}

// conf returns the membership as a ConfState.
func (m *members) conf() ConfState {
	c := ConfState{AutoLeave: m.autoLeave}
	for i := range m.list {
		p := &m.list[i]
		if p.incoming {
			c.Voters = append(c.Voters, p.id)
		}
		if p.outgoing {
			c.VotersOutgoing = append(c.VotersOutgoing, p.id)
		}
		if p.learner {
			c.Learners = append(c.Learners, p.id)
		}
		if p.learnerNext {
			c.LearnersNext = append(c.LearnersNext, p.id)
		}
	}
	return c
}

// joint reports whether a joint change is under way.
func (m *members) joint() bool { return m.outgoing > 0 }

// alone reports whether id decides everything by itself.
func (m *members) alone(id NodeID) bool {
	p := m.find(id)
	return p != nil && p.incoming && m.incoming == 1 && (m.outgoing == 0 || m.outgoing == 1 && p.outgoing)
}

// quorumMin returns the highest value that a majority of each electorate has reached.
func (m *members) quorumMin(value func(*progress) uint64) uint64 {
	in := m.majority(func(p *progress) bool { return p.incoming }, value)
	if m.outgoing == 0 {
		return in
	}
	return min(in, m.majority(func(p *progress) bool { return p.outgoing }, value))
}

func (m *members) majority(in func(*progress) bool, value func(*progress) uint64) uint64 {
	m.scratch = m.scratch[:0]
	for i := range m.list {
		if p := &m.list[i]; in(p) {
			m.scratch = append(m.scratch, value(p))
		}
	}
	return majorityMin(m.scratch)
}

// tally counts the votes of the campaign.
func (m *members) tally() voteResult {
	var granted, rejected [2]int
	count := func(e int, v vote) {
		switch v {
		case voteGranted:
			granted[e]++
		case voteRejected:
			rejected[e]++
		}
	}
	for i := range m.list {
		p := &m.list[i]
		if p.incoming {
			count(0, p.vote)
		}
		if p.outgoing {
			count(1, p.vote)
		}
	}
	return bothVote(majorityVote(m.incoming, granted[0], rejected[0]), majorityVote(m.outgoing, granted[1], rejected[1]))
}

// quorumActive reports whether a majority of each electorate answered since the last call, and
// begins a new period. self always counts.
func (m *members) quorumActive(self NodeID) bool {
	ok := m.quorumMin(func(p *progress) uint64 {
		if p.active || p.id == self {
			return 1
		}
		return 0
	}) == 1
	for i := range m.list {
		m.list[i].active = false
	}
	return ok
}
