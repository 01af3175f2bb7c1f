package raftsim

import (
	"slices"

	"github.com/etalon-kv/etalon/raft"
)

// watch is what the oracle remembers of a process, from one event to the next. Times are in its ticks.
type watch struct {
	ticks uint64
	// leaderHeard is when something of a leader came, answered when a member last answered this leader.
	leaderHeard uint64
	answered    [maxMembers + 1]uint64
	// transferee is whom leadership is handed to since then.
	transferee  raft.NodeID
	transferred uint64
	asked       bool // to hand over, since the last tick: it may have given one up and begun another
	// hard is what the node said before the message that is being delivered.
	hard   raft.HardState
	rounds rounds
	// members, if the message is an answer from before a removal, is what the leader knew until then.
	members []raft.MemberStatus
	// term: the last Ready was of a leader of it; 0 if not.
	term   raft.Term
	events int
}

// maxMembers is the largest id.
const maxMembers = 9

// started looks at a member that was made from its disk.
func (o *oracle) started(m *member) {
	h, d := m.before.Hard, &m.durable
	if h.Term < d.hard.Term || h.Term == d.hard.Term && h.Vote != d.hard.Vote {
		o.g.fail("member %d starts with %+v, durable is %+v", m.id, h, d.hard)
	}
	if t, _, _ := d.term(d.last()); t > h.Term {
		o.g.fail("member %d starts in term %d, its log ends in %d", m.id, h.Term, t)
	}
	if last := o.lastChange(d, 0, d.last()); last > 0 {
		if before := o.lastChange(d, 0, last-1); before > h.Commit {
			o.g.fail("member %d starts with commit %d; the changes at %d and %d prove that the first is committed", m.id, h.Commit, before, last)
		}
	}
}

// lastChange returns the newest membership change after from, up to i, in a log, 0 if there is none.
func (o *oracle) lastChange(s *shadow, from, i raft.Index) raft.Index {
	for from = max(from, s.base); i > from; i-- {
		if t, _, ok := s.term(i); ok && o.entries[entryKey{i, t}].change {
			return i
		}
	}
	return 0
}

// crashes looks at a process that is about to end.
func (o *oracle) crashes(m *member) {
	if m.before.Soft.Role != raft.Leader {
		return
	}
	if m.state.conf.Joint() {
		o.g.w.Sometimes("leader crash in a joint configuration")
	}
	if c := o.lastChange(&m.view, 0, m.view.last()); c > m.before.Hard.Commit {
		o.g.w.Sometimes("leader crash before its membership change is committed")
	} else if c > m.state.applied {
		o.g.w.Sometimes("leader crash before its membership change is applied")
	}
	for _, p := range m.node.Members() {
		if p.State == raft.AwaitSnapshot {
			o.g.w.Sometimes("leader crash in the middle of a snapshot")
		}
	}
	if m.before.Transferee != raft.None {
		o.g.w.Sometimes("leader crash in the middle of a transfer")
	}
}

