package replica

import (
	"errors"
	"fmt"
	"slices"

	"github.com/etalon-kv/etalon/raft"
)

// Member is the deciding part of a replica: a state machine without goroutine, clock, lock, disk or
// network over a raft.RawNode. Calls tell it what happened; Work says what is to be done. Replica is its
// shell; replica/replicasim drives it in a simulated world.
//
// Whoever drives it calls Work until there is none after each call or several, and does with each what its
// fields say. All calls are made by one goroutine. An error that is raft.ErrStopped ends the member.
type Member struct {
	cfg  MemberConfig
	id   raft.NodeID
	node *raft.RawNode
	soft raft.SoftState
	tick uint64

	// nextID numbers requests and reads; see MemberConfig.FirstRequest.
	nextID uint64
	// queue are proposals that the core has not taken, in order, and queueBytes their commands.
	queue      []*Request
	queueBytes int
	// waiting are proposals that were appended or forwarded, by number.
	waiting map[uint64]*Request
	reads   reads

	// writes are the Readies given out to be written and not acknowledged, and lazy the hard state that
	// goes with the next one.
	writes int
	lazy   raft.HardState
	// written is a Ready that needs no writing and is not acknowledged yet; 0: none.
	written uint64
	// applied is how far the state machine is; cut decides when the log is cut.
	applied raft.Index
	cut     cutter
	health  health
	// leftAt is the tick at which the member saw itself removed; 0 while it was not.
	leftAt  uint64
	belongs bool

	answered []*Request
	entries  []raft.Entry // scratch
	batches  []*Batch     // to be used again
}

// NewMember makes a member of what its log and its state machine hold. ErrStateLost, raft.ErrLogLost: they
// do not fit together, because one of them has lost something.
func NewMember(c MemberConfig) (*Member, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := agree(c.Raft.Storage, &c.State); err != nil {
		return nil, err
	}
	rc := c.Raft
	if c.State.Index > 0 {
		conf := c.State.Conf.Clone()
		rc.Applied, rc.Conf = c.State.Index, &conf
	}
	node, err := raft.NewRawNode(&rc)
	if err != nil {
		return nil, err
	}
	m := &Member{cfg: c, id: rc.ID, node: node, nextID: c.FirstRequest, waiting: map[uint64]*Request{}, applied: node.Status().Applied}
	conf := node.Conf()
	if m.cut, err = newCutter(&c, m.applied, conf); err != nil {
		return nil, err
	}
	m.health.member(&conf, m.id)
	m.belongs = conf.Contains(m.id)
	return m, nil
}

// agree checks that a state machine at state and the log can be of one member.
func agree(log raft.Storage, state *raft.Snapshot) error {
	first, err := log.FirstIndex()
	if err != nil {
		return fmt.Errorf("replica: reading the log: %w", err)
	}
	last, err := log.LastIndex()
	if err != nil {
		return fmt.Errorf("replica: reading the log: %w", err)
	}
	switch {
	case state.Index > last:
		return fmt.Errorf("%w: %d is applied, the log ends at %d", raft.ErrLogLost, state.Index, last)
	case state.Index+1 < first:
		return fmt.Errorf("%w: %d is applied, the log begins at %d", ErrStateLost, state.Index, first)
	case state.Index == 0:
		return nil
	}
	t, err := log.Term(state.Index)
	if err != nil {
		return fmt.Errorf("replica: reading the log: %w", err)
	}
	if t != state.Term {
		return fmt.Errorf("%w: %d/%d is applied, in the log it is %d/%d", raft.ErrLogLost, state.Term, state.Index, t, state.Index)
	}
	return nil
}

// Tick lets one unit of time pass.
func (m *Member) Tick() error {
	m.tick++
	m.reads.tick(m)
	return m.node.Tick()
}

// Step takes in a message. Any error but raft.ErrStopped means that it had no effect.
func (m *Member) Step(msg raft.Message) error {
	m.health.heard(msg.From, m.tick)
	return m.node.Step(msg)
}

// Propose takes in proposals. They wait while nobody leads, while leadership is handed over, while the core
// has too much uncommitted, and, on a leader, while its log is being written, so that what comes in
// during one sync is appended and synced together.
func (m *Member) Propose(requests ...*Request) {
	m.queue = append(m.queue, requests...)
	for _, r := range requests {
		m.queueBytes += len(r.Command) + envelopeBytes
	}
	m.schedule(requests)
}

// schedule says when requests time out.
func (m *Member) schedule(requests []*Request) {
	if m.cfg.RequestTicks == 0 {
		return
	}
	for _, r := range requests {
		r.due = m.tick + m.cfg.RequestTicks
	}
}

// ReadIndex takes in reads. They are answered, in Work.Answered, when the state machine holds everything
// that was committed when this was called.
func (m *Member) ReadIndex(requests ...*Request) {
	m.reads.queue = append(m.reads.queue, requests...)
	m.schedule(requests)
}

