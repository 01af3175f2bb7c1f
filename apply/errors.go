package apply

import (
	"errors"

	"github.com/etalon-kv/etalon/mvcc"
)

// ErrMalformed: bytes that are no command.
var ErrMalformed = errors.New("apply: malformed command")

// Errors of commands and reads. The command had no effect.
var (
	ErrEmptyKey       = mvcc.ErrEmptyKey
	ErrTooLarge       = mvcc.ErrTooLarge
	ErrCompacted      = mvcc.ErrCompacted
	ErrFutureRevision = mvcc.ErrFutureRevision
	ErrKeyNotFound    = errors.New("apply: key not found")
	ErrValueProvided  = errors.New("apply: a value is given and to be ignored")
	ErrLeaseProvided  = errors.New("apply: a lease is given and to be ignored")
	ErrTooManyOps     = errors.New("apply: too many operations in a transaction")
	ErrDuplicateKey   = errors.New("apply: key is written twice in a transaction")
	// ErrReadOnly: a transaction that writes was given to Machine.Txn.
	ErrReadOnly   = errors.New("apply: transaction is not read-only")
	ErrSortOption = errors.New("apply: unknown sort option")
)

// Errors of leases.
var (
	ErrLeaseNotFound = errors.New("apply: lease not found")
	ErrLeaseExists   = errors.New("apply: lease exists")
	ErrTTLTooLarge   = errors.New("apply: time to live of a lease too large")
	// ErrStale: a LeaseRevoke or LeaseCheckpoint was made in another term than that of its entry.
	ErrStale = errors.New("apply: command of another term")
)

// Errors of alarms.
var (
	ErrNoSpace = errors.New("apply: out of space")
	ErrCorrupt = errors.New("apply: the cluster is corrupt")
)

// Errors of members.
var (
	ErrMemberNotFound   = errors.New("apply: member not found")
	ErrMemberExists     = errors.New("apply: member exists")
	ErrMemberRemoved    = errors.New("apply: member was removed for good")
	ErrPeerURLExists    = errors.New("apply: peer URL is another member's")
	ErrMemberNotLearner = errors.New("apply: member is no learner")
	ErrTooManyLearners  = errors.New("apply: too many learners")
)

// Errors of the machine's life.
var (
	// ErrClosed: the machine was closed before.
	ErrClosed = errors.New("apply: machine is closed")
	// ErrReplaced: the state that was being read has been replaced by a snapshot.
	ErrReplaced = errors.New("apply: state was replaced by a snapshot")
	// ErrGap: the entries given to Apply do not follow what is applied.
	ErrGap = errors.New("apply: entries leave a gap")
	// ErrFounded: the machine holds something, so it cannot be founded.
	ErrFounded = errors.New("apply: machine is not empty")
	// ErrState: what is stored cannot be the state of a machine.
	ErrState = errors.New("apply: stored state is corrupt")
)
