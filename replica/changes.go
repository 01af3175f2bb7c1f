package replica

import (
	"errors"
	"fmt"
	"slices"

	"github.com/etalon-kv/etalon/raft"
)

// OpenChange takes a membership change from a Batch apart: the change as its proposer gave it, and who
// that was. ok is false for bytes that are none, which the core refuses as well.
func OpenChange(e raft.Entry) (cc raft.ConfChange, from raft.NodeID, request uint64, ok bool) {
	if cc.Decode(e.Data) != nil {
		return raft.ConfChange{}, raft.None, 0, false
	}
	from, request, cc.Context = openEnvelope(cc.Context)
	return cc, from, request, true
}

// Change is a membership change in an envelope: what Member.ProposeChange takes, here or on the leader.
type Change struct{ cc raft.ConfChange }

// EncloseChange makes a change ready to be proposed. The answer to r comes when it is
// applied here; abandon r if it cannot be proposed.
func (m *Member) EncloseChange(cc raft.ConfChange, r *Request) Change {
	number := m.number()
	m.waiting[number] = r
	m.schedule([]*Request{r})
	cc.Context = append(appendEnvelope(make([]byte, 0, envelopeBytes+len(cc.Context)), m.id, number), cc.Context...)
	return Change{cc}
}

// ProposeChange proposes a change on the leader, after CheckChange. ErrNotLeader on others; ErrChangePending,
// ErrBadChange, and those of CheckChange: nothing was proposed.
func (m *Member) ProposeChange(c Change) error {
	if err := m.CheckChange(&c.cc); err != nil {
		return err
	}
	err := m.node.ProposeConfChange(c.cc)
	switch {
	case errors.Is(err, raft.ErrConfChangePending):
		return fmt.Errorf("%w: %w", ErrChangePending, err)
	case errors.Is(err, raft.ErrBadConfChange):
		return fmt.Errorf("%w: %w", ErrBadChange, err)
	case errors.Is(err, raft.ErrProposalDropped):
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return err
}

// CheckChange refuses, on the leader, a change that would put the group at risk now, as etcd does: adding a
// member while those voters that are heard would be no quorum with one more (ErrUnhealthy), removing a
// voter when those that are left and heard are no quorum (ErrUnhealthy) or none (ErrNotEnoughStarted),
// promoting a learner whose log has less than 90 % of the leader's (ErrLearnerNotReady) or that would be
// missing for a quorum (ErrNotEnoughStarted). Only the last but one holds with MemberConfig.Loose. A
// group of one may always grow.
func (m *Member) CheckChange(cc *raft.ConfChange) error {
	if m.soft.Role != raft.Leader {
		return ErrNotLeader
	}
	conf := m.node.Conf()
	for _, c := range cc.Changes {
		switch {
		case c.Type == raft.AddVoter && slices.Contains(conf.Learners, c.Node):
			if err := m.caughtUp(c.Node); err != nil {
				return err
			}
		case c.Type == raft.AddVoter && slices.Contains(conf.Voters, c.Node):
			continue
		}
	}
	if m.cfg.Loose || cc.Leave() {
		return nil
	}
	return m.keepsQuorum(&conf, cc)
}

// caughtUp checks that a learner may vote.
func (m *Member) caughtUp(id raft.NodeID) error {
	var own, match raft.Index
	for _, p := range m.node.Members() {
		switch p.ID {
		case m.id:
			own = p.Match
		case id:
			match = p.Match
		}
	}
	if match*10 < own*9 || !m.active(id) {
		return fmt.Errorf("%w: %d has %d of %d entries", ErrLearnerNotReady, id, match, own)
	}
	return nil
}

func (m *Member) active(id raft.NodeID) bool {
	return id == m.id || m.health.active(id, m.tick, uint64(m.cfg.Raft.ElectionTicks))
}

// keepsQuorum checks what the electorate would be after cc.
func (m *Member) keepsQuorum(conf *raft.ConfState, cc *raft.ConfChange) error {
	voters := slices.Clone(conf.Voters)
	adds, promotes := false, false
	for _, c := range cc.Changes {
		i := slices.Index(voters, c.Node)
		learner := slices.Contains(conf.Learners, c.Node)
		adds = adds || c.Type != raft.RemoveNode && i < 0 && !learner
		promotes = promotes || c.Type == raft.AddVoter && learner
		switch {
		case c.Type == raft.AddVoter && i < 0:
			voters = append(voters, c.Node)
		case c.Type != raft.AddVoter && i >= 0:
			voters = slices.Delete(voters, i, i+1)
		}
	}
	heard := func(voters []raft.NodeID) (n int) {
		for _, id := range voters {
			if m.active(id) {
				n++
			}
		}
		return n
	}
	quorum, alive := len(voters)/2+1, heard(voters)
	switch {
	case promotes && alive < quorum:
		return fmt.Errorf("%w: %d of %d voters would run", ErrNotEnoughStarted, alive, len(voters))
	case adds && len(conf.Voters) > 1 && heard(conf.Voters) < (len(conf.Voters)+1)/2+1:
		return fmt.Errorf("%w: %d of %d voters are heard", ErrUnhealthy, heard(conf.Voters), len(conf.Voters))
	case len(voters) == 0:
		return fmt.Errorf("%w: no voter would be left", ErrNotEnoughStarted)
	case len(voters) < len(conf.Voters) && alive < quorum:
		return fmt.Errorf("%w: %d of %d voters would run", ErrUnhealthy, alive, len(voters))
	}
	return nil
}

// TransferLeader asks that the voter to lead. ErrNotLeader, ErrBadTransferee.
func (m *Member) TransferLeader(to raft.NodeID) error {
	if m.soft.Role != raft.Leader {
		return ErrNotLeader
	}
	if to != m.id && !m.active(to) {
		return fmt.Errorf("%w: %d is not heard", ErrBadTransferee, to)
	}
	if err := m.node.TransferLeader(to); errors.Is(err, raft.ErrBadTransferee) {
		return fmt.Errorf("%w: %w", ErrBadTransferee, err)
	} else if err != nil {
		return err
	}
	return nil
}
