package raftsim

import (
	"slices"

	"github.com/etalon-kv/etalon/raft"
)

// oracle knows what must always be true of a group, and is told everything that happens. It sees
// nothing of a node but Status, Conf and Members. What one member promises by itself is in contract.go.
type oracle struct {
	g *group
	// leaders: at most one a term (Raft §5.2). votes: at most one a term and voter.
	leaders map[raft.Term]raft.NodeID
	votes   map[voteKey]raft.NodeID
	// entries says, for every entry ever written anywhere, what is in it and which term comes before
	// it. Logs match (Raft §5.3) if and only if that is the same for all logs.
	entries map[entryKey]content
	// committed[i] is the entry at i+1, once somebody knew it to be committed.
	committed []commitment
	// chains[i] is the state machine with i applied, confs[i] the membership if i changed it.
	chains []uint64
	confs  map[raft.Index]string
	// confTop is the highest index of a membership change that anybody has applied; joined are all
	// that ever were members.
	confTop raft.Index
	joined  map[raft.NodeID]bool
	// seen is the highest revision that a client was told of, acked the highest index of an acknowledged write.
	seen   uint64
	acked  raft.Index
	writes int
	reads  int
	// resent counts the snapshots that were sent after all faults had ended.
	resent map[resend]int
	// sessions are the highest that appeared in messages to a member, for each term.
	sessions map[voteKey]uint64
}

type voteKey struct {
	who  raft.NodeID
	term raft.Term
}

type entryKey struct {
	index raft.Index
	term  raft.Term
}

type content struct {
	before raft.Term
	hash   uint64
	known  bool
	change bool // of the membership
}

// commitment: an entry of term, committed at the latest in the term by.
type commitment struct{ term, by raft.Term }

type resend struct {
	term  raft.Term
	to    raft.NodeID
	index raft.Index
}

func newOracle(g *group) oracle {
	return oracle{g: g, leaders: map[raft.Term]raft.NodeID{}, votes: map[voteKey]raft.NodeID{}, entries: map[entryKey]content{},
		confs: map[raft.Index]string{}, joined: map[raft.NodeID]bool{}, resent: map[resend]int{}, sessions: map[voteKey]uint64{}}
}

// sent looks at a message when it leaves: what it promises must be durable.
func (o *oracle) sent(m *member, msg *raft.Message) {
	d := &m.durable
	granted := msg.Type == raft.MsgVoteResp && !msg.Reject
	if (granted || msg.Type == raft.MsgVote || msg.Type == raft.MsgAppResp && !msg.Reject) && d.hard.Term < msg.Term {
		o.g.fail("%s leaves while term %d is durable", msg, d.hard.Term)
	}
	if granted {
		o.vote(m.id, msg.Term, msg.To)
		if d.hard.Term == msg.Term && d.hard.Vote != msg.To {
			o.g.fail("%s leaves while the durable vote is for %d", msg, d.hard.Vote)
		}
	}
	if msg.Type == raft.MsgVote {
		o.vote(m.id, msg.Term, m.id)
	}
	if msg.Type == raft.MsgAppResp && !msg.Reject && m.before.Hard.Term == msg.Term && msg.Index > d.last() {
		o.g.fail("%s leaves while the log is durable up to %d", msg, d.last())
	}
	m.watch.rounds.noteSent(m.watch.ticks, msg)
	if t := msg.Type; t == raft.MsgApp || t == raft.MsgHeartbeat || t == raft.MsgSnap {
		k := voteKey{msg.To, msg.Term}
		o.sessions[k] = max(o.sessions[k], msg.Session)
	}
	if msg.Type == raft.MsgSnap && !o.g.faultsOn {
		k := resend{msg.Term, msg.To, msg.Snapshot.Index}
		if o.resent[k]++; o.resent[k] > 4 {
			o.g.fail("%s is sent the %d. time, nothing is lost any more", msg, o.resent[k])
		}
	}
	if len(msg.Entries) > 1 {
		size := uint64(0)
		for i := range msg.Entries {
			size += uint64(len(msg.Entries[i].Data)) + 24
		}
		if msg.Type == raft.MsgApp && size > o.g.plan.cfg.MaxMessageBytes {
			o.g.fail("%s has %d bytes, the limit is %d", msg, size, o.g.plan.cfg.MaxMessageBytes)
		}
	}
}

func (o *oracle) vote(who raft.NodeID, t raft.Term, for_ raft.NodeID) {
	k := voteKey{who, t}
	if before, ok := o.votes[k]; ok && before != for_ {
		o.g.fail("%d votes for %d and for %d in term %d", who, before, for_, t)
	}
	o.votes[k] = for_
}

