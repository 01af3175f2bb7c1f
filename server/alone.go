package server

import (
	"context"
	"fmt"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica"
)

// alone makes the member the only one of its cluster: etcd's --force-new-cluster. The others count as
// removed, so they can never come back under their ids.
func (n *Node) alone(ctx context.Context, rc replica.Config) error {
	return replica.Alone(ctx, rc, func() ([]raft.ConfChange, error) {
		members, _ := n.State.Members()
		var list []raft.ConfChange
		found := false
		for _, m := range members {
			if m.ID != n.id.Member {
				list = append(list, memberChange(raft.RemoveNode, apply.MemberChange{Member: apply.Member{ID: m.ID}}))
				continue
			}
			found = true
			if m.Learner { // first of all: somebody must vote
				promote := memberChange(raft.AddVoter, apply.MemberChange{Member: apply.Member{ID: m.ID}, Promote: true})
				list = append([]raft.ConfChange{promote}, list...)
			}
		}
		if !found {
			return nil, fmt.Errorf("%w: it holds nothing of a cluster that member %x is in", ErrIdentity, n.id.Member)
		}
		if len(list) > 0 && n.config.Server.Logger != nil {
			n.config.Server.Logger.Warn("going on alone: the other members are removed", "members", len(members)-1)
		}
		return list, nil
	})
}

// memberChange is a change of one member as it is proposed.
func memberChange(t raft.ChangeType, m apply.MemberChange) raft.ConfChange {
	return raft.ConfChange{Changes: []raft.Change{{Type: t, Node: raft.NodeID(m.Member.ID)}}, Context: m.Append(nil)}
}
