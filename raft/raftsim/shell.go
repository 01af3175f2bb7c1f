package raftsim

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/sim"
)

// deliver takes in a message.
func (m *member) deliver(_ uint64, b []byte) {
	if m.node == nil {
		return
	}
	var msg raft.Message
	m.must(msg.Decode(b))
	m.g.w.Note("deliver", uint64(m.id), uint64(msg.From), uint64(msg.Type), uint64(msg.Term), uint64(msg.Index))
	m.catchUp()
	if disturbs(&msg, m.before.Hard.Term) {
		m.g.disturbed++
	}
	if m.cutsLog(&msg) {
		return
	}
	refuses := msg.Type == raft.MsgSnap && m.g.faultsOn && m.g.plan.has(Loss) && m.rng.IntN(4) == 0
	m.g.oracle.hears(m, &msg, refuses)
	if refuses {
		m.must(m.node.RefuseSnapshot(msg))
		m.g.w.Sometimes("snapshot refused")
	} else if err := m.node.Step(msg); errors.Is(err, raft.ErrStopped) || errors.Is(err, raft.ErrLogLost) && !m.g.oracle.lostAnything(m, &msg) || errors.Is(err, raft.ErrMalformed) {
		m.g.fail("member %d: %v for %s", m.id, err, msg)
	}
	m.g.oracle.heard(m, &msg)
	if msg.Type == raft.MsgSnap && m.node.Status().Hard.Commit == msg.Snapshot.Index && changes(m.applying) {
		m.g.w.Sometimes("a snapshot overtakes a membership change")
	}
	m.event()
}

// cutsLog lets a leader, in one case of eight, cut its log just before it hears that a member needs what was in it, and
// reports whether that ended the process.
func (m *member) cutsLog(msg *raft.Message) bool {
	g := m.g
	if !msg.Reject || msg.Type != raft.MsgAppResp || m.before.Soft.Role != raft.Leader || !g.faultsOn || !g.plan.has(Compaction) || m.rng.IntN(8) > 0 {
		return false
	}
	g.w.Sometimes("the log is cut as a member asks for what was in it")
	m.checkpoint()
	m.snapshot(0)
	return m.node == nil
}

// disturbs tells whether a message may end the leadership of a healthy group, if it was sent before the group was
// healthy: it asks for an election, or tells a member of this term of a higher one that whoever sent it has forgotten.
// A request for a vote that nobody asked for is what a healthy group must not see.
func disturbs(msg *raft.Message, term raft.Term) bool {
	switch msg.Type {
	case raft.MsgTransferLeader, raft.MsgTimeoutNow:
		return true
	case raft.MsgVote, raft.MsgPreVote:
		return msg.Force
	}
	return msg.Term > term && (msg.Type != raft.MsgPreVoteResp || msg.Reject)
}

// event ends everything that happens at a member: the oracles look, and what is ready is taken.
func (m *member) event() {
	if m.node == nil {
		return
	}
	m.g.oracle.check(m)
	for m.node.HasReady() && len(m.writes) < 64 {
		if !m.take() {
			return
		}
	}
	m.held = m.node.HasReady()
}

// take takes one Ready; false: the process ended.
func (m *member) take() bool {
	rd := m.node.Ready()
	if rd.Number == 0 {
		m.g.fail("member %d stopped: %v", m.id, m.node.Err())
	}
	if m.point("before sending") {
		return false
	}
	m.g.oracle.taken(m, &rd)
	m.send(rd.Messages)
	if rd.Snapshot != nil && (len(m.applying) > 0 || m.state.applied != m.node.Status().Applied) {
		m.g.fail("member %d is given a snapshot while entries wait to be applied", m.id)
	}
	for _, r := range rd.Reads {
		m.g.oracle.readIndexed(m, r)
		m.reads = append(m.reads, r)
	}
	m.serve()
	m.applying = append(m.applying, rd.Committed...)
	if changes(rd.Committed) {
		m.g.changeApplies(m)
	}
	w := pendingWrite{rd: rd, after: rd.AfterPersist}
	w.rd.Messages, w.rd.AfterPersist, w.rd.Committed, w.rd.Reads = nil, nil, nil, nil
	m.writes = append(m.writes, w)
	m.scheduleWrite()
	m.scheduleApply()
	m.g.oracle.check(m)
	return true
}

func (m *member) send(messages []raft.Message) {
	g := m.g
	for i := range messages {
		msg := &messages[i]
		g.oracle.sent(m, msg)
		g.w.Note("send", uint64(m.id), uint64(msg.To), uint64(msg.Type), uint64(msg.Term), uint64(msg.Index))
		if msg.Type == raft.MsgSnap && g.faultsOn && g.plan.has(Loss) && m.rng.IntN(4) == 0 { // it is big
			g.w.Sometimes("snapshot lost")
			continue
		}
		m.post(msg)
		if msg.Type == raft.MsgSnap {
			g.w.Sometimes("snapshot sent")
			if g.faultsOn && g.plan.has(LateMessages) && m.rng.IntN(2) == 0 { // and arrives once more, when the receiver may be far ahead
				g.net.SendSlowly(uint64(m.id), uint64(msg.To), g.encode(msg), time.Duration(m.rng.Int64N(int64(time.Second))))
			}
			to := msg.To
			m.host.Later(50*time.Millisecond, func() {
				if g.faultsOn && m.rng.IntN(4) == 0 {
					m.node.ReportSnapshot(to, m.rng.IntN(2) == 0)
				}
			})
		}
	}
}

