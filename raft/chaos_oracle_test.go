package raft

import (
	"hash/fnv"
	"slices"
)

// oracle is what must always be true, checked after every event at the member it touched.
type oracle struct {
	w *world
	// leaders: election safety (§5.2). votes: at most one a term and member.
	leaders map[Term]NodeID
	votes   map[voteKey]NodeID
	// committed[i] is the entry that some member knew to be committed at i; known is the highest.
	committed map[Index]Entry
	known     Index
	// life is what was last seen of a member since its start.
	life map[NodeID]Status
	// readNeeds says, for a read, what was known to be committed when it was asked for.
	readNeeds map[uint64]Index
	answered  int
	events    int
}

type voteKey struct {
	who  NodeID
	term Term
}

func newOracle(w *world) oracle {
	return oracle{w: w, leaders: map[Term]NodeID{}, votes: map[voteKey]NodeID{}, committed: map[Index]Entry{},
		life: map[NodeID]Status{}, readNeeds: map[uint64]Index{}}
}

func (o *oracle) started(p *peer) { o.life[p.id] = p.rn.Status() }

// posted sees every message when it leaves.
func (o *oracle) posted(m *Message) {
	o.w.note(m.String())
	if m.Type == MsgVoteResp && !m.Reject {
		k := voteKey{m.From, m.Term}
		if before, ok := o.votes[k]; ok && before != m.To {
			o.w.fail("%d votes for %d and for %d in term %d", m.From, before, m.To, m.Term)
		}
		o.votes[k] = m.To
	}
	if m.Type == MsgVoteResp && !m.Reject || m.Type == MsgVote {
		if stored, _ := o.w.peers[m.From-1].st.InitialState(); stored.Hard.Term < m.Term {
			o.w.fail("%s leaves while term %d is durable", m, stored.Hard.Term)
		}
	}
}

// check looks at a member after an event.
func (o *oracle) check(p *peer) {
	if p.rn == nil {
		return
	}
	s, before := p.rn.Status(), o.life[p.id]
	h, b := s.Hard, before.Hard
	switch {
	case s.Err != nil:
		o.w.fail("%d stopped: %v", p.id, s.Err)
	case h.Term < b.Term || h.Term == b.Term && b.Vote != None && h.Vote != b.Vote || h.Commit < b.Commit:
		o.w.fail("%d went from %+v to %+v", p.id, b, h)
	case s.Applied > s.Applying || s.Applying > h.Commit || h.Commit > s.Last || s.Stable > s.Last || s.Applying > max(s.Stable, s.Applied):
		o.w.fail("%d: positions out of order: %+v", p.id, s)
	}
	o.life[p.id] = s
	if s.Soft.Role == Leader {
		o.checkLeader(p, &s, &before)
	}
	for i := max(b.Commit, before.Applied) + 1; i <= h.Commit; i++ {
		o.commit(p, i)
	}
	o.events++
	if o.events%64 == 0 {
		o.logMatching()
	}
}

// commit: state-machine safety (§5.4.3), already when somebody only knows of the commitment.
func (o *oracle) commit(p *peer, i Index) {
	entries, err := p.rn.r.log.read(i, i+1, 1)
	if err != nil {
		return // inside a snapshot
	}
	o.same(p, entries[0], "knows as committed")
}

func (o *oracle) applying(p *peer, e Entry) { o.same(p, e, "applies") }

func (o *oracle) same(p *peer, e Entry, does string) {
	if c, ok := o.committed[e.Index]; ok && (c.Term != e.Term || c.Type != e.Type || string(c.Data) != string(e.Data)) {
		o.w.fail("%d %s %d/%d %q, somebody else %d/%d %q", p.id, does, e.Term, e.Index, e.Data, c.Term, c.Index, c.Data)
	}
	o.committed[e.Index] = e
	o.known = max(o.known, e.Index)
}