// check looks at a member after an event.
func (o *oracle) check(m *member) {
	s, b := m.node.Status(), &m.before
	h := s.Hard
	switch {
	case s.Err != nil:
		o.g.fail("member %d stopped: %v", m.id, s.Err)
	case h.Term < b.Hard.Term || h.Term == b.Hard.Term && b.Hard.Vote != raft.None && h.Vote != b.Hard.Vote || h.Commit < b.Hard.Commit:
		o.g.fail("member %d went from %+v to %+v", m.id, b.Hard, h)
	case s.Applied > s.Applying || s.Applying > h.Commit || h.Commit > s.Last || s.Stable > s.Last || s.Applying > max(s.Stable, s.Applied):
		o.g.fail("member %d: positions out of order: %+v", m.id, s)
	case s.Stable > m.durable.last():
		o.g.fail("member %d takes its log to be durable up to %d, it is up to %d", m.id, s.Stable, m.durable.last())
	case s.PendingReads > o.g.plan.cfg.MaxPendingReads:
		o.g.fail("member %d: %d reads wait, the limit is %d", m.id, s.PendingReads, o.g.plan.cfg.MaxPendingReads)
	case s.UncommittedBytes > o.g.plan.cfg.MaxUncommittedBytes+200 && s.Soft.Role == raft.Leader:
		o.g.fail("member %d: %d bytes uncommitted, the limit is %d", m.id, s.UncommittedBytes, o.g.plan.cfg.MaxUncommittedBytes)
	case s.CachedBytes > o.g.plan.cfg.CacheBytes+maxEntry*uint64(1+s.Last-min(s.Stable, s.Applied)):
		o.g.fail("member %d holds %d bytes of entries: %+v", m.id, s.CachedBytes, s)
	}
	if s.Soft.Role != b.Soft.Role && (s.Soft.Role == raft.Candidate || s.Soft.Role == raft.PreCandidate) {
		o.campaigns(m, &s)
	}
	led := b.Soft.Role == raft.Leader && b.Hard.Term == h.Term
	switch {
	case led && h.Commit > b.Hard.Commit: // perhaps the last that it did as a leader
		o.commits(m, &s)
		if o.lastChange(&m.view, b.Hard.Commit, h.Commit) > 0 {
			o.g.changeCommits(m)
		}
	case !led && s.Soft.Role == raft.Leader:
		o.elected(m, &s)
		m.watch.rounds = rounds{sent: m.watch.rounds.sent[:0]}
		for i := range m.watch.answered {
			m.watch.answered[i] = m.watch.ticks
		}
	}
	m.before = s
}

// maxEntry is the most that an entry counts for.
const maxEntry = 256

// campaigns: nobody campaigns who knows of a committed membership change that it has not applied (package
// raft, Membership).
func (o *oracle) campaigns(m *member, s *raft.Status) {
	if c := o.lastChange(&m.view, max(m.state.applied, s.Applied), s.Hard.Commit); c > 0 {
		o.g.fail("member %d campaigns; the membership change at %d is committed and not applied: %+v", m.id, c, *s)
	}
}

// taken looks at a Ready: what is to be written, and how far it is committed.
func (o *oracle) taken(m *member, rd *raft.Ready) {
	if n := len(rd.Entries); n > 0 {
		if first := rd.Entries[0].Index; rd.Snapshot == nil && (first > m.view.last()+1 || first <= m.view.last() && m.watch.term == m.before.Hard.Term) {
			o.g.fail("member %d, role %s in term %d, writes entries from %d to a log that ends at %d", m.id, m.before.Soft.Role, m.before.Hard.Term, first, m.view.last())
		}
	}
	m.watch.term = 0
	if m.before.Soft.Role == raft.Leader { // a leader only appends (Raft §5.3)
		m.watch.term = m.before.Hard.Term
	}
	if s := rd.Snapshot; s != nil {
		m.view.put(record{snap: s}, nil)
	}
	for i := range rd.Entries {
		m.view.put(record{entry: &rd.Entries[i]}, nil)
	}
	if c := rd.HardState.Commit; c > 0 {
		t, covered, ok := m.view.term(c)
		if !ok || int(c) > len(o.committed) || !covered && o.committed[c-1].term != t && o.committed[c-1].term != 0 {
			o.g.fail("member %d takes %d/%d to be committed, nobody committed that", m.id, t, c)
		}
	}
	if m.watch.events++; m.watch.term != 0 && m.watch.events%4 == 0 {
		o.windows(m)
	}
}

// windows: what a leader has under way stays within its limits, and it never sends again what it knows to
// be there.
func (o *oracle) windows(m *member) {
	members := m.node.Members()
	for i, p := range members {
		c := &o.g.plan.cfg
		if p.InflightMessages > c.MaxInflightMessages || p.InflightMessages > 1 && p.InflightBytes > c.MaxInflightBytes+c.MaxMessageBytes+maxEntry {
			o.g.fail("leader %d has %d messages, %d bytes under way to %d; the limits are %d and %d", m.id,
				p.InflightMessages, p.InflightBytes, p.ID, c.MaxInflightMessages, c.MaxInflightBytes)
		}
		if p.Match >= p.Next {
			o.g.fail("leader %d sends %d to %d next and knows %d to be there", m.id, p.Next, p.ID, p.Match)
		}
		for _, q := range members[:i] {
			if p.Session == q.Session {
				o.g.fail("leader %d gives %d and %d the same session %d", m.id, q.ID, p.ID, p.Session)
			}
		}
	}
}

