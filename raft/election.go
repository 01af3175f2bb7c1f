package raft

import (
	"errors"
	"fmt"
)

// campaign tries to become leader (Raft §5.2): with PreVote by asking first, unless the leader itself
// called for it (force).
func (r *core) campaign(force bool) error {
	if r.role == Leader {
		return nil
	}
	if err := r.promotable(); err != nil {
		return err
	}
	if !force && r.promised() {
		return fmt.Errorf("%w: a leader's lease counts on this node for %d more ticks", ErrNotPromotable, r.cfg.ElectionTicks-r.sinceLeader)
	}
	if r.cfg.PreVote && !force {
		r.preCampaign()
		return nil
	}
	r.stand(force)
	return nil
}

// promotable refuses campaigns of those who may not lead: learners and strangers; a member whose
// state is being replaced by a snapshot; and one that knows of a committed membership change it has
// not applied, because it would count its votes in the wrong electorate.
func (r *core) promotable() error {
	switch p := r.find(r.id); {
	case p == nil || !p.voter():
		return fmt.Errorf("%w: %d is no voter", ErrNotPromotable, r.id)
	case r.log.snapshot != nil:
		return fmt.Errorf("%w: snapshot at %d is being installed", ErrNotPromotable, r.log.snapshot.Index)
	case r.term >= maxTerm:
		return fmt.Errorf("%w: terms are used up", ErrNotPromotable)
	}
	for lo := r.log.applied + 1; lo <= r.log.committed; {
		entries, err := r.log.read(lo, r.log.committed+1, 1<<20)
		if err != nil {
			return r.fail("reading unapplied entries", err)
		}
		for i := range entries {
			if entries[i].Type == EntryConfChange {
				return fmt.Errorf("%w: membership change at %d is committed and not applied", ErrNotPromotable, entries[i].Index)
			}
		}
		lo += Index(len(entries))
	}
	return nil
}

// preCampaign asks the voters whether they would vote for this node in the next term. Nothing is
// stored for it, so its own vote counts at once.
func (r *core) preCampaign() {
	r.role, r.leader = PreCandidate, None
	r.drawTimeout()
	for i := range r.list {
		r.list[i].vote = voteUnknown
	}
	r.find(r.id).vote = voteGranted
	if r.tally() == voteWon {
		r.stand(false)
		return
	}
	for i := range r.list {
		if p := &r.list[i]; p.voter() && p.id != r.id {
			r.send(r.withCommit(Message{Type: MsgPreVote, To: p.id, Term: r.term + 1, Index: r.log.last(), LogTerm: r.log.lastTerm()}))
		}
	}
}

// stand begins a term of its own. The requests wait until the term, the vote and the log they speak
// of are durable. Otherwise a crash could make the node forget them and ask again in the same term
// with a shorter log, and an answer to the first request would count for the second.
func (r *core) stand(force bool) {
	r.reset(r.term + 1)
	r.role, r.vote, r.votePending = Candidate, r.id, true
	for i := range r.list {
		if p := &r.list[i]; p.voter() && p.id != r.id {
			r.promise(r.withCommit(Message{Type: MsgVote, To: p.id, Term: r.term, Index: r.log.last(), LogTerm: r.log.lastTerm(), Force: force}))
		}
	}
}

// votePersisted counts the candidate's vote for itself.
func (r *core) votePersisted() {
	r.votePending = false
	if p := r.find(r.id); p != nil {
		p.vote = voteGranted
	}
	r.countVotes()
}

// handleVoteRequest votes (Raft §5.2, §5.4.1). A vote is a promise and waits to be durable; a
// pre-vote is not, and neither is a refusal.
func (r *core) handleVoteRequest(m *Message) error {
	free := r.vote == m.From || r.vote == None && r.leader == None || m.Type == MsgPreVote && m.Term > r.term
	yes := free && r.log.upToDate(m.Index, m.LogTerm)
	switch {
	case m.Type == MsgPreVote && yes:
		r.send(Message{Type: MsgPreVoteResp, To: m.From, Term: m.Term})
	case m.Type == MsgPreVote:
		r.refuseVote(MsgPreVoteResp, m.From)
	case yes:
		if r.vote = m.From; r.leader == None { // a late request of the present leader is no sign of life
			r.electionElapsed = 0
		}
		r.promise(Message{Type: MsgVoteResp, To: m.From, Term: r.term})
	default:
		r.refuseVote(MsgVoteResp, m.From)
	}
	return r.learnCommit(m)
}

func (r *core) refuseVote(t MessageType, to NodeID) {
	r.send(r.withCommit(Message{Type: t, To: to, Term: r.term, Reject: true}))
}

// withCommit adds what this node knows to be committed, for learnCommit.
func (r *core) withCommit(m Message) Message {
	if t, err := r.log.term(r.log.committed); err == nil {
		m.Commit, m.Context = r.log.committed, uint64(t)
	}
	return m
}

// learnCommit lets members without a leader learn from each other what is committed: if this log has
// the entry the other one names, everything up to it is. Without this a group can be stuck: a voter
// that does not know that a membership change is committed asks for the vote of a member that the
// change removed, and which refuses because its own log is longer. (raft-rs solves it so too.)
func (r *core) learnCommit(m *Message) error {
	if r.role == Leader || m.Commit <= r.log.committed || m.Context == 0 {
		return nil
	}
	ok, err := r.log.matches(m.Commit, Term(m.Context))
	if err != nil {
		return r.fail("matching the log", err)
	}
	if !ok {
		return nil
	}
	r.commitTo(m.Commit)
	if r.role != Follower && errors.Is(r.promotable(), ErrNotPromotable) {
		r.becomeFollower(r.term, None) // it was campaigning in an electorate that is history
	}
	return r.err
}

// handleVoteResponse counts an answer to the present campaign.
func (r *core) handleVoteResponse(m *Message) error {
	asked := r.role == PreCandidate && m.Type == MsgPreVoteResp && (m.Reject || m.Term == r.term+1) ||
		r.role == Candidate && m.Type == MsgVoteResp
	if !asked {
		return nil
	}
	p := r.find(m.From)
	if p == nil {
		return fmt.Errorf("%w: %d", ErrUnknownMember, m.From)
	}
	if p.vote == voteUnknown {
		p.vote = voteGranted
		if m.Reject {
			p.vote = voteRejected
		}
	}
	r.countVotes()
	if m.Reject {
		return r.learnCommit(m)
	}
	return nil
}

// countVotes acts on the outcome of the campaign, once there is one.
func (r *core) countVotes() {
	switch r.tally() {
	case voteWon:
		if r.role == PreCandidate {
			r.stand(false)
		} else if r.role == Candidate && !r.votePending {
			r.becomeLeader()
		}
	case voteLost:
		r.becomeFollower(r.term, None)
	}
}

// stepTimeoutNow campaigns because the leader said so (thesis §3.10).
func (r *core) stepTimeoutNow(m *Message) error {
	if r.role == Follower && r.leader == m.From {
		return r.campaign(true)
	}
	return nil
}
