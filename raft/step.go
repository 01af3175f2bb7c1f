package raft

import "fmt"

// step takes a message in: first what every message must satisfy, then what its term says (Raft
// §5.1), then its meaning to the present role.
func (r *core) step(m *Message) error {
	if r.err != nil {
		return r.err
	}
	if m.Group != r.cfg.Group {
		return fmt.Errorf("%w: %d, this is group %d", ErrWrongGroup, m.Group, r.cfg.Group)
	}
	if m.To != r.id {
		return fmt.Errorf("%w: %d, this is %d", ErrWrongMember, m.To, r.id)
	}
	if err := m.check(); err != nil {
		return err
	}
	if handle, err := r.settleTerm(m); err != nil || !handle {
		return err
	}
	switch m.Type {
	case MsgVote, MsgPreVote:
		return r.handleVoteRequest(m)
	case MsgVoteResp, MsgPreVoteResp:
		return r.handleVoteResponse(m)
	case MsgApp, MsgHeartbeat, MsgSnap:
		return r.stepFromLeader(m)
	case MsgAppResp, MsgHeartbeatResp, MsgSnapRefused:
		return r.stepAnswer(m)
	case MsgProp, MsgReadIndex, MsgTransferLeader:
		return r.stepRequest(m)
	case MsgReadIndexResp:
		return r.stepReadIndexResponse(m)
	case MsgTimeoutNow:
		return r.stepTimeoutNow(m)
	}
	return nil
}

// settleTerm compares the message's term with this node's: a higher one makes it a follower of that
// term, a lower one is told about ours at most. It reports whether the message is to be handled.
func (r *core) settleTerm(m *Message) (bool, error) {
	asksVote := m.Type == MsgVote || m.Type == MsgPreVote
	if asksVote && r.defends(m) {
		return false, nil
	}
	switch {
	case m.Term == 0: // a request to whoever leads
		return true, nil
	case m.Term < r.term:
		r.answerOldTerm(m)
		return false, nil
	case m.Term > r.term:
		switch {
		case m.Type == MsgPreVote: // asks what would be; nothing happens yet
		case m.Type == MsgPreVoteResp && !m.Reject: // carries the term we asked about
		case m.Type == MsgApp || m.Type == MsgHeartbeat || m.Type == MsgSnap:
			r.becomeFollower(m.Term, m.From)
		default:
			r.becomeFollower(m.Term, None)
		}
	}
	return true, nil
}

// defends reports whether the node keeps faith with the leader it hears and ignores a candidate
// (thesis §4.2.3). In ReadLease the promise outlasts changes of term and, by sinceLeader starting at
// 0, restarts: the leader's lease counts on it.
func (r *core) defends(m *Message) bool {
	switch {
	case m.Force:
		return false
	case r.cfg.ReadMode == ReadLease:
		return r.role == Leader || r.promised()
	case !r.cfg.CheckQuorum || m.Term <= r.term:
		return false
	}
	return r.leader != None && r.electionElapsed < r.cfg.ElectionTicks
}

// promised reports whether, in ReadLease, a leader may rely on this node not to elect another.
func (r *core) promised() bool {
	return r.cfg.ReadMode == ReadLease && r.sinceLeader < r.cfg.ElectionTicks
}

// answerOldTerm tells a deposed leader and a late candidate about our term (Raft §5.1).
func (r *core) answerOldTerm(m *Message) {
	switch m.Type {
	case MsgApp, MsgHeartbeat, MsgSnap:
		r.send(Message{Type: MsgAppResp, To: m.From, Term: r.term, Reject: true, Session: m.Session})
	case MsgVote:
		r.refuseVote(MsgVoteResp, m.From)
	case MsgPreVote:
		r.refuseVote(MsgPreVoteResp, m.From)
	}
}

