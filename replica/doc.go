// Package replica is one member of a replicated group: the Raft core, its log, a state machine, and the
// other members. It knows nothing of what is replicated; StateMachine is all it sees of it.
//
// It is in two parts. Member decides: what is proposed when, which reads share a round, whether the membership
// may change, when the log is cut. It has no goroutine, clock, lock, disk or network, and the same calls give
// the same results. Replica is the shell that gives it all of those. replica/replicasim drives Members
// without the shell, in a simulated world.
//
// # The life of a proposal
//
//  1. Propose puts the command into the inbox and waits. The inbox is one list behind one lock.
//  2. The loop takes everything that is there at once. The Member puts each command into an envelope
//     (who proposes, a number) and gives the batch to the core in one call; or keeps it while the
//     leader's log is being written: then what comes in meanwhile goes along.
//  3. Work comes out: appends for the others leave at once; entries go to the log writer, which
//     writes all that waits, syncs once, and lets acknowledgements go.
//  4. When a majority has it durably, the batch goes to the applier. Envelopes come off; the requests that
//     wait are in the batch already. The state machine applies it in one transaction.
//  5. The applier wakes everybody who waits, and the loop learns how far the state is.
//
// So three goroutines work side by side (loop, log writer, applier), each on a later batch than the next.
//
// # A linearizable read
//
// ReadIndex goes into the inbox too. All reads of a turn share a question to the leader, which makes
// sure by one round of heartbeats that it still leads. When the state machine has applied as much as was
// committed then, all of them return, and read the state machine directly.
//
// # What is bounded
//
//   - Requests that are not answered, by number and bytes: ErrBusy beyond.
//   - Messages that wait for the loop: who delivers waits, which holds up that peer's connection.
//   - What waits for the log writer and the applier: by what the core gives out unacknowledged
//     (raft.Config: inflight, uncommitted, committed).
//   - Messages to a peer: what does not fit is lost, and the core told so.
//
// # Failures
//
// A failed write or sync of the log, or an error of the state machine, stops the member: Done is closed,
// Err says why, every request gets an error, and nothing is acknowledged afterwards, neither to clients nor to
// other members. The same goes for a log that lost what it had acknowledged (raft.ErrLogLost), for a
// member that was removed (ErrRemoved), and for one whose disk was replaced under its id (ErrReplaced).
package replica