// lostAnything reports whether a member that says raft.ErrLogLost is right: it forgot its log, and the message
// was sent before that.
func (o *oracle) lostAnything(m *member, msg *raft.Message) bool {
	return m.wiped && msg.Session <= m.sessions[msg.Term]
}

// hears and heard stand before and after a message is handed over. One that the shell refuses for the
// core tells the core nothing of a leader.
func (o *oracle) hears(m *member, msg *raft.Message, refused bool) {
	m.watch.hard = m.before.Hard
	switch msg.Type {
	case raft.MsgTransferLeader:
		m.watch.asked = true
	case raft.MsgApp, raft.MsgHeartbeat, raft.MsgSnap:
		if msg.Term >= m.before.Hard.Term && !refused {
			m.watch.leaderHeard = m.watch.ticks
		}
	case raft.MsgAppResp, raft.MsgHeartbeatResp, raft.MsgSnapRefused:
		if msg.Term == m.before.Hard.Term {
			m.watch.answered[msg.From] = m.watch.ticks
			m.watch.rounds.noteAnswer(msg)
		}
		m.watch.members = nil
		if msg.Session < o.sessions[voteKey{msg.From, msg.Term}] && m.before.Soft.Role == raft.Leader && msg.Term == m.before.Hard.Term {
			m.watch.members = m.node.Members()
		}
	}
}

func (o *oracle) heard(m *member, msg *raft.Message) {
	o.keepsFaith(m, msg)
	if now := m.node.Status().Hard; msg.Type == raft.MsgPreVote && (now.Term != m.watch.hard.Term || now.Vote != m.watch.hard.Vote) {
		o.g.fail("%s changes member %d from %+v to %+v; it must change nothing", msg, m.id, m.watch.hard, now)
	}
	if before := m.watch.members; before != nil {
		m.watch.members = nil
		o.g.w.Sometimes("an answer from before a removal")
		if after := m.node.Members(); !slices.Equal(after, before) {
			o.g.fail("%s of an earlier session makes leader %d believe %+v instead of %+v", msg, m.id, after, before)
		}
	}
}

// ticked looks at what time must bring about.
func (o *oracle) ticked(m *member) {
	s, w, election := &m.before, &m.watch, uint64(o.g.plan.cfg.ElectionTicks)
	if s.Soft.Role == raft.Follower && s.Soft.Leader != raft.None && w.ticks > w.leaderHeard+2*election {
		o.g.fail("member %d believes in leader %d, of which it has heard nothing for %d ticks", m.id, s.Soft.Leader, w.ticks-w.leaderHeard)
	}
	if s.Transferee != w.transferee || w.asked {
		w.transferee, w.transferred, w.asked = s.Transferee, w.ticks, false
	} else if s.Transferee != raft.None && w.ticks > w.transferred+election+1 {
		o.g.fail("leader %d hands over to %d for %d ticks", m.id, s.Transferee, w.ticks-w.transferred)
	}
	if s.Soft.Role != raft.Leader || !o.g.plan.cfg.CheckQuorum {
		return
	}
	conf := &m.state.conf
	for _, electorate := range [][]raft.NodeID{conf.Voters, conf.VotersOutgoing} {
		n := 0
		for _, id := range electorate {
			if id == m.id || w.ticks <= w.answered[id]+2*election {
				n++
			}
		}
		if n <= len(electorate)/2 && len(electorate) > 0 {
			o.g.fail("leader %d goes on without an answer of a majority of %s for %d ticks", m.id, conf, 2*election)
		}
	}
}