// post puts a message on the network: with types that are slow, in every other case, slowly; and some of
// those sent before the week in which nobody is up once more, to arrive after it.
func (m *member) post(msg *raft.Message) {
	g := m.g
	b := g.encode(msg)
	extra := time.Duration(0)
	if g.plan.slow&(1<<msg.Type) != 0 && m.rng.IntN(2) == 0 {
		extra = time.Duration(m.rng.Int64N(int64(g.plan.slowBy)))
	}
	g.net.SendSlowly(uint64(m.id), uint64(msg.To), b, extra)
	if at := g.plan.weekAt; g.w.Now() < at && m.rng.IntN(16) == 0 {
		g.net.SendSlowly(uint64(m.id), uint64(msg.To), b, at-g.w.Now()+week+time.Duration(m.rng.Int64N(int64(3*time.Second))))
	}
}

// encode returns the bytes of a message, many of which share one allocation.
func (g *group) encode(msg *raft.Message) []byte {
	if cap(g.arena)-len(g.arena) < 512 {
		g.arena = make([]byte, 0, 1<<15)
	}
	from := len(g.arena)
	g.arena = msg.Append(g.arena)
	return g.arena[from:len(g.arena):len(g.arena)]
}

// scheduleWrite begins to write everything that waits, as one group.
func (m *member) scheduleWrite() {
	if m.writing > 0 || len(m.writes) == 0 {
		return
	}
	m.writing = len(m.writes)
	d := time.Duration(m.rng.Int64N(int64(m.g.plan.disk)))
	if m.g.w.Now() < m.slowTo {
		d = m.slowTo - m.g.w.Now()
	}
	m.host.Later(d, m.write)
}

// write does what scheduleWrite began: it takes effect at its end, and a crash before leaves a part of it.
func (m *member) write() {
	if m.point("before writing") || m.cutShort() {
		return
	}
	sync := false
	for i := range m.writes[:m.writing] {
		sync = sync || m.writes[i].rd.MustSync
	}
	for i := range m.writes[:m.writing] {
		rd := &m.writes[i].rd
		m.g.oracle.writing(m, rd)
		m.pending = appendRecords(m.pending, rd)
		err := m.log.Write(rd.Snapshot, rd.Entries, rd.HardState, sync && i == m.writing-1)
		if m.broken(err) {
			return
		}
	}
	if sync {
		for i := range m.pending {
			m.durable.put(m.pending[i], nil)
		}
		m.pending = m.pending[:0]
	}
	m.landed = m.writing
	m.g.w.Note("written", uint64(m.id), uint64(m.durable.last()))
	if m.point("after writing") {
		return
	}
	m.host.Later(time.Duration(m.rng.Int64N(int64(time.Millisecond))), m.written)
}

// cutShort ends the process, in one case of eight, while a membership change is being written; in one of
// two, if what proves the one before it to be committed is in the same write.
func (m *member) cutShort() bool {
	g, last := m.g, &m.writes[m.writing-1].rd
	if !g.faultsOn || !g.plan.has(CrashPoints) || !changes(last.Entries) {
		return false
	}
	n := 8
	if c := g.oracle.lastChange(&m.durable, 0, m.durable.last()); c > m.durable.hard.Commit && c <= last.HardState.Commit {
		n = 2
	}
	if m.rng.IntN(n) > 0 {
		return false
	}
	g.w.Sometimes("crash while a membership change is written")
	m.breakOff(m.writing)
	m.crash(g.plan.has(PowerCuts) && m.rng.IntN(2) == 0, 0)
	return true
}

// changes tells whether there is a membership change among the entries.
func changes(entries []raft.Entry) bool {
	return slices.ContainsFunc(entries, func(e raft.Entry) bool { return e.Type == raft.EntryConfChange })
}

// written acknowledges what write did, in either order.
func (m *member) written() {
	m.catchUp()
	done := m.writes[:m.writing]
	for i := range done {
		if s := done[i].rd.Snapshot; s != nil {
			if m.point("before installing a snapshot") {
				return
			}
			m.state.install(s)
			m.kept = m.state
			m.g.w.Sometimes("snapshot installed")
			m.g.oracle.installed(m, &done[i])
		}
	}
	number := done[len(done)-1].rd.Number
	if m.rng.IntN(2) == 0 {
		if !m.tellOthers(done) || m.point("before acknowledging to itself") {
			return
		}
		m.must(m.node.Persisted(number))
	} else {
		for i := range done { // the node uses the slices again after Persisted
			done[i].after = append([]raft.Message(nil), done[i].after...)
		}
		m.must(m.node.Persisted(number))
		m.g.oracle.check(m)
		if m.point("before acknowledging to others") || !m.tellOthers(done) {
			return
		}
	}
	n := copy(m.writes, m.writes[m.writing:])
	clear(m.writes[n:])
	m.writes = m.writes[:n]
	m.writing, m.landed = 0, 0
	m.event()
	if m.node != nil {
		m.scheduleWrite()
	}
}

