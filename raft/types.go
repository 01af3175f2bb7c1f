package raft

import (
	"fmt"
	"slices"
)

// NodeID names a member of a group. 0 is no member.
type NodeID uint64

// None is the absent member: no leader known, no vote cast.
const None NodeID = 0

// Term numbers elections. At most one leader exists in a term. 0 comes before every election.
type Term uint64

// Index is a position in the log. The first entry has index 1; 0 is the empty log's end.
type Index uint64

// Limits on what a message or a stored state may say. No honest group comes near them (a billion
// elections a second for a century stay below); a number above is refused as ErrMalformed, so that
// adding to a term or an index never overflows.
const (
	maxTerm  Term  = 1 << 62
	maxIndex Index = 1 << 62
)

// EntryType says who an entry is for.
type EntryType uint8

// The entry types. Their numbers are stored; they never change.
const (
	// EntryNormal carries a proposal for the state machine. A new leader appends one with no data
	// (Raft §8); the state machine only moves its applied index for it.
	EntryNormal EntryType = 0
	// EntryConfChange carries an encoded ConfChange: pass the entry to RawNode.ApplyConfChange, or
	// to RawNode.SkipConfChange to refuse it, when it comes up in Ready.Committed.
	EntryConfChange EntryType = 1
)

// String names the type.
func (t EntryType) String() string {
	switch t {
	case EntryNormal:
		return "normal"
	case EntryConfChange:
		return "conf-change"
	}
	return fmt.Sprintf("EntryType(%d)", uint8(t))
}

// Entry is one position of the log. Entries are passed by value and shared freely between the core,
// Readies, messages and storage: Data is never modified by anybody once it was proposed or decoded.
type Entry struct {
	Term  Term
	Index Index
	Type  EntryType
	Data  []byte
}

// entryOverhead is what an entry costs in limits and caches beside its data, in bytes: about its
// encoded header on the wire, so that a million empty entries are not free.
const entryOverhead = 24

// size is what the entry counts against limits in bytes.
func (e *Entry) size() uint64 { return uint64(len(e.Data)) + entryOverhead }

// HardState is what a member must never forget (Raft figure 2, "persistent state"), besides its log.
type HardState struct {
	// Term is the latest term the member has seen. It never falls.
	Term Term
	// Vote is who got the member's vote in Term; None if nobody. Within a term it changes at most
	// once, from None.
	Vote NodeID
	// Commit is the highest index known to be committed. It is a hint: a member that lost the
	// newest value learns it again. Invariant: Commit <= the last index of the log.
	Commit Index
}

// Empty reports whether nothing was ever recorded.
func (h HardState) Empty() bool { return h == HardState{} }

// ConfState is a membership: who votes, who only listens, and, during a joint change (thesis §4.3),
// both electorates. Every list is sorted and free of duplicates.
type ConfState struct {
	// Voters decide. Outside a joint change they are the only electorate.
	Voters []NodeID
	// VotersOutgoing is the electorate being left. Not empty exactly during a joint change, when
	// elections and commitment need a majority of Voters and a majority of VotersOutgoing.
	VotersOutgoing []NodeID
	// Learners receive the log but neither vote nor count (thesis §4.2.1). Disjoint from both electorates.
	Learners []NodeID
	// LearnersNext are outgoing voters that become learners when the joint change ends. Subset of VotersOutgoing.
	LearnersNext []NodeID
	// AutoLeave makes the leader end the joint change by itself as soon as it is applied.
	AutoLeave bool
}

// Joint reports whether a joint change is under way.
func (c *ConfState) Joint() bool { return len(c.VotersOutgoing) > 0 }

// Contains reports whether id is a member in any role.
func (c *ConfState) Contains(id NodeID) bool {
	return slices.Contains(c.Voters, id) || slices.Contains(c.VotersOutgoing, id) ||
		slices.Contains(c.Learners, id) || slices.Contains(c.LearnersNext, id)
}

// Clone returns a copy that shares nothing with c.
func (c *ConfState) Clone() ConfState {
	return ConfState{
		Voters:         slices.Clone(c.Voters),
		VotersOutgoing: slices.Clone(c.VotersOutgoing),
		Learners:       slices.Clone(c.Learners),
		LearnersNext:   slices.Clone(c.LearnersNext),
		AutoLeave:      c.AutoLeave,
	}
}

// Equal reports whether c and o are the same membership. nil and empty lists are equal.
func (c *ConfState) Equal(o *ConfState) bool {
	return slices.Equal(c.Voters, o.Voters) && slices.Equal(c.VotersOutgoing, o.VotersOutgoing) &&
		slices.Equal(c.Learners, o.Learners) && slices.Equal(c.LearnersNext, o.LearnersNext) &&
		c.AutoLeave == o.AutoLeave
}

// String shows the membership in the form "voters=(1 2 3)&&(1 2) learners=(4)".
func (c ConfState) String() string {
	s := "voters=" + idList(c.Voters)
	if c.Joint() {
		s += "&&" + idList(c.VotersOutgoing)
	}
	if len(c.Learners) > 0 {
		s += " learners=" + idList(c.Learners)
	}
	if len(c.LearnersNext) > 0 {
		s += " learners-next=" + idList(c.LearnersNext)
	}
	if c.AutoLeave {
		s += " autoleave"
	}
	return s
}

func idList(ids []NodeID) string {
	s := fmt.Sprint(ids)
	return "(" + s[1:len(s)-1] + ")"
}

// Snapshot stands for every entry up to and including Index.
type Snapshot struct {
	// Index and Term are those of the last entry it replaces. Index 0 is no snapshot.
	Index Index
	Term  Term
	// Conf is the membership as of Index.
	Conf ConfState
	// Data is the caller's: a whole state, or only what names it, when the state itself travels by
	// another road. The core passes it on and never looks inside.
	Data []byte
}

// Role is what a member currently is.
type Role uint8

// The roles (Raft §5.1; PreCandidate: thesis §9.6).
const (
	Follower Role = iota
	PreCandidate
	Candidate
	Leader
)

// String names the role.
func (r Role) String() string {
	switch r {
	case Follower:
		return "follower"
	case PreCandidate:
		return "pre-candidate"
	case Candidate:
		return "candidate"
	case Leader:
		return "leader"
	}
	return fmt.Sprintf("Role(%d)", uint8(r))
}

// SoftState is what a member knows about leadership now. It is not stored.
type SoftState struct {
	Role Role
	// Leader is who leads in the member's term; None when nobody is known to.
	Leader NodeID
}
