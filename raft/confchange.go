package raft

import "fmt"

// ChangeType is what a membership change does to one node.
type ChangeType uint8

// The change types. Their numbers are stored; they never change.
const (
	// AddVoter makes the node a voter: a new one, or a learner promoted.
	AddVoter ChangeType = 1
	// AddLearner makes the node a learner: a new one, or a voter demoted.
	AddLearner ChangeType = 2
	// RemoveNode makes the node no member.
	RemoveNode ChangeType = 3
)

// String names the type.
func (t ChangeType) String() string {
	switch t {
	case AddVoter:
		return "add-voter"
	case AddLearner:
		return "add-learner"
	case RemoveNode:
		return "remove"
	}
	return fmt.Sprintf("ChangeType(%d)", uint8(t))
}

// Change is one step of a ConfChange.
type Change struct {
	Type ChangeType
	Node NodeID
}

// Transition is how a membership change gets from the old electorate to the new one.
type Transition uint8

// The transitions. Their numbers are stored; they never change.
const (
	// TransitionAuto changes at once when that is safe, that is when at most one voter comes or goes
	// (thesis §4.1), and like TransitionImplicit otherwise.
	TransitionAuto Transition = 0
	// TransitionImplicit goes through a joint configuration (thesis §4.3), which the leader ends by
	// itself.
	TransitionImplicit Transition = 1
	// TransitionExplicit goes through a joint configuration, which somebody ends by proposing a
	// ConfChange without Changes.
	TransitionExplicit Transition = 2
)

// ConfChange is a membership change. Without Changes it ends a joint change.
type ConfChange struct {
	Transition Transition
	Changes    []Change
	// Context is the caller's: an address, a request id. The core stores it with the entry.
	Context []byte
}

// Leave reports whether the change ends a joint change.
func (c *ConfChange) Leave() bool { return len(c.Changes) == 0 }

// maxChanges bounds the steps of one ConfChange, and maxMembers the lists of a ConfState.
const (
	maxChanges = 1 << 10
	maxMembers = 1 << 10
)
