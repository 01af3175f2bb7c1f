package raft

import (
	"errors"
	"fmt"
)

// core is the consensus state machine of one member. Everything it does follows from its Config and
// the sequence of calls: it has no clock, no goroutine, no lock, and walks no map. RawNode is its
// face; the files election.go, follower.go, leader.go, replicate.go, reads.go and membership.go hold
// its behaviour.
type core struct {
	cfg Config
	id  NodeID
	log *raftLog
	members
	// confIndex is the index that brought the membership in force.
	confIndex Index
	// overtaken is, while a snapshot waits to be installed, the membership as of the entries that are still
	// being applied; that in force is the snapshot's.
	overtaken ConfState

	// Invariant: term never falls; vote changes at most once in a term.
	term   Term
	vote   NodeID
	role   Role
	leader NodeID

	// now counts Ticks since the start.
	now uint64
	// electionElapsed counts Ticks since the leader was heard, a vote given or a campaign begun; on
	// a leader, since the last quorum check. electionTimeout is drawn anew for each term and campaign.
	electionElapsed  int
	electionTimeout  int
	heartbeatElapsed int
	// sinceLeader counts Ticks since a leader, of whatever term, was heard or this node started: how
	// old the promise is that a leader's lease rests on (ReadLease).
	sinceLeader int
	// votePending: the vote for itself counts once it is durable.
	votePending bool

	leading leadership
	out     outbox
	// err stopped the node.
	err error
}

// leadership is what only a leader needs; it is made anew in each of its terms.
type leadership struct {
	// sessions counts the sessions given out; see Message.Session.
	sessions uint64
	// start is the index of the empty entry that began the term. Once it is committed, everything
	// before is, and reads may be served (thesis §6.4).
	start Index
	// pendingConf is at or above the index of every membership change in the log that is not applied.
	// No other may be appended while applied < pendingConf.
	pendingConf Index
	// uncommitted is the size of the proposals after committed.
	uncommitted uint64
	// transferee is who is to lead next; None outside a transfer. abdicated says that it was told to
	// campaign: that message may still be under way when the transfer is given up, so this leader
	// never again relies on a lease.
	transferee NodeID
	abdicated  bool
	// transferAge is how many ticks the transfer has had.
	transferAge int
	reads       readQueue
}

// newCore makes a follower out of what is stored.
func newCore(cfg Config) (*core, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	stored, err := cfg.Storage.InitialState()
	if err != nil {
		return nil, fmt.Errorf("raft: reading the initial state: %w", err)
	}
	log, err := newRaftLog(cfg.Storage, cfg.CacheBytes)
	if err != nil {
		return nil, fmt.Errorf("raft: reading the ends of the log: %w", err)
	}
	r := &core{cfg: cfg, id: cfg.ID, log: log}
	r.window = inflights{maxMessages: cfg.MaxInflightMessages, maxBytes: cfg.MaxInflightBytes}
	if err := r.recover(&stored); err != nil {
		return nil, err
	}
	r.becomeFollower(r.term, None)
	return r, nil
}

// recover sets term, vote, commit, applied and membership from what is stored, mends what a crash in
// the middle of a write can leave, and refuses what it cannot.
func (r *core) recover(stored *StoredState) error {
	hard, last := stored.Hard, r.log.last()
	if hard.Term > maxTerm || hard.Commit > last {
		return fmt.Errorf("%w: the stored state is at term %d and commit %d, the log ends at %d", ErrLogLost, hard.Term, hard.Commit, last)
	}
	r.term, r.vote = hard.Term, hard.Vote
	if t := r.log.lastTerm(); t > r.term { // entries were written, the new term not yet
		r.term, r.vote = t, None
	}
	applied, conf := r.cfg.Applied, &stored.Conf
	switch {
	case applied == 0:
		applied = stored.SnapshotIndex
	case applied < stored.SnapshotIndex:
		return fmt.Errorf("%w: Applied is %d, the newest snapshot is at %d and the entries before it are gone", ErrConfig, applied, stored.SnapshotIndex)
	case applied > last:
		return fmt.Errorf("%w: %d is applied, the log ends at %d", ErrLogLost, applied, last)
	case applied > stored.SnapshotIndex && r.cfg.Conf == nil:
		return fmt.Errorf("%w: Applied is %d, beyond the newest snapshot at %d: Conf must say the membership as of it", ErrConfig, applied, stored.SnapshotIndex)
	}
	if r.cfg.Conf != nil {
		conf = r.cfg.Conf
	}
	if err := conf.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if applied == 0 && len(conf.Voters) > 0 {
		return fmt.Errorf("%w: a membership (%s) without a snapshot; store FoundingSnapshot first", ErrConfig, conf)
	}
	r.log.applied, r.log.applying = applied, applied
	r.log.committed = max(applied, hard.Commit, stored.SnapshotIndex)
	r.confIndex = applied
	r.members.load(conf, func(*progress) {})
	r.out.hard = HardState{Term: hard.Term, Vote: hard.Vote, Commit: hard.Commit}
	r.out.durableTerm = hard.Term
	return r.inferCommit()
}