// tellOthers sends what had to wait for the disk; false: the process ended in between.
func (m *member) tellOthers(done []pendingWrite) bool {
	for i := range done {
		m.send(done[i].after)
	}
	return m.node != nil
}

func (m *member) scheduleApply() {
	if !m.applies && len(m.applying) > 0 {
		m.applies = true
		m.host.Later(max(time.Duration(m.rng.Int64N(int64(m.g.plan.apply))), m.dawdlesTo-m.g.w.Now()), m.apply)
	}
}

// apply lets the state machine go on by some entries.
func (m *member) apply() {
	m.applies = false
	if m.g.w.Now() < m.dawdlesTo || len(m.applying) == 0 {
		m.scheduleApply()
		return
	}
	if m.point("before applying") {
		return
	}
	m.applySome(1 + m.rng.IntN(min(len(m.applying), 16)))
	if m.node != nil {
		m.scheduleApply()
	}
}

// hurry lets the state machine do all that it was given, and what follows from that.
func (m *member) hurry() {
	for m.node != nil && len(m.applying) > 0 {
		m.applySome(len(m.applying))
	}
}

func (m *member) applySome(n int) {
	m.catchUp()
	for i := range m.applying[:n] {
		m.applyEntry(&m.applying[i])
	}
	left := copy(m.applying, m.applying[n:])
	clear(m.applying[left:])
	m.applying = m.applying[:left]
	if m.rng.IntN(3) == 0 {
		m.checkpoint()
	}
	m.must(m.node.Applied(m.state.applied))
	m.serve()
	m.event()
}

// checkpoint makes the state machine durable.
func (m *member) checkpoint() {
	m.kept = m.state
	m.kept.conf = m.state.conf.Clone()
}

func (m *member) applyEntry(e *raft.Entry) {
	if e.Index != m.state.applied+1 {
		m.g.fail("member %d is given %d to apply after %d", m.id, e.Index, m.state.applied)
	}
	m.g.oracle.applying(m, e)
	m.state.applied = e.Index
	switch {
	case e.Type == raft.EntryConfChange:
		conf, err := m.node.ApplyConfChange(*e)
		if errors.Is(err, raft.ErrStopped) || errors.Is(err, raft.ErrMisuse) {
			m.g.fail("applying %d on %d: %v", e.Index, m.id, err)
		}
		m.state.conf = conf.Clone()
		m.g.oracle.changed(m, e.Index)
	case len(e.Data) > 0:
		id := binary.LittleEndian.Uint64(e.Data)
		if m.state.write(e.Data) {
			m.g.history.placed(id, m.state.rev)
			if r, ok := m.waiting[id]; ok {
				delete(m.waiting, id)
				m.g.oracle.wrote(m, e.Index, r)
			}
		}
	}
	m.g.oracle.applied(m)
}

// serve answers the reads whose index is applied.
func (m *member) serve() {
	rest := m.reads[:0]
	for _, r := range m.reads {
		if r.Index > m.state.applied {
			rest = append(rest, r)
			continue
		}
		if q, ok := m.waiting[r.ID]; ok {
			delete(m.waiting, r.ID)
			m.g.oracle.readDone(m, q)
		}
	}
	m.reads = rest
}

// snapshot marks the durable state as a snapshot and cuts the log so many entries before it.
func (m *member) snapshot(keep int) {
	at := m.kept.applied
	if stored, err := m.log.InitialState(); err != nil || at <= stored.SnapshotIndex {
		m.must(err)
		return
	}
	if m.broken(m.log.CreateSnapshot(at, m.kept.conf, m.kept.encode())) {
		return
	}
	m.pending = append(m.pending, record{mark: at})
	first, err := m.log.FirstIndex()
	m.must(err)
	if to := at - min(at, raft.Index(keep)); to >= first {
		if m.broken(m.log.Compact(to)) {
			return
		}
		m.pending = append(m.pending, record{compact: to})
	}
}

// broken ends the process if its log failed: a failed sync is final.
func (m *member) broken(err error) bool {
	if err == nil {
		return false
	}
	if !errors.Is(err, sim.ErrIO) {
		m.g.fail("writing the log of %d: %v", m.id, err)
	}
	m.g.w.Sometimes("failed sync")
	m.landed = len(m.writes) // nothing is written any more
	m.crash(m.rng.IntN(2) == 0, 0)
	return true
}