// writing looks at entries that go into a log: log matching.
func (o *oracle) writing(m *member, rd *raft.Ready) {
	if len(rd.Entries) == 0 {
		return
	}
	first := rd.Entries[0].Index
	before, known := raft.Term(0), false
	switch s := rd.Snapshot; {
	case s != nil && s.Index == first-1:
		before, known = s.Term, true
	case s == nil:
		t, err := m.log.Term(first - 1)
		before, known = t, err == nil
	}
	for i := range rd.Entries {
		e := &rd.Entries[i]
		k, c := entryKey{e.Index, e.Term}, content{before, hash(e.Data) + uint64(e.Type), known, e.Type == raft.EntryConfChange}
		if old, ok := o.entries[k]; ok && (old.hash != c.hash || old.known && c.known && old.before != c.before) {
			o.g.fail("logs do not match: %d writes %d/%d %q after term %d, elsewhere it is another entry or follows term %d", m.id, e.Term, e.Index, e.Data, c.before, old.before)
		} else if !ok || !old.known {
			o.entries[k] = c
		}
		before, known = e.Term, true
		o.oneChange(m, e)
	}
}

// oneChange: no second membership change goes into a log before the first is committed (thesis §4.1).
func (o *oracle) oneChange(m *member, e *raft.Entry) {
	if e.Index <= m.lastChange { // replaced
		m.lastChange = o.lastChange(&m.durable, 0, e.Index-1)
	}
	if e.Type != raft.EntryConfChange {
		return
	}
	if int(m.lastChange) > len(o.committed) {
		o.g.fail("member %d writes the membership change %d/%d while that at %d is not committed", m.id, e.Term, e.Index, m.lastChange)
	}
	m.lastChange = e.Index
}

// elected: election safety (Raft §5.2), leader completeness (§5.4.3).
func (o *oracle) elected(m *member, s *raft.Status) {
	t := s.Hard.Term
	o.g.w.Note("leads", uint64(m.id), uint64(t))
	if other, ok := o.leaders[t]; ok {
		o.g.fail("%d and %d lead term %d", other, m.id, t)
	}
	o.leaders[t] = m.id
	conf := m.node.Conf()
	if !o.votedFor(conf.Voters, m.id, t) || conf.Joint() && !o.votedFor(conf.VotersOutgoing, m.id, t) {
		o.g.fail("%d leads term %d without the votes of a majority of %s", m.id, t, conf)
	}
	o.g.leads(m)
	if d := &m.durable; d.hard.Term != t || d.hard.Vote != m.id {
		o.g.fail("%d leads term %d while %+v is durable", m.id, t, d.hard)
	}
	for i := len(o.committed) - 1; i >= 0; i-- {
		if c := o.committed[i]; c.by < t && c.term > 0 {
			if own, covered, ok := m.durable.term(raft.Index(i + 1)); !ok || !covered && own != c.term {
				o.g.fail("%d leads term %d without the committed entry %d/%d", m.id, t, c.term, i+1)
			}
			return // logs match before
		}
	}
}

func (o *oracle) votedFor(electorate []raft.NodeID, who raft.NodeID, t raft.Term) bool {
	n := 0
	for _, id := range electorate {
		if id == who || o.votes[voteKey{id, t}] == who {
			n++
		}
	}
	return n > len(electorate)/2
}

// commits: a leader commits by counting only an entry of its own term (Raft §5.4.2), which is durable
// on a majority of each electorate.
func (o *oracle) commits(m *member, s *raft.Status) {
	at, t := s.Hard.Commit, s.Hard.Term
	conf := m.node.Conf()
	if !o.durable(conf.Voters, at, t) || conf.Joint() && !o.durable(conf.VotersOutgoing, at, t) {
		o.g.fail("leader %d commits %d/%d, which is not durable on a majority of %s", m.id, t, at, conf)
	}
	o.commit(at, t, t, m)
	o.g.doubters(m)
	for _, n := range o.g.members { // whoever has it knows the terms before it
		if own, _, ok := n.durable.term(at); ok && own == t {
			for i := at; i > n.durable.base && (int(i) > len(o.committed) || i == at || o.committed[i-1].term == 0); i-- {
				own, _, _ := n.durable.term(i)
				o.commit(i, own, t, m)
			}
			break
		}
	}
}

func (o *oracle) durable(electorate []raft.NodeID, i raft.Index, t raft.Term) bool {
	n := 0
	for _, id := range electorate {
		if own, covered, ok := o.g.members[id-1].durable.term(i); ok && (covered || own == t) {
			n++
		}
	}
	return n > len(electorate)/2
}

