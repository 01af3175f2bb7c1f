package raft

import (
	"errors"
	"fmt"
)

// Errors of Storage. The core acts on the first two and on ErrSnapshotUnavailable; any other error
// of a Storage stops the node (see ErrStopped).
var (
	// ErrCompacted is returned for an index that a snapshot has replaced.
	ErrCompacted = errors.New("raft: index is compacted")
	// ErrUnavailable is returned for an index past the end of the log.
	ErrUnavailable = errors.New("raft: index is past the end of the log")
	// ErrSnapshotUnavailable is returned by Storage.Snapshot while a snapshot is being made: the
	// leader asks again after the member's next heartbeat answer.
	ErrSnapshotUnavailable = errors.New("raft: snapshot is not available yet")
	// ErrSnapshotOutOfDate is returned by MemoryStorage for a snapshot older than the one it has.
	ErrSnapshotOutOfDate = errors.New("raft: snapshot is older than the stored one")
)

// Errors of proposals and requests. All that wrap ErrProposalDropped say that the proposal was not
// appended here and never will be; a proposal that was accepted may still be lost with its leader.
var (
	// ErrProposalDropped is the common root of refusals to append a proposal.
	ErrProposalDropped = errors.New("raft: proposal dropped")
	// ErrNoLeader: nobody is known to lead, or this member does not forward.
	ErrNoLeader = fmt.Errorf("%w: no leader to take it", ErrProposalDropped)
	// ErrTransferring: leadership is being handed over; try again with the next leader.
	ErrTransferring = fmt.Errorf("%w: leadership transfer in progress", ErrProposalDropped)
	// ErrUncommittedFull: Config.MaxUncommittedBytes of proposals wait for commitment.
	ErrUncommittedFull = fmt.Errorf("%w: too many uncommitted bytes", ErrProposalDropped)
	// ErrEntryTooBig: the data exceed Config.MaxEntryBytes. It will never be accepted.
	ErrEntryTooBig = fmt.Errorf("%w: entry too big", ErrProposalDropped)
	// ErrConfChangePending: an earlier membership change is not applied yet (thesis §4.1).
	ErrConfChangePending = fmt.Errorf("%w: earlier membership change not applied yet", ErrProposalDropped)
	// ErrBadConfChange: the change makes no sense for the current membership.
	ErrBadConfChange = fmt.Errorf("%w: bad membership change", ErrProposalDropped)
	// ErrReadDropped: a read index was asked for while no leader is known, or while
	// Config.MaxPendingReads wait. Ask again.
	ErrReadDropped = errors.New("raft: read dropped")
	// ErrNotLeader: only a leader, or a member that knows one, can do this.
	ErrNotLeader = errors.New("raft: not the leader and none is known")
	// ErrBadTransferee: leadership cannot go to this member: unknown, or a learner.
	ErrBadTransferee = errors.New("raft: leadership cannot be transferred to this member")
	// ErrNotPromotable: the member cannot campaign: it is no voter, or has a membership change or a
	// snapshot yet to apply, or has promised a leader not to (lease reads).
	ErrNotPromotable = errors.New("raft: cannot campaign now")
)

// Errors of Step: the message had no effect.
var (
	// ErrWrongGroup: the message belongs to another group.
	ErrWrongGroup = errors.New("raft: message of another group")
	// ErrWrongMember: the message is addressed to another member.
	ErrWrongMember = errors.New("raft: message to another member")
	// ErrUnknownMember: a leader is asked or answered by somebody who is not, or no longer, a member.
	ErrUnknownMember = errors.New("raft: sender is not a member")
	// ErrMalformed: the bytes or fields cannot come from an honest member.
	ErrMalformed = errors.New("raft: malformed")
	// ErrLogLost: the leader knows this log to be longer, or different where it is committed: the
	// member's disk has lost or altered acknowledged entries, or its directory was replaced. The
	// message has no effect; a member that reports this for more than one heartbeat interval must
	// be removed and added again.
	ErrLogLost = errors.New("raft: log lost acknowledged entries")
)

// Errors of the node as a whole.
var (
	// ErrStopped wraps the storage error that stopped the node for good: it answers nothing and
	// gives out nothing any more.
	ErrStopped = errors.New("raft: node stopped")
	// ErrConfig: a Config, or what Storage returned at start, was refused.
	ErrConfig = errors.New("raft: bad configuration")
	// ErrMisuse: a call broke the order laid down in the package comment. It had no effect.
	ErrMisuse = errors.New("raft: misuse")
)
