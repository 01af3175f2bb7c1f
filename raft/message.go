package raft

import "fmt"

// MessageType says what a message asks or answers.
type MessageType uint8

// The message types. Their numbers travel between members; they never change.
const (
	// MsgApp: leader → member. Append Entries after the entry (Index, LogTerm); everything up to
	// Commit is committed. Raft §5.3.
	MsgApp MessageType = 1
	// MsgAppResp: the answer. Without Reject: the log is durable and equal to the leader's up to
	// Index. With Reject: there is no entry (Index, LogTerm asked for); Hint and LogTerm say where
	// to look next.
	MsgAppResp MessageType = 2
	// MsgHeartbeat: leader → member. I lead; everything up to Commit, which you have acknowledged
	// before, is committed. Context is the leader's round.
	MsgHeartbeat MessageType = 3
	// MsgHeartbeatResp: the answer, with the round.
	MsgHeartbeatResp MessageType = 4
	// MsgSnap: leader → member. Your log ends before mine begins: install Snapshot. Raft §7.
	MsgSnap MessageType = 5
	// MsgSnapRefused: member → leader. The snapshot was damaged on its way (RawNode.RefuseSnapshot).
	MsgSnapRefused MessageType = 6
	// MsgVote: candidate → voter. Vote for me in Term; my log ends with (Index, LogTerm). Raft §5.2.
	MsgVote MessageType = 7
	// MsgVoteResp: the answer.
	MsgVoteResp MessageType = 8
	// MsgPreVote: would you vote for me in Term, if I campaigned? Thesis §9.6. Changes nothing at the voter.
	MsgPreVote MessageType = 9
	// MsgPreVoteResp: the answer; without Reject it carries the Term asked about.
	MsgPreVoteResp MessageType = 10
	// MsgProp: member → leader. Append these Entries (only Type and Data are set).
	MsgProp MessageType = 11
	// MsgReadIndex: member → leader. Which index must I have applied for the read Context?
	MsgReadIndex MessageType = 12
	// MsgReadIndexResp: the answer, in Index.
	MsgReadIndexResp MessageType = 13
	// MsgTransferLeader: member → leader. Hand leadership to the member in Context. Thesis §3.10.
	MsgTransferLeader MessageType = 14
	// MsgTimeoutNow: leader → member. Campaign at once, do not ask whether I am alive.
	MsgTimeoutNow MessageType = 15

	lastMessageType = MsgTimeoutNow
)

var messageNames = [...]string{
	MsgApp: "App", MsgAppResp: "AppResp", MsgHeartbeat: "Heartbeat", MsgHeartbeatResp: "HeartbeatResp",
	MsgSnap: "Snap", MsgSnapRefused: "SnapRefused", MsgVote: "Vote", MsgVoteResp: "VoteResp",
	MsgPreVote: "PreVote", MsgPreVoteResp: "PreVoteResp", MsgProp: "Prop", MsgReadIndex: "ReadIndex",
	MsgReadIndexResp: "ReadIndexResp", MsgTransferLeader: "TransferLeader", MsgTimeoutNow: "TimeoutNow",
}

// String names the type.
func (t MessageType) String() string {
	if t >= 1 && t <= lastMessageType {
		return messageNames[t]
	}
	return fmt.Sprintf("MessageType(%d)", uint8(t))
}

// Message is what members say to each other. Messages may be lost, repeated, reordered and late by
// any time; they must not be altered (transports checksum them). A message is passed by value; its
// Entries and Snapshot are shared and never modified.
type Message struct {
	Type MessageType
	// Reject makes an answer a refusal.
	Reject bool
	// Force, in MsgVote, says that the leader itself asked for the election (leadership transfer):
	// voters then do not defend it. Thesis §4.2.3.
	Force bool
	To    NodeID
	From  NodeID
	// Group is Config.Group of the sender; a member refuses messages of other groups.
	Group uint64
	// Term is the sender's term, or the term a vote is asked for. 0 in MsgProp, MsgReadIndex and
	// MsgTransferLeader, which are requests to whoever leads and make no claim about terms.
	Term Term
	// LogTerm goes with Index: the term of the entry there.
	LogTerm Term
	Index   Index
	// Commit is what the sender knows to be committed; in a heartbeat, of what the receiver has.
	Commit Index
	// Hint, in a rejecting MsgAppResp, is the highest index at which the logs can agree.
	Hint Index
	// Session is the leader's number for its relation to this member, renewed whenever the member
	// is added. Members echo it; the leader drops answers that carry another one. So an answer from
	// before a removal cannot vouch for a log that was emptied since.
	Session uint64
	// Context is a heartbeat round, a read's id, the member to transfer to, or, in requests for votes
	// and refusals of them, the term of the entry at Commit.
	Context  uint64
	Entries  []Entry
	Snapshot *Snapshot
}

// String shows the message on one line, without payloads.
func (m Message) String() string {
	s := fmt.Sprintf("%d->%d %s term=%d", m.From, m.To, m.Type, m.Term)
	if m.LogTerm != 0 || m.Index != 0 {
		s += fmt.Sprintf(" log=%d/%d", m.LogTerm, m.Index)
	}
	if m.Commit != 0 {
		s += fmt.Sprintf(" commit=%d", m.Commit)
	}
	if m.Reject {
		s += fmt.Sprintf(" reject hint=%d", m.Hint)
	}
	if m.Force {
		s += " force"
	}
	if m.Context != 0 {
		s += fmt.Sprintf(" ctx=%d", m.Context)
	}
	if n := len(m.Entries); n > 0 {
		s += fmt.Sprintf(" entries=[%d,%d]", m.Entries[0].Index, m.Entries[n-1].Index)
	}
	if m.Snapshot != nil {
		s += fmt.Sprintf(" snapshot=%d/%d %s", m.Snapshot.Term, m.Snapshot.Index, m.Snapshot.Conf)
	}
	return s
}
