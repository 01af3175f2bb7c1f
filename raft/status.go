package raft

// Status is a member's state at a moment, for people, metrics and tests. Taking it allocates nothing.
type Status struct {
	ID   NodeID
	Hard HardState
	Soft SoftState
	// Last is the last index of the log, Stable the last durable one.
	Last, Stable Index
	// Applying is the last index given out to be applied, Applied the last one acknowledged.
	Applying, Applied Index
	// ConfIndex is the index that brought the present membership.
	ConfIndex Index
	// Transferee is who leadership is being handed to; None outside a transfer.
	Transferee NodeID
	// UncommittedBytes and PendingReads are a leader's.
	UncommittedBytes uint64
	PendingReads     int
	// CachedBytes is the size of the entries held in memory.
	CachedBytes uint64
	// Err is what stopped the node.
	Err error
}

// MemberStatus is what a leader knows about a member.
type MemberStatus struct {
	ID NodeID
	// Voter is true in either electorate; a member may be neither Voter nor Learner.
	Voter, Learner bool
	State          ProgressState
	// Match is the last index known to be durable there, Next the next one to be sent.
	Match, Next Index
	// InflightMessages and InflightBytes are sent and not answered.
	InflightMessages int
	InflightBytes    uint64
	// Paused says that nothing is sent until the member gives a sign of life.
	Paused bool
	// Active says that it answered since the last quorum check.
	Active bool
	// Session is the number of the relation to it; see Message.Session.
	Session uint64
}

// Status returns the member's state.
func (n *RawNode) Status() Status {
	r := n.r
	return Status{
		ID: r.id, Hard: r.hard(), Soft: r.soft(),
		Last: r.log.last(), Stable: r.log.stable, Applying: r.log.applying, Applied: r.log.applied,
		ConfIndex: r.confIndex, Transferee: r.leading.transferee, UncommittedBytes: r.leading.uncommitted,
		PendingReads: len(r.leading.reads.queue), CachedBytes: r.log.tailBytes, Err: r.err,
	}
}

// Conf returns the membership in force.
func (n *RawNode) Conf() ConfState { return n.r.conf() }

// Members returns what a leader knows about every member, itself included; nil on others.
func (n *RawNode) Members() []MemberStatus {
	r := n.r
	if r.role != Leader {
		return nil
	}
	all := make([]MemberStatus, 0, len(r.list))
	for i := range r.list {
		p := &r.list[i]
		s := MemberStatus{ID: p.id, Voter: p.voter(), Learner: p.learner, State: p.state, Match: p.match, Next: p.next,
			InflightMessages: p.inflight.n, InflightBytes: p.inflight.bytes, Paused: p.paused, Active: p.active, Session: p.session}
		if p.id == r.id {
			s.State, s.Match, s.Next, s.Active = Replicate, r.log.stable, r.log.last()+1, true
		}
		all = append(all, s)
	}
	return all
}