// Persisted acknowledges a Write: it and all before are durable, and its snapshot is installed.
func (m *Member) Persisted(w *Write) error {
	m.writes -= 1 + w.merged
	if err := m.node.Persisted(w.Number); err != nil {
		return err
	}
	if s := w.installed; s != nil {
		m.applied = max(m.applied, s.Index)
		m.membership(s.Index, m.node.Conf())
		m.cut.restored(s.Index)
	}
	return nil
}

// Applied acknowledges that the state machine has applied everything up to i, of which everything up
// to durable would survive a crash.
func (m *Member) Applied(i, durable raft.Index) error {
	if i > m.applied {
		if err := m.node.Applied(i); err != nil {
			return err
		}
		m.applied = i
	}
	m.cut.applied(m.applied, durable)
	return nil
}

// ApplyChange puts the membership change e, from a Batch, in force.
func (m *Member) ApplyChange(e raft.Entry) (raft.ConfState, error) {
	conf, err := m.node.ApplyConfChange(e)
	if errors.Is(err, raft.ErrStopped) || errors.Is(err, raft.ErrMisuse) {
		return conf, err
	}
	m.membership(e.Index, conf)
	return conf, err
}

// SkipChange refuses it.
func (m *Member) SkipChange(e raft.Entry) error { return m.node.SkipConfChange(e) }

func (m *Member) membership(at raft.Index, conf raft.ConfState) {
	m.cut.changed(at, conf)
	m.health.member(&conf, m.id)
	switch in := conf.Contains(m.id); {
	case in:
		m.belongs, m.leftAt = true, 0
	case m.belongs && m.leftAt == 0:
		m.leftAt = max(1, m.tick)
	}
}

// Removed reports that the member was removed from the group and has stayed long enough for the others
// to learn so: it may be stopped.
func (m *Member) Removed() bool {
	return m.leftAt > 0 && m.soft.Role != raft.Leader && m.tick-m.leftAt > uint64(10*m.cfg.Raft.ElectionTicks)
}

// Unreachable says that messages to a member are being lost.
func (m *Member) Unreachable(id raft.NodeID) { m.node.ReportUnreachable(id) }

// SnapshotSent says how sending a raft.MsgSnap went.
func (m *Member) SnapshotSent(id raft.NodeID, ok bool) { m.node.ReportSnapshot(id, ok) }

// RefuseSnapshot answers a raft.MsgSnap whose image could not be had.
func (m *Member) RefuseSnapshot(msg raft.Message) error { return m.node.RefuseSnapshot(msg) }

// Sweep forgets the requests that nobody waits for any more, and returns them. Those whose time is over are
// answered with ErrTimeout, in the next Work.
func (m *Member) Sweep() []*Request {
	s := sweep{now: m.tick}
	m.queue = s.keep(m.queue)
	m.queueBytes = 0
	for _, r := range m.queue {
		m.queueBytes += len(r.Command) + envelopeBytes
	}
	var over []uint64
	for id, r := range m.waiting { // the order is mended below
		if s.over(r) {
			over = append(over, id)
		}
	}
	slices.Sort(over)
	for _, id := range over {
		s.drop(m.waiting[id])
		delete(m.waiting, id)
	}
	m.reads.sweep(&s)
	m.answered = append(m.answered, s.late...)
	return s.gone
}

// sweep sorts out requests: gone are those that nobody waits for, late those whose time is over.
type sweep struct {
	now        uint64
	gone, late []*Request
}

func (s *sweep) over(r *Request) bool { return r.gone.Load() || r.due > 0 && s.now >= r.due }

func (s *sweep) drop(r *Request) {
	if r.gone.Load() {
		s.gone = append(s.gone, r)
		return
	}
	r.Err = ErrTimeout
	s.late = append(s.late, r)
}

// keep returns the others.
func (s *sweep) keep(all []*Request) []*Request {
	kept := all[:0]
	for _, r := range all {
		if s.over(r) {
			s.drop(r)
		} else {
			kept = append(kept, r)
		}
	}
	clear(all[len(kept):])
	return kept
}

// Abort takes all requests back, answered with err.
func (m *Member) Abort(err error) []*Request {
	all := append(m.answered, m.queue...)
	for _, r := range m.queue {
		r.Err = err
	}
	all = append(all, m.failWaiting(err)...)
	all = append(all, m.reads.fail(err)...)
	m.queue, m.queueBytes, m.answered = nil, 0, nil
	return all
}

// failWaiting answers all proposals that are on their way, in the order in which they came.
func (m *Member) failWaiting(err error) []*Request {
	ids := sortedKeys(m.waiting)
	all := make([]*Request, 0, len(ids))
	for _, id := range ids {
		r := m.waiting[id]
		r.Err = err
		all = append(all, r)
	}
	clear(m.waiting)
	return all
}

func (m *Member) number() uint64 {
	m.nextID++
	return m.nextID
}
