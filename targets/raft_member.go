package targets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// Bounds on what a member does at once.
const (
	// maxRaftProposals and maxRaftProposalBytes bound the writes that are proposed in one call.
	maxRaftProposals     = 1024
	maxRaftProposalBytes = 1 << 20
	// maxRaftWrites bounds the Readies that wait for the log; beyond, the core gives out no more.
	maxRaftWrites = 64
)

// raftMember is one member and the goroutine that drives its core.
type raftMember struct {
	g      *Raft
	id     raft.NodeID
	node   *raft.RawNode
	inbox  raftInbox
	writer *raftWriter

	// The rest belongs to the goroutine of run.
	events  raftEvents
	applied raft.Index
	// Readies are given to the writer in order: written is the last one, and acknowledged the last one
	// that it, or the member itself, has acknowledged.
	written, acknowledged uint64

	// waiting are requests that are not handed to the core yet, barriers those that wait for applied.
	waiting, barriers []*raftRequest

	// While it leads, in term: the writes in the core, oldest first; the first indexed of them have
	// an index. batches are what was given out of them, and match how far the others' logs are.
	leads    bool
	term     raft.Term
	writes   fifo[*raftRequest]
	indexed  int
	batches  fifo[raftBatch]
	match    []raft.Index
	ranked   []raft.Index // match, sorted
	entries  []raft.Entry // to be proposed; memory to use again
	reads    fifo[raftReads]
	lastRead uint64
}

// raftReads are reads that share a ReadIndex.
type raftReads struct {
	id       uint64
	index    raft.Index // 0 = not confirmed yet
	requests []*raftRequest
}

// run drives the core until ctx has ended or it has failed.
func (m *raftMember) run(ctx context.Context) {
	defer m.stop()
	ticker := time.NewTicker(m.g.cfg.Tick)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			err = m.node.Tick()
		case <-m.inbox.wake:
		}
		if err == nil {
			err = m.turn()
		}
		if err != nil {
			m.g.fail(fmt.Errorf("member %d: %w", m.id, err))
			return
		}
	}
}

// stop answers everybody who waits.
func (m *raftMember) stop() {
	left := append(m.inbox.close(), m.events.requests...)
	left = append(append(left, m.waiting...), m.barriers...)
	for m.writes.len() > 0 {
		left = append(left, m.writes.pop())
	}
	for m.reads.len() > 0 {
		left = append(left, m.reads.pop().requests...)
	}
	for _, r := range left {
		r.done <- m.g.end()
	}
}

// turn deals with everything that has come, then does what the core wants done.
func (m *raftMember) turn() error {
	m.inbox.take(&m.events)
	for _, d := range m.events.durable {
		if err := m.node.Persisted(d.number); err != nil {
			return err
		}
		m.acknowledged = d.number
		m.noteDurable(d)
	}
	for i := range m.events.messages {
		msg := &m.events.messages[i]
		m.noteAnswer(msg)
		if err := m.node.Step(*msg); errors.Is(err, raft.ErrStopped) {
			return err
		} // else it had no effect: a late message
	}
	m.waiting = append(m.waiting, m.events.requests...)
	clear(m.events.requests)
	m.events.requests = m.events.requests[:0]
	m.lookAtRole()
	if err := m.handOver(); err != nil {
		return err
	}
	for m.node.HasReady() && m.writer.hasRoom() {
		if err := m.serve(m.node.Ready()); err != nil {
			return err
		}
		m.lookAtRole()
	}
	return nil
}

// lookAtRole notes whether the member leads. Writes that it took as another leader may be committed
// or not; reads are asked again.
func (m *raftMember) lookAtRole() {
	s := m.node.Status()
	leads := s.Soft.Role == raft.Leader
	if leads == m.leads && s.Hard.Term == m.term {
		return
	}
	m.leads, m.term = leads, s.Hard.Term
	for m.writes.len() > 0 {
		m.writes.pop().done <- ErrLeadershipLost
	}
	for m.batches.len() > 0 {
		m.batches.pop()
	}
	m.indexed = 0
	for m.reads.len() > 0 {
		m.waiting = append(m.waiting, m.reads.pop().requests...)
	}
	clear(m.match)
	if leads {
		m.g.leader.Store(int64(m.id - 1))
		m.g.ledOnce.Do(func() { close(m.g.led) })
	}
}

// handOver gives the waiting requests to the core; to the leader, if that is another; or keeps them,
// if nobody leads.
func (m *raftMember) handOver() error {
	m.takeBarriers()
	if len(m.waiting) == 0 {
		return nil
	}
	if !m.leads {
		if to := m.node.Status().Soft.Leader; to != raft.None && to != m.id {
			if m.g.members[to-1].inbox.ask(m.waiting...) {
				clear(m.waiting)
				m.waiting = m.waiting[:0]
			}
		}
		return nil
	}
	if err := m.askReads(); err != nil {
		return err
	}
	return m.propose()
}

// takeBarriers moves the barriers out of waiting, and answers those that are passed.
func (m *raftMember) takeBarriers() {
	m.waiting, m.barriers = divide(m.waiting, m.barriers, func(r *raftRequest) bool { return r.kind == raftBarrier })
	for _, r := range m.barriers {
		if r.index == 0 {
			r.index = m.applied
		}
	}
	var passed []*raftRequest
	m.barriers, passed = divide(m.barriers, nil, func(r *raftRequest) bool { return r.index <= m.applied })
	for _, r := range passed {
		r.done <- nil
	}
}

