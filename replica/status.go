package replica

import "github.com/etalon-kv/etalon/raft"

// Status is a member at a moment.
type Status struct {
	ID raft.NodeID
	// Role, Leader and Term: who leads, as far as the member knows.
	Role   raft.Role
	Leader raft.NodeID
	Term   raft.Term
	// Committed, Applied and Durable are indexes: known to be committed, applied to the state machine,
	// and of that what would survive a crash. The log holds First to Last.
	Committed, Applied, Durable raft.Index
	First, Last                 raft.Index
	// Conf is the membership in force.
	Conf raft.ConfState
	// Members is what a leader knows about the progress of each; nil on others.
	Members []raft.MemberStatus
	// Active are the other members that were heard within an election timeout.
	Active []raft.NodeID
	// Queued and Waiting are proposals not yet appended, and appended or forwarded; Reads are reads not
	// answered.
	Queued, Waiting, Reads int
}

// Status returns the member's state.
func (m *Member) Status() Status {
	s := m.node.Status()
	st := Status{ID: m.id, Role: s.Soft.Role, Leader: s.Soft.Leader, Term: s.Hard.Term, Committed: s.Hard.Commit,
		Applied: m.applied, Durable: m.cut.durable, Last: s.Last, Conf: m.node.Conf(), Members: m.node.Members(),
		Queued: len(m.queue), Waiting: len(m.waiting)}
	if first, err := m.cfg.Raft.Storage.FirstIndex(); err == nil {
		st.First = first
	}
	for _, l := range m.health.last {
		if m.active(l.id) {
			st.Active = append(st.Active, l.id)
		}
	}
	for _, q := range [][]round{m.reads.rounds, m.reads.ready} {
		for i := range q {
			st.Reads += len(q[i].requests)
		}
	}
	st.Reads += len(m.reads.queue)
	return st
}

// Soft returns what the member knows about leadership, as of the last Work.
func (m *Member) Soft() raft.SoftState { return m.soft }

// Err returns what stopped the core.
func (m *Member) Err() error { return m.node.Err() }