// stepFromLeader handles what only the leader of this term sends.
func (r *core) stepFromLeader(m *Message) error {
	switch {
	case r.role == Leader:
		return fmt.Errorf("%w: %s claims to lead term %d, which %d leads", ErrMalformed, m.Type, m.Term, r.id)
	case r.role != Follower || r.leader == None:
		r.becomeFollower(m.Term, m.From)
	case r.leader != m.From:
		return fmt.Errorf("%w: %d claims to lead term %d, which %d leads", ErrMalformed, m.From, m.Term, r.leader)
	}
	r.electionElapsed, r.sinceLeader = 0, 0
	switch m.Type {
	case MsgApp:
		return r.handleAppend(m)
	case MsgHeartbeat:
		return r.handleHeartbeat(m)
	}
	return r.handleSnapshot(m)
}

// stepRequest handles what members ask of a leader. A leader serves members only. A follower hands
// proposals and transfers on to the leader it knows, which cannot go round in circles because every
// leader's term is at least that of those who follow it; it drops reads.
func (r *core) stepRequest(m *Message) error {
	if r.role == Leader && r.find(m.From) == nil {
		return fmt.Errorf("%w: %s from %d", ErrUnknownMember, m.Type, m.From)
	}
	switch m.Type {
	case MsgProp:
		return r.propose(m.Entries)
	case MsgReadIndex:
		return r.stepReadIndex(m)
	}
	return r.transfer(NodeID(m.Context))
}

// stepAnswer handles what members answer to a leader.
func (r *core) stepAnswer(m *Message) error {
	if r.role != Leader {
		return nil // it was for an earlier role of this node
	}
	p := r.find(m.From)
	if p == nil {
		return fmt.Errorf("%w: %d", ErrUnknownMember, m.From)
	}
	if p.session != m.Session {
		return nil // an answer from before it was removed and added again
	}
	p.active = true
	p.knownCommit = max(p.knownCommit, m.Commit)
	defer r.leaveOffice()
	switch m.Type {
	case MsgAppResp:
		return r.handleAppendResponse(p, m)
	case MsgHeartbeatResp:
		r.handleHeartbeatResponse(p, m)
	case MsgSnapRefused:
		r.snapshotFailed(p)
	}
	return nil
}

// check refuses a message that no honest member sends, so that nothing after it needs to guard
// against overflow or gaps.
func (m *Message) check() error {
	bad := func(what string) error {
		return fmt.Errorf("%w: %s in %s", ErrMalformed, what, m.String())
	}
	switch {
	case m.Type < MsgApp || m.Type > lastMessageType:
		return bad("unknown type")
	case m.From == None:
		return bad("no sender")
	case m.Term > maxTerm || m.LogTerm > maxTerm:
		return bad("absurd term")
	case m.Index > maxIndex || m.Commit > maxIndex || m.Hint > maxIndex:
		return bad("absurd index")
	case m.Type == MsgProp || m.Type == MsgReadIndex || m.Type == MsgTransferLeader:
		if m.Term != 0 {
			return bad("a term")
		}
		if m.Type == MsgProp && len(m.Entries) == 0 {
			return bad("no entries")
		}
	case m.Term == 0:
		return bad("no term")
	case m.From == m.To:
		return bad("a message to oneself")
	}
	if m.Type == MsgApp {
		return m.checkEntries()
	}
	if m.Type == MsgSnap {
		s := m.Snapshot
		if s == nil || s.Index == 0 || s.Index > maxIndex || s.Term == 0 || s.Term > m.Term || len(s.Conf.Voters) == 0 {
			return bad("no proper snapshot")
		}
		return s.Conf.check()
	}
	return nil
}

// checkEntries refuses entries that do not follow the entry the message names, or one another.
func (m *Message) checkEntries() error {
	prev, t := m.Index, m.LogTerm
	if t > m.Term || (prev == 0) != (t == 0) {
		return fmt.Errorf("%w: term of the preceding entry in %s", ErrMalformed, m.String())
	}
	for i := range m.Entries {
		e := &m.Entries[i]
		if e.Index != prev+1 || e.Term < t || e.Term == 0 || e.Term > m.Term || e.Type > EntryConfChange {
			return fmt.Errorf("%w: entry %d of %s: term %d index %d %s", ErrMalformed, i, m.String(), e.Term, e.Index, e.Type)
		}
		prev, t = e.Index, e.Term
	}
	if prev > maxIndex {
		return fmt.Errorf("%w: absurd index in %s", ErrMalformed, m.String())
	}
	return nil
}
