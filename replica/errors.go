package replica

import "errors"

// Errors of requests. Those marked (unknown) leave open whether a proposal will still be applied.
var (
	// ErrBusy: a queue is full. Nothing was proposed; try again later.
	ErrBusy = errors.New("replica: too many requests")
	// ErrTooBig: the command exceeds Config.MaxCommandBytes. Nothing was proposed.
	ErrTooBig = errors.New("replica: command is too big")
	// ErrStopped wraps what stopped the member. (unknown)
	ErrStopped = errors.New("replica: member stopped")
	// ErrClosed: Close was called. (unknown)
	ErrClosed = errors.New("replica: closed")
	// ErrLeaderChanged: the leader changed while a read waited for its confirmation. Ask again.
	ErrLeaderChanged = errors.New("replica: leader changed")
	// ErrTimeout: there was no answer within Config.RequestTimeout. (unknown)
	ErrTimeout = errors.New("replica: request timed out")
	// ErrLost: a snapshot has replaced the part of the log where the proposal may have been. (unknown)
	ErrLost = errors.New("replica: outcome is lost in a snapshot")
	// ErrNoLeader: only a leader can do this, and none is known.
	ErrNoLeader = errors.New("replica: no leader")
	// ErrNotLeader: only the leader can do this, and this member is not.
	ErrNotLeader = errors.New("replica: not the leader")
	// ErrNoTransport: the member has no transport to reach others with.
	ErrNoTransport = errors.New("replica: no transport")
)

// Errors of membership changes and transfers. Nothing was proposed.
var (
	// ErrChangePending: an earlier change is not applied yet.
	ErrChangePending = errors.New("replica: an earlier membership change is under way")
	// ErrBadChange: the change makes no sense for the membership in force.
	ErrBadChange = errors.New("replica: bad membership change")
	// ErrUnhealthy: voters are not connected, and the change would put the quorum at risk.
	ErrUnhealthy = errors.New("replica: unhealthy group")
	// ErrNotEnoughStarted: with the change, the voters that run would be no quorum.
	ErrNotEnoughStarted = errors.New("replica: not enough started members for a quorum")
	// ErrLearnerNotReady: the learner's log is too far behind the leader's to be promoted.
	ErrLearnerNotReady = errors.New("replica: learner is not in sync with the leader")
	// ErrNotLearner: the member to be promoted is no learner.
	ErrNotLearner = errors.New("replica: member is not a learner")
	// ErrBadTransferee: leadership cannot go there: no voter, or not connected.
	ErrBadTransferee = errors.New("replica: leadership cannot be transferred to this member")
)

// What stops a member.
var (
	// ErrRemoved: the member was removed from its group, and the group knows.
	ErrRemoved = errors.New("replica: removed from the group")
	// ErrReplaced: the group knows this id with another incarnation: its disk was replaced. Remove the
	// member and add it again.
	ErrReplaced = errors.New("replica: member's disk was replaced")
	// ErrStateLost: the state machine is behind the beginning of the log; its disk has lost data.
	ErrStateLost = errors.New("replica: state machine lost applied entries")
)
