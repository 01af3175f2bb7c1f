package raft

import "fmt"

// ProgressState is how a leader sends to a member.
type ProgressState uint8

const (
	// Probe: the leader does not know where the logs agree and sends one append at a time.
	Probe ProgressState = iota
	// Replicate: they agree up to Match, and the leader streams what follows without waiting.
	Replicate
	// AwaitSnapshot: the member needs a snapshot, which is under way; nothing else is sent.
	AwaitSnapshot
)

// String names the state.
func (s ProgressState) String() string {
	switch s {
	case Probe:
		return "probe"
	case Replicate:
		return "replicate"
	case AwaitSnapshot:
		return "snapshot"
	}
	return fmt.Sprintf("ProgressState(%d)", uint8(s))
}

// progress is what a node knows about one member: its role in the membership on every node, and
// how far its log has got on the leader.
type progress struct {
	id NodeID
	// Roles, as in ConfState. A learner is in no electorate.
	incoming, outgoing   bool
	learner, learnerNext bool
	// vote is the answer to this node's campaign.
	vote vote

	// Everything below belongs to the leader and is renewed when a term begins or the member is
	// added. session tells the answers to it from older ones; see Message.Session.
	session uint64
	state   ProgressState
	// match is the highest index known to be durable on the member and equal to the leader's;
	// next is the next one to send. Invariant: match < next. On the leader's own entry match is
	// not used: raftLog.stable is.
	match, next Index
	// sentCommit is the highest commit index that was sent in an append, knownCommit the highest that
	// the member said it knows.
	sentCommit, knownCommit Index
	// paused holds everything back until the member answers an append or a heartbeat.
	paused bool
	// nudge asks for one append though there may be no entries to send: the member answered a
	// heartbeat but has not acknowledged all that was sent, so an append may be lost.
	nudge bool
	// snapshotIndex is what AwaitSnapshot waits for; snapshotAge how many ticks it has.
	snapshotIndex Index
	snapshotAge   int
	// active says that the member answered since the last quorum check.
	active bool
	// round is the highest heartbeat round that the member answered.
	round    uint64
	inflight inflights
}

type vote uint8

const (
	voteUnknown vote = iota
	voteGranted
	voteRejected
)

func (p *progress) voter() bool { return p.incoming || p.outgoing }

// restart forgets everything about the member's log and begins a session with it.
func (p *progress) restart(session uint64, next Index) {
	*p = progress{id: p.id, incoming: p.incoming, outgoing: p.outgoing, learner: p.learner,
		learnerNext: p.learnerNext, session: session, next: next, inflight: p.inflight}
	p.inflight.reset()
}

func (p *progress) become(s ProgressState) {
	p.state, p.paused, p.nudge, p.snapshotIndex, p.snapshotAge = s, false, false, 0, 0
	p.inflight.reset()
}

// becomeProbe starts over behind what the member is known to have.
func (p *progress) becomeProbe() {
	p.become(Probe)
	p.next = p.match + 1
	p.sentCommit = min(p.sentCommit, p.next-1)
}

func (p *progress) becomeReplicate() {
	p.become(Replicate)
	p.next = p.match + 1
}

func (p *progress) becomeAwaitSnapshot(i Index) {
	p.become(AwaitSnapshot)
	p.snapshotIndex = i
	p.next = i + 1
	p.sentCommit = i
}

// acknowledge notes that the member's log is durable up to i; it reports whether that is news.
func (p *progress) acknowledge(i Index) bool {
	if i <= p.match {
		return false
	}
	p.match = i
	p.next = max(p.next, i+1)
	return true
}

// reject notes that the member has no entry to match the append after asked, and that the logs can
// agree at hint at best. It reports whether that is news: late answers are not.
func (p *progress) reject(asked, hint Index) bool {
	switch p.state {
	case Replicate:
		if asked <= p.match {
			return false
		}
		p.becomeProbe()
		return true
	case Probe:
		if p.next-1 != asked {
			return false
		}
		p.next = max(min(asked, hint+1), p.match+1)
		p.sentCommit = min(p.sentCommit, p.next-1)
		p.paused = false
		return true
	}
	return false
}

// wants reports whether the member should be sent an append now.
func (p *progress) wants(last, committed Index) bool {
	if p.paused {
		return false
	}
	switch p.state {
	case Probe:
		return true
	case Replicate:
		return p.nudge || p.next <= last && !p.inflight.full() || p.sentCommit < min(committed, p.next-1)
	}
	return false
}

// sent notes that an append with these entries, which begin at next, is on its way.
func (p *progress) sent(entries []Entry, bytes uint64, committed Index) {
	p.nudge = false
	p.sentCommit = max(p.sentCommit, min(committed, p.next-1+Index(len(entries))))
	switch p.state {
	case Replicate:
		if n := len(entries); n > 0 {
			p.next += Index(n)
			p.inflight.add(p.next-1, bytes)
		}
	case Probe:
		p.paused = true
	}
}
