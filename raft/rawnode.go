package raft

import "fmt"

// RawNode is one member as a pure state machine: calls are events, Ready says what is to be done about
// them. It must be used by one goroutine at a time; no call waits. Once a call has returned an error
// that is ErrStopped, all do, and HasReady is false.
type RawNode struct {
	r *core
	// one is reused for single proposals.
	one [1]Entry
}

// NewRawNode makes a member of what cfg.Storage holds. It is a follower. Errors: ErrConfig, ErrLogLost
// (what is stored contradicts itself: the disk has lost acknowledged data), and those of Storage.
func NewRawNode(cfg *Config) (*RawNode, error) {
	r, err := newCore(*cfg)
	if err != nil {
		return nil, err
	}
	return &RawNode{r: r}, nil
}

// Tick lets one unit of time pass.
func (n *RawNode) Tick() error {
	if n.r.err == nil {
		n.r.tick()
	}
	return n.r.err
}

// Step takes in a message from another member. The node keeps its Entries' Data and its Snapshot. An
// error that is not ErrStopped means that the message had no effect; the caller may count or log it
// and go on.
func (n *RawNode) Step(m Message) error { return n.r.step(&m) }

// Propose asks for data to be appended to the log: by this member if it leads, otherwise by the leader,
// to which it is sent once. nil promises nothing but that: a proposal may be lost with a message or a
// leader, so the caller recognises its own in Ready.Committed, and asks again after a time of its
// choice. The node keeps data. Errors are those that wrap ErrProposalDropped.
func (n *RawNode) Propose(data []byte) error {
	n.one[0] = Entry{Data: data}
	err := n.r.propose(n.one[:])
	n.one[0] = Entry{}
	return err
}

// ProposeBatch is Propose for several entries, of which all are appended next to one another or none.
// Of the entries only Data is used; the slice stays the caller's.
func (n *RawNode) ProposeBatch(entries []Entry) error {
	if len(entries) == 0 || len(entries) > maxBatch {
		return fmt.Errorf("%w: batch of %d entries, 1 to %d are accepted", ErrMisuse, len(entries), maxBatch)
	}
	for i := range entries {
		if entries[i].Type != EntryNormal {
			return fmt.Errorf("%w: ProposeBatch takes normal entries; see ProposeConfChange", ErrMisuse)
		}
	}
	return n.r.propose(entries)
}

// ProposeConfChange proposes a membership change. It takes effect when it is applied. On the leader,
// ErrConfChangePending and ErrBadConfChange say why it was not appended; a change that is forwarded
// and refused is lost.
func (n *RawNode) ProposeConfChange(cc ConfChange) error {
	if err := cc.check(); err != nil {
		return err
	}
	n.one[0] = Entry{Type: EntryConfChange, Data: cc.Append(nil)}
	err := n.r.propose(n.one[:])
	n.one[0] = Entry{}
	return err
}

// ApplyConfChange puts an EntryConfChange from Ready.Committed in force, and returns the membership
// that holds from now on, which the caller stores with its applied index. It must be called for each
// such entry, in order, before Applied reaches it, unless SkipConfChange is. An error that is not
// ErrStopped or ErrMisuse says that the change was not possible and nothing changed; then it is so
// on every member.
func (n *RawNode) ApplyConfChange(e Entry) (ConfState, error) {
	if e.Type != EntryConfChange {
		return ConfState{}, fmt.Errorf("%w: ApplyConfChange of a %s entry", ErrMisuse, e.Type)
	}
	return n.r.applyConfChange(&e)
}

// SkipConfChange refuses an EntryConfChange from Ready.Committed. Whether one is refused must follow
// from the state machine alone, so that every member does the same.
func (n *RawNode) SkipConfChange(e Entry) error {
	if e.Type != EntryConfChange {
		return fmt.Errorf("%w: SkipConfChange of a %s entry", ErrMisuse, e.Type)
	}
	if n.r.err != nil || n.r.overtook(e.Index) {
		return n.r.err
	}
	return n.r.takeConfEntry(e.Index)
}

// ReadIndex asks which index must be applied before a read that starts now may be answered; the
// answer is a ReadState with this id. It may never come (a message or the leader is lost); then ask
// again, with another id. ids must never be used twice by a member, not even over restarts, because
// a late answer to the first use would be taken for one to the second. ErrReadDropped: nobody to ask.
func (n *RawNode) ReadIndex(id uint64) error { return n.r.readIndex(id) }

// TransferLeader asks that the voter to be made leader (thesis §3.10); on a follower the request goes
// to the leader. The leader refuses proposals (ErrTransferring) until to takes over or an election
// timeout has passed. Naming the leader itself calls a transfer off.
func (n *RawNode) TransferLeader(to NodeID) error { return n.r.transfer(to) }

// Campaign makes the member stand for election now instead of at its timeout. ErrNotPromotable says
// why it cannot. Nothing happens on a leader.
func (n *RawNode) Campaign() error {
	if n.r.err != nil {
		return n.r.err
	}
	return n.r.campaign(false)
}

// ForgetLeader makes a follower that believes in a leader believe in none, so that with CheckQuorum
// it votes for another at once: for callers that know better than a timeout that the leader is dead.
// Under ReadLease it does nothing, because the leader's lease rests on that belief.
func (n *RawNode) ForgetLeader() error {
	r := n.r
	if r.err == nil && r.role == Follower && r.cfg.ReadMode != ReadLease {
		r.leader = None
	}
	return r.err
}

// ReportUnreachable says that messages to a member are being lost, so that the leader stops
// streaming to it until it answers.
func (n *RawNode) ReportUnreachable(id NodeID) { n.r.reportUnreachable(id) }

// ReportSnapshot says how sending a MsgSnap to a member went. After a failure the leader tries again
// when the member next gives a sign of life; without any report it takes the snapshot for lost after
// Config.SnapshotTicks.
func (n *RawNode) ReportSnapshot(id NodeID, ok bool) { n.r.reportSnapshot(id, ok) }

// RefuseSnapshot answers a MsgSnap, which the caller received and did not Step because its data are
// damaged or cannot be had: the leader will send it again.
func (n *RawNode) RefuseSnapshot(m Message) error { return n.r.refuseSnapshot(&m) }

// HasReady reports whether Ready has anything to give.
func (n *RawNode) HasReady() bool { return n.r.hasReady() }

// Ready gives out what is to be done. It may be called again before the last one is acknowledged. A
// stopped node returns a Ready without anything in it, with Number 0.
func (n *RawNode) Ready() Ready { return n.r.ready() }

// Persisted acknowledges that the writes of the Ready with this number, and of all before, are
// durable where MustSync was set and written where not, and visible in Storage; a Snapshot among
// them is installed. Every Ready is acknowledged so, one with nothing to write too. ErrMisuse: out of
// order.
func (n *RawNode) Persisted(number uint64) error { return n.r.persisted(number) }

// Applied acknowledges that the state machine has applied everything up to i. ErrMisuse: beyond what
// was given out, backwards, or past a membership change that was not dealt with.
func (n *RawNode) Applied(i Index) error { return n.r.appliedTo(i) }

// Advance acknowledges all of a Ready at once, for callers that write and apply before they go on:
// Persisted, and Applied for its last committed entry.
func (n *RawNode) Advance(rd Ready) error {
	if err := n.r.persisted(rd.Number); err != nil {
		return err
	}
	if k := len(rd.Committed); k > 0 {
		return n.r.appliedTo(rd.Committed[k-1].Index)
	}
	return nil
}

// Err returns what stopped the node, nil while it runs.
func (n *RawNode) Err() error { return n.r.err }