// checkLeader: election safety (§5.2), leader completeness (§5.4.3), and that what a leader commits
// is durable on a majority of its electorates.
func (o *oracle) checkLeader(p *peer, s, before *Status) {
	t := s.Hard.Term
	if other, ok := o.leaders[t]; ok && other != p.id {
		o.w.fail("%d and %d lead term %d", other, p.id, t)
	} else if !ok {
		o.leaders[t] = p.id
		if stored, _ := p.st.InitialState(); stored.Hard.Term != t || stored.Hard.Vote != p.id {
			o.w.fail("%d leads term %d while %+v is durable", p.id, t, stored.Hard)
		}
		for i, e := range o.committed {
			if own, err := p.rn.r.log.term(i); err == nil && own != e.Term || err != nil && i > s.Hard.Commit {
				o.w.fail("%d leads term %d without the committed entry %d/%d (%v)", p.id, t, e.Term, i, err)
			}
		}
	}
	if s.Hard.Commit > before.Hard.Commit && before.Soft.Role == Leader {
		conf := p.rn.Conf()
		own, err := p.rn.r.log.term(s.Hard.Commit)
		if err != nil {
			o.w.fail("%d commits %d: %v", p.id, s.Hard.Commit, err)
		}
		if !o.durable(conf.Voters, s.Hard.Commit, own) || conf.Joint() && !o.durable(conf.VotersOutgoing, s.Hard.Commit, own) {
			o.w.fail("%d commits %d/%d, which is not durable on a majority of %s", p.id, own, s.Hard.Commit, conf)
		}
	}
}

func (o *oracle) durable(electorate []NodeID, i Index, t Term) bool {
	n := 0
	for _, id := range electorate {
		own, err := o.w.peers[id-1].st.Term(i)
		if first, _ := o.w.peers[id-1].st.FirstIndex(); err == nil && own == t || i < first {
			n++
		}
	}
	return n > len(electorate)/2
}

// logMatching: logs that agree on an index and term agree on all before (§5.3).
func (o *oracle) logMatching() {
	for i, a := range o.w.peers {
		for _, b := range o.w.peers[i+1:] {
			if a.rn == nil || b.rn == nil {
				continue
			}
			agreed := false
			for i := min(a.rn.r.log.last(), b.rn.r.log.last()); i > 0; i-- {
				ta, errA := a.rn.r.log.term(i)
				tb, errB := b.rn.r.log.term(i)
				if errA != nil || errB != nil {
					break
				}
				if agreed && ta != tb {
					o.w.fail("logs of %d and %d differ at %d (terms %d, %d) and agree after it", a.id, b.id, i, ta, tb)
				}
				agreed = agreed || ta == tb
			}
		}
	}
}

func (o *oracle) readAsked(id uint64) { o.readNeeds[id] = o.known }

func (o *oracle) readAnswered(p *peer, r ReadState) {
	need, ok := o.readNeeds[r.ID]
	if !ok {
		o.w.fail("%d is answered the read %d that nobody asked", p.id, r.ID)
	}
	if r.Index < need {
		o.w.fail("stale read at %d: index %d, when it was asked %d was committed", p.id, r.Index, need)
	}
	o.answered++
}

// converged reports whether somebody leads and every member of its membership has applied mark.
func (o *oracle) converged(mark string) bool {
	for _, p := range o.w.peers {
		if p.rn == nil || p.rn.Status().Soft.Role != Leader {
			continue
		}
		c := p.rn.Conf()
		var at Index
		for i, e := range o.committed {
			if string(e.Data) == mark {
				at = i
			}
		}
		return at > 0 && !slices.ContainsFunc(o.w.peers, func(q *peer) bool { return c.Contains(q.id) && q.applied < at })
	}
	return false
}

// note adds to the trace hash.
func (w *world) note(s string) {
	h := fnv.New64a()
	h.Write([]byte(s))
	w.trace = w.trace*31 + h.Sum64()
}
