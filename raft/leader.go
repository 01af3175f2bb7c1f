package raft

import (
	"fmt"
	"slices"
)

// becomeLeader begins to lead: with an empty entry of the new term, whose commitment commits all
// before it (Raft §5.4.2, §8).
func (r *core) becomeLeader() {
	last := r.log.last()
	r.reset(r.term)
	r.role, r.leader = Leader, r.id
	r.sinceLeader = 0
	for i := range r.list {
		r.newSession(&r.list[i])
	}
	r.leading.pendingConf = last // there may be a change among the entries of earlier terms
	r.leading.start = last + 1
	r.log.append(Entry{Term: r.term, Index: last + 1})
}

// newSession begins to replicate to p from scratch. The grace of active lets it prove itself until
// the next quorum check.
func (r *core) newSession(p *progress) {
	r.leading.sessions++
	p.restart(r.leading.sessions, r.log.last()+1)
	p.active = true
}

// propose appends entries, of which Type and Data are set, or hands them on to the leader.
func (r *core) propose(entries []Entry) error {
	if r.err != nil {
		return r.err
	}
	for i := range entries {
		if n := len(entries[i].Data); n > r.cfg.MaxEntryBytes {
			return fmt.Errorf("%w: %d bytes, at most %d are accepted", ErrEntryTooBig, n, r.cfg.MaxEntryBytes)
		}
		if entries[i].Type > EntryConfChange {
			return fmt.Errorf("%w: proposal of type %d", ErrMalformed, entries[i].Type)
		}
	}
	if r.role != Leader {
		if r.leader == None || r.cfg.NoForward {
			return ErrNoLeader
		}
		r.send(Message{Type: MsgProp, To: r.leader, Entries: slices.Clone(entries)})
		return nil
	}
	return r.appendProposals(entries)
}

// appendProposals takes all of the entries into the leader's log or none.
func (r *core) appendProposals(entries []Entry) error {
	if r.leading.transferee != None {
		return ErrTransferring
	}
	var bytes uint64
	for i := range entries {
		bytes += entries[i].size()
	}
	if r.leading.uncommitted > 0 && r.leading.uncommitted+bytes > r.cfg.MaxUncommittedBytes {
		return ErrUncommittedFull
	}
	next, pendingConf := r.log.last()+1, r.leading.pendingConf
	for i := range entries {
		e := &entries[i]
		if e.Type == EntryConfChange {
			if err := r.admitConfChange(e.Data, pendingConf); err != nil {
				return err
			}
			pendingConf = next + Index(i)
		}
	}
	r.leading.pendingConf = pendingConf
	r.leading.uncommitted += bytes
	r.log.append(entries...)
	for i, mine := 0, r.log.tail[next-r.log.tailFirst:]; i < len(mine); i++ {
		mine[i].Term, mine[i].Index = r.term, next+Index(i)
	}
	return nil
}

// maybeCommit commits what a majority of each electorate has durably, if that is of this term (Raft
// §5.4.2). The leader counts itself only as far as its own log is durable (thesis §10.2.1).
func (r *core) maybeCommit() {
	i := Index(r.quorumMin(func(p *progress) uint64 {
		if p.id == r.id {
			return uint64(r.log.stable)
		}
		return uint64(p.match)
	}))
	if i <= r.log.committed || i < r.leading.start {
		return
	}
	r.commitTo(i)
}

// handleAppendResponse learns how far a member's log has got.
func (r *core) handleAppendResponse(p *progress, m *Message) error {
	if m.Index > r.log.last() || m.Hint > r.log.last() {
		return fmt.Errorf("%w: %s, the leader's log ends at %d", ErrMalformed, m.String(), r.log.last())
	}
	if m.Reject {
		hint := m.Hint
		if m.LogTerm > 0 {
			var err error
			if hint, _, err = r.log.lastAgreeing(m.Hint, m.LogTerm); err != nil {
				return r.fail("searching the log", err)
			}
		}
		p.reject(m.Index, hint)
		return nil
	}
	news := p.acknowledge(m.Index)
	switch p.state {
	case Probe:
		if news || p.match == m.Index {
			p.becomeReplicate()
		}
	case AwaitSnapshot:
		first, err := r.log.firstIndex()
		if err != nil {
			return r.fail("reading the first index", err)
		}
		if p.match+1 >= first { // the snapshot, or something else, brought it within reach
			p.becomeReplicate()
		}
	case Replicate:
		p.inflight.free(m.Index)
	}
	if news {
		r.maybeCommit()
		r.handOver(p)
	}
	return nil
}

// heartbeat begins a round: every member is told that this node leads.
func (r *core) heartbeat() {
	round := r.leading.reads.begin(r.now, r.cfg.ElectionTicks)
	for i := range r.list {
		p := &r.list[i]
		if p.id == r.id {
			continue
		}
		r.send(Message{Type: MsgHeartbeat, To: p.id, Term: r.term, Commit: min(p.match, r.log.committed), Context: round, Session: p.session})
	}
}

// handleHeartbeatResponse resumes sending to a member that lives, and counts its round.
func (r *core) handleHeartbeatResponse(p *progress, m *Message) {
	p.paused = false
	if p.state == Replicate && p.match < r.log.last() {
		p.nudge = true
	}
	if m.Context > p.round && m.Context <= r.leading.reads.round {
		p.round = m.Context
		r.confirmRounds()
	}
}

// transfer begins to hand leadership to another voter (thesis §3.10), or asks the leader to.
func (r *core) transfer(to NodeID) error {
	if r.err != nil {
		return r.err
	}
	if r.role != Leader {
		if r.leader == None {
			return ErrNotLeader
		}
		r.send(Message{Type: MsgTransferLeader, To: r.leader, Context: uint64(to)})
		return nil
	}
	p := r.find(to)
	if p == nil || !p.voter() {
		return fmt.Errorf("%w: %d", ErrBadTransferee, to)
	}
	if to == r.id { // stay: give an earlier transfer up
		r.leading.transferee = None
		return nil
	}
	if r.leading.transferee == to {
		return nil
	}
	r.leading.transferee, r.leading.transferAge = to, 0
	p.paused = false
	r.handOver(p)
	return nil
}

// handOver tells the transferee to campaign as soon as its log is complete.
func (r *core) handOver(p *progress) {
	if r.leading.transferee == p.id && p.match == r.log.last() {
		r.leading.abdicated = true
		r.send(Message{Type: MsgTimeoutNow, To: p.id, Term: r.term})
	}
}
