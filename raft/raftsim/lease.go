package raftsim

import (
	"slices"

	"github.com/etalon-kv/etalon/raft"
)

// rounds is what a leader's reads may rest on: when it sent which heartbeat, in its ticks, and who answered
// which.
type rounds struct {
	sent      []uint64 // of round i+1
	confirmed [maxMembers + 1]uint64
	// abdicated: it told somebody to campaign, and must not count on promises any more.
	abdicated bool
}

// noteSent looks at what a leader sends.
func (r *rounds) noteSent(now uint64, msg *raft.Message) {
	switch msg.Type {
	case raft.MsgHeartbeat:
		for uint64(len(r.sent)) < msg.Context {
			r.sent = append(r.sent, now)
		}
	case raft.MsgTimeoutNow:
		r.abdicated = true
	}
}

// noteAnswer looks at what it is answered.
func (r *rounds) noteAnswer(msg *raft.Message) {
	if i := msg.Context; msg.Type == raft.MsgHeartbeatResp && i > 0 && i <= uint64(len(r.sent)) {
		r.confirmed[msg.From] = max(r.confirmed[msg.From], r.sent[i-1])
	}
}

// heardBy returns the latest tick at which a heartbeat was sent that a majority of the electorate has answered.
func (r *rounds) heardBy(electorate []raft.NodeID, self raft.NodeID, now uint64) uint64 {
	if len(electorate) == 0 {
		return now
	}
	var ticks []uint64
	for _, id := range electorate {
		if id == self {
			ticks = append(ticks, now)
		} else {
			ticks = append(ticks, r.confirmed[id])
		}
	}
	slices.Sort(ticks)
	return ticks[len(ticks)-len(ticks)/2-1]
}

// leads checks that a leader which answers a read still leads: a majority of each electorate has answered a
// heartbeat that was sent since the read was asked for (thesis §6.4), or, with leases, one so recent that their
// promise holds (§6.4.1).
func (o *oracle) leads(m *member, q request) {
	w, cfg := &m.watch, &o.g.plan.cfg
	if m.before.Soft.Role != raft.Leader || q.term != m.before.Hard.Term {
		return
	}
	conf := m.node.Conf()
	heard := min(w.rounds.heardBy(conf.Voters, m.id, w.ticks), w.rounds.heardBy(conf.VotersOutgoing, m.id, w.ticks))
	lease := uint64(cfg.LeaseTicks)
	if lease == 0 {
		lease = uint64(cfg.ElectionTicks / 2)
	}
	if heard >= q.tick || cfg.ReadMode == raft.ReadLease && !w.rounds.abdicated && w.ticks < heard+lease {
		return
	}
	o.g.fail("leader %d answers a read in tick %d that was asked for in tick %d; the last heartbeat that a majority of %s has answered is of tick %d, a lease is %d, abdicated=%t",
		m.id, w.ticks, q.tick, conf, heard, lease, w.rounds.abdicated)
}

// keepsFaith checks, where reads rest on leases, that nobody votes who has promised a leader not to: for an election
// timeout after hearing of one, or after its start, which may have been a restart.
func (o *oracle) keepsFaith(m *member, msg *raft.Message) {
	now := m.node.Status().Hard
	if o.g.plan.cfg.ReadMode != raft.ReadLease || msg.Type != raft.MsgVote || msg.Force || now == m.watch.hard || now.Vote != msg.From {
		return
	}
	if since := m.watch.ticks - m.watch.leaderHeard; since < uint64(o.g.plan.cfg.ElectionTicks) {
		o.g.fail("member %d votes for %d, %d ticks after its start or hearing of a leader, who may have a lease", m.id, msg.From, since)
	}
}