// inferCommit raises committed to the last but one membership change in the log. A leader appends
// such an entry only when it has applied the one before, so that one is committed. Members refuse to
// campaign while they know of a committed change that is not applied; this is how they know after a
// crash that kept the entries of a write and lost its commit index.
func (r *core) inferCommit() error {
	var before Index
	for lo := r.log.committed + 1; lo <= r.log.last(); {
		entries, err := r.log.read(lo, r.log.last()+1, 1<<20)
		if err != nil {
			return fmt.Errorf("raft: reading the log from %d: %w", lo, err)
		}
		for i := range entries {
			if entries[i].Type != EntryConfChange {
				continue
			}
			if before > 0 {
				r.log.committed = before
			}
			before = entries[i].Index
		}
		lo += Index(len(entries))
	}
	return nil
}

// reset begins a term, or another role in the same one.
func (r *core) reset(t Term) {
	if t != r.term {
		r.term, r.vote = t, None
	}
	r.leader = None
	r.votePending = false
	r.heartbeatElapsed = 0
	r.drawTimeout()
	r.leading = leadership{reads: readQueue{queue: r.leading.reads.queue[:0]}}
	for i := range r.members.list {
		r.members.list[i].restart(0, r.log.last()+1)
	}
}

// drawTimeout begins a wait for a leader.
func (r *core) drawTimeout() {
	r.electionElapsed = 0
	r.electionTimeout = r.cfg.ElectionTicks + r.cfg.Rand.IntN(r.cfg.ElectionTicks)
}

func (r *core) becomeFollower(t Term, leader NodeID) {
	r.reset(t)
	r.role, r.leader = Follower, leader
}

// tick lets one unit of time pass.
func (r *core) tick() {
	r.now++
	r.electionElapsed++
	r.sinceLeader++
	if r.role == Leader {
		r.tickLeader()
		return
	}
	if r.electionElapsed >= r.electionTimeout {
		r.electionElapsed = 0
		if err := r.campaign(false); errors.Is(err, ErrNotPromotable) {
			r.leader = None // it cannot do better itself, but must not defend a leader that is gone
		} else if err != nil {
			r.fail("campaigning", err)
		}
	}
}

func (r *core) tickLeader() {
	r.heartbeatElapsed++
	if r.electionElapsed >= r.cfg.ElectionTicks {
		r.electionElapsed = 0
		if r.cfg.CheckQuorum && !r.quorumActive(r.id) {
			r.becomeFollower(r.term, None)
			return
		}
	}
	if r.leading.transferAge++; r.leading.transferAge >= r.cfg.ElectionTicks {
		r.leading.transferee = None // it did not work out
	}
	for i := range r.list {
		if p := &r.list[i]; p.state == AwaitSnapshot {
			if p.snapshotAge++; p.snapshotAge >= r.cfg.SnapshotTicks {
				r.snapshotFailed(p) // lost
			}
		}
	}
	if r.heartbeatElapsed >= r.cfg.HeartbeatTicks {
		r.heartbeatElapsed = 0
		r.heartbeat()
	}
}

// fail stops the node for good. Nothing that was prepared leaves it any more.
func (r *core) fail(doing string, err error) error {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s: %w", ErrStopped, doing, err)
		r.role, r.leader = Follower, None
		r.out.discard()
	}
	return r.err
}

// commitTo moves the commit index forward to i, which must not exceed the log.
func (r *core) commitTo(i Index) {
	l := r.log
	if i <= l.committed {
		return
	}
	if i > l.last() {
		panic(fmt.Sprintf("raft: committing %d, the log ends at %d", i, l.last()))
	}
	if r.leading.uncommitted > 0 {
		for j := max(l.committed, r.leading.start) + 1; j <= i; j++ {
			r.leading.uncommitted -= min(r.leading.uncommitted, l.tail[j-l.tailFirst].size())
		}
	}
	l.committed = i
}

// send queues a message that may leave at once.
func (r *core) send(m Message) {
	m.From, m.Group = r.id, r.cfg.Group
	r.out.messages = append(r.out.messages, m)
}

// promise queues a message that speaks of stored state: it leaves when everything before is durable.
// An acknowledgement takes the place of a lower one that still waits.
func (r *core) promise(m Message) {
	m.From, m.Group = r.id, r.cfg.Group
	if n := len(r.out.promises); n > 0 && m.Type == MsgAppResp {
		p := &r.out.promises[n-1]
		if p.Type == MsgAppResp && p.To == m.To && p.Term == m.Term && p.Session == m.Session {
			p.Index, p.Commit = max(p.Index, m.Index), max(p.Commit, m.Commit)
			return
		}
	}
	r.out.promises = append(r.out.promises, m)
}