// divide moves the requests that fit to the end of others.
func divide(from, others []*raftRequest, fits func(*raftRequest) bool) (rest, with []*raftRequest) {
	kept := from[:0]
	for _, r := range from {
		if fits(r) {
			others = append(others, r)
		} else {
			kept = append(kept, r)
		}
	}
	clear(from[len(kept):])
	return kept, others
}

// askReads asks one index for all reads that wait.
func (m *raftMember) askReads() error {
	var reads []*raftRequest
	m.waiting, reads = divide(m.waiting, nil, func(r *raftRequest) bool { return r.kind == raftRead })
	if len(reads) == 0 {
		return nil
	}
	m.lastRead++
	switch err := m.node.ReadIndex(m.lastRead); {
	case err == nil:
		m.reads.push(raftReads{id: m.lastRead, requests: reads})
	case errors.Is(err, raft.ErrReadDropped):
		m.waiting = append(m.waiting, reads...)
	default:
		return err
	}
	return nil
}

// propose gives the waiting writes to the core, in batches. Those that it has no room for stay.
func (m *raftMember) propose() error {
	for len(m.waiting) > 0 {
		n, bytes := 0, 0
		m.entries = m.entries[:0]
		for n < len(m.waiting) && n < maxRaftProposals && (n == 0 || bytes+len(m.waiting[n].data) <= maxRaftProposalBytes) {
			bytes += len(m.waiting[n].data)
			m.entries = append(m.entries, raft.Entry{Data: m.waiting[n].data})
			n++
		}
		err := m.node.ProposeBatch(m.entries)
		clear(m.entries)
		switch {
		case err == nil:
			for _, r := range m.waiting[:n] {
				m.writes.push(r)
			}
		case errors.Is(err, raft.ErrUncommittedFull):
			return nil
		case errors.Is(err, raft.ErrProposalDropped):
			for _, r := range m.waiting[:n] {
				r.done <- err
			}
		default:
			return err
		}
		rest := copy(m.waiting, m.waiting[n:])
		clear(m.waiting[rest:])
		m.waiting = m.waiting[:rest]
	}
	return nil
}

// serve does what a Ready asks for.
func (m *raftMember) serve(rd raft.Ready) error {
	if rd.Number == 0 {
		return m.node.Err()
	}
	given := m.g.now()
	ops := m.giveOut(&rd, given)
	m.g.send(rd.Messages)
	if rd.Snapshot != nil { // nothing to install: the state machine is its index
		m.applied = rd.Snapshot.Index
	}
	if err := m.apply(rd.Committed); err != nil {
		return err
	}
	for _, s := range rd.Reads {
		for i := range m.reads.len() {
			if r := m.reads.at(i); r.id == s.ID {
				r.index = s.Index
			}
		}
	}
	m.answerReads()
	if rd.Snapshot == nil && len(rd.Entries) == 0 && rd.HardState.Empty() && len(rd.AfterPersist) == 0 && m.written == m.acknowledged {
		m.written, m.acknowledged = rd.Number, rd.Number
		return m.node.Persisted(rd.Number)
	}
	m.written = rd.Number
	m.writer.write(raftWrite{rd: rd, applied: m.applied, ops: ops, given: given})
	return nil
}

// giveOut numbers the writes whose entries are in rd, and says how many they are. All entries with
// data that a leader gives out are its own proposals, in their order.
func (m *raftMember) giveOut(rd *raft.Ready, now time.Duration) (ops int) {
	if !m.leads {
		return 0
	}
	last := raft.Index(0)
	for i := range rd.Entries {
		if len(rd.Entries[i].Data) == 0 || rd.Entries[i].Term != m.term {
			continue
		}
		r := *m.writes.at(m.indexed)
		r.index, last = rd.Entries[i].Index, rd.Entries[i].Index
		m.g.stages.Record(stageQueue, now-r.asked, 1)
		m.indexed++
		ops++
	}
	if ops > 0 {
		m.batches.push(raftBatch{last: last, number: rd.Number, ops: ops, given: now})
	}
	return ops
}

// apply lets the state machine, which does nothing, have the entries, and answers who waits for them.
func (m *raftMember) apply(committed []raft.Entry) error {
	if len(committed) == 0 {
		return nil
	}
	for i := range committed {
		if committed[i].Type == raft.EntryConfChange { // nobody proposes one
			if err := m.node.SkipConfChange(committed[i]); err != nil {
				return err
			}
		}
	}
	m.applied = committed[len(committed)-1].Index
	if err := m.node.Applied(m.applied); err != nil {
		return err
	}
	now := m.g.now()
	for m.batches.len() > 0 && m.batches.at(0).last <= m.applied {
		b := m.batches.pop()
		m.g.stages.Record(stageCommit, now-max(b.durable, b.replicated), b.ops)
	}
	for m.indexed > 0 && (*m.writes.at(0)).index <= m.applied {
		m.indexed--
		m.writes.pop().done <- nil
	}
	m.takeBarriers()
	return nil
}

// answerReads answers the reads whose index is confirmed and applied. Confirmations come in order.
func (m *raftMember) answerReads() {
	for m.reads.len() > 0 {
		if r := m.reads.at(0); r.index == 0 || r.index > m.applied {
			return
		}
		now := m.g.now()
		for _, r := range m.reads.pop().requests {
			m.g.stages.Record(stageRead, now-r.asked, 1)
			r.done <- nil
		}
	}
}