// commit notes that the entry at i, of term t, was known to be committed in the term by.
func (o *oracle) commit(i raft.Index, t, by raft.Term, m *member) {
	for len(o.committed) < int(i) {
		o.committed = append(o.committed, commitment{})
	}
	c := &o.committed[i-1]
	switch {
	case c.term == 0:
		*c = commitment{t, by}
	case c.term != t:
		o.g.fail("%d/%d is committed on %d, elsewhere %d/%d", t, i, m.id, c.term, i)
	default:
		c.by = min(c.by, by)
	}
}

// applying: state-machine safety (Raft §5.4.3).
func (o *oracle) applying(m *member, e *raft.Entry) {
	o.commit(e.Index, e.Term, m.before.Hard.Term, m)
	c, ok := o.entries[entryKey{e.Index, e.Term}]
	if !ok || c.hash != hash(e.Data)+uint64(e.Type) {
		o.g.fail("member %d applies %d/%d %q, which is not what was written", m.id, e.Term, e.Index, e.Data)
	}
}

// applied: equal states at equal indexes.
func (o *oracle) applied(m *member) {
	i := int(m.state.applied)
	for len(o.chains) <= i {
		o.chains = append(o.chains, 0)
	}
	if c := o.chains[i]; c != 0 && c != m.state.chain+1 {
		o.g.fail("the state of %d differs at %d", m.id, i)
	}
	o.chains[i] = m.state.chain + 1
	o.g.w.Note("applied", uint64(m.id), uint64(i), m.state.chain)
}

// installed looks at a member that has just become what a snapshot says. The leader is told so.
func (o *oracle) installed(m *member, w *pendingWrite) {
	o.applied(m)
	if s := w.rd.Snapshot; !slices.ContainsFunc(w.after, func(a raft.Message) bool { return a.Type == raft.MsgAppResp && a.Index >= s.Index }) {
		o.g.fail("member %d installs the snapshot at %d and does not acknowledge it: %v", m.id, s.Index, w.after)
	}
	if conf, ok := o.confs[o.changeBefore(m.state.applied)]; ok && conf != m.state.conf.String() {
		o.g.fail("member %d has %s with the snapshot at %d, it is %s", m.id, m.state.conf, m.state.applied, conf)
	}
}

// changed: one membership an index (thesis §4.1).
func (o *oracle) changed(m *member, at raft.Index) {
	now := m.state.conf.String()
	if other, ok := o.confs[at]; ok && other != now {
		o.g.fail("member %d has %s after the change at %d, elsewhere it is %s", m.id, now, at, other)
	}
	o.confs[at], o.confTop = now, max(o.confTop, at)
	for _, n := range o.g.members {
		if m.state.conf.Contains(n.id) {
			o.joined[n.id] = true
		}
		m.watch.answered[n.id] = m.watch.ticks // it has other voters now: a period to hear from them
	}
	if m.state.conf.Joint() {
		o.g.w.Sometimes("joint configuration")
	}
}

// changeBefore returns the newest membership change at or before i that anybody has applied.
func (o *oracle) changeBefore(i raft.Index) (at raft.Index) {
	for c := range o.confs {
		if c <= i {
			at = max(at, c)
		}
	}
	return at
}

// wrote: a client learns that its write is done. Its revision is above all that were known when it
// asked; together with readDone that is linearizability, because every operation carries its place in
// the one order.
func (o *oracle) wrote(m *member, at raft.Index, r request) {
	if m.state.rev <= r.since {
		o.g.fail("a write on %d gets revision %d, when it was asked for %d was known", m.id, m.state.rev, r.since)
	}
	o.seen, o.acked = max(o.seen, m.state.rev), max(o.acked, at)
	o.g.history.wrote(r.op, m.state.rev)
	o.writes++
}

// readIndexed: the index for a read covers everything committed when it was asked for (thesis §6.4),
// which is more than clients could notice.
func (o *oracle) readIndexed(m *member, r raft.ReadState) {
	if q, ok := m.waiting[r.ID]; ok {
		if r.Index < q.committed {
			o.g.fail("stale read on %d: index %d, when it was asked for %d was committed", m.id, r.Index, q.committed)
		}
		if !m.held {
			o.leads(m, q)
		}
	}
	o.g.w.Note("read", uint64(m.id), r.ID, uint64(r.Index))
}

func (o *oracle) readDone(m *member, r request) {
	if m.state.rev < r.since {
		o.g.fail("stale read on %d: revision %d, when it was asked for %d was known", m.id, m.state.rev, r.since)
	}
	o.seen = max(o.seen, m.state.rev)
	o.g.history.read(r.op, m.state.last[r.register])
	o.reads++
}
