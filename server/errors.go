package server

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica"
)

// errStopped: the server is being closed.
var errStopped = errors.New("server: stopped")

// errTimeout: a request took too long.
var errTimeout = errors.New("server: request timed out")

// errUnexpected: the state machine has answered with a result of another command.
var errUnexpected = errors.New("server: result of another command")

// answers are what clients are told of errors of the floors below; the first that fits counts.
// Clients know an error by its text. ErrMemberNotEnoughStarted and ErrTooManyRequests are, as
// with etcd, the client's forms of these errors: they arrive with the code Unknown.
var answers = []struct{ from, to error }{
	{apply.ErrEmptyKey, rpctypes.ErrGRPCEmptyKey},
	{apply.ErrKeyNotFound, rpctypes.ErrGRPCKeyNotFound},
	{apply.ErrValueProvided, rpctypes.ErrGRPCValueProvided},
	{apply.ErrLeaseProvided, rpctypes.ErrGRPCLeaseProvided},
	{apply.ErrTooManyOps, rpctypes.ErrGRPCTooManyOps},
	{apply.ErrDuplicateKey, rpctypes.ErrGRPCDuplicateKey},
	{apply.ErrSortOption, rpctypes.ErrGRPCInvalidSortOption},
	{apply.ErrCompacted, rpctypes.ErrGRPCCompacted},
	{apply.ErrFutureRevision, rpctypes.ErrGRPCFutureRev},
	{mvcc.ErrCompacted, rpctypes.ErrGRPCCompacted},
	{mvcc.ErrFutureRevision, rpctypes.ErrGRPCFutureRev},
	{apply.ErrTooLarge, rpctypes.ErrGRPCRequestTooLarge},
	{replica.ErrTooBig, rpctypes.ErrGRPCRequestTooLarge},
	{apply.ErrNoSpace, rpctypes.ErrGRPCNoSpace},
	{apply.ErrCorrupt, rpctypes.ErrGRPCCorrupt},
	{mvcc.ErrCorrupt, rpctypes.ErrGRPCCorrupt},

	{apply.ErrLeaseNotFound, rpctypes.ErrGRPCLeaseNotFound},
	{apply.ErrLeaseExists, rpctypes.ErrGRPCLeaseExist},
	{apply.ErrTTLTooLarge, rpctypes.ErrGRPCLeaseTTLTooLarge},

	{apply.ErrMemberNotFound, rpctypes.ErrGRPCMemberNotFound},
	{apply.ErrMemberRemoved, rpctypes.ErrGRPCMemberNotFound},
	{apply.ErrMemberExists, rpctypes.ErrGRPCMemberExist},
	{apply.ErrPeerURLExists, rpctypes.ErrGRPCPeerURLExist},
	{apply.ErrMemberNotLearner, rpctypes.ErrGRPCMemberNotLearner},
	{replica.ErrNotLearner, rpctypes.ErrGRPCMemberNotLearner},
	{apply.ErrTooManyLearners, rpctypes.ErrGRPCTooManyLearners},
	{replica.ErrLearnerNotReady, rpctypes.ErrGRPCLearnerNotReady},
	{replica.ErrNotEnoughStarted, rpctypes.ErrMemberNotEnoughStarted},
	{replica.ErrUnhealthy, rpctypes.ErrGRPCUnhealthy},
	{replica.ErrBadTransferee, rpctypes.ErrGRPCBadLeaderTransferee},
	{raft.ErrBadTransferee, rpctypes.ErrGRPCBadLeaderTransferee},

	{replica.ErrBusy, rpctypes.ErrTooManyRequests},
	{replica.ErrNoLeader, rpctypes.ErrGRPCNoLeader},
	{replica.ErrNotLeader, rpctypes.ErrGRPCNotLeader},
	{replica.ErrLeaderChanged, rpctypes.ErrGRPCLeaderChanged},
	{apply.ErrReplaced, rpctypes.ErrGRPCLeaderChanged}, // asking again is safe, and clients do
	{replica.ErrTimeout, rpctypes.ErrGRPCTimeout},
	{replica.ErrLost, rpctypes.ErrGRPCTimeout},
	{replica.ErrClosed, rpctypes.ErrGRPCStopped},
	{replica.ErrStopped, rpctypes.ErrGRPCStopped},
	{apply.ErrClosed, rpctypes.ErrGRPCStopped},
	{mvcc.ErrStopped, rpctypes.ErrGRPCStopped},
	{errTimeout, rpctypes.ErrGRPCTimeout},
	{errStopped, rpctypes.ErrGRPCStopped},
}

// toGRPC is what a client is told of err. What has a gRPC code already is left alone; gRPC itself
// gives one to the end of a context.
func toGRPC(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	for _, a := range answers {
		if errors.Is(err, a.from) {
			return a.to
		}
	}
	return status.Error(codes.Unknown, err.Error())
}
