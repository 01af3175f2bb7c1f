// Package apply is the replicated state machine: keys, transactions, leases, alarms and members, as
// one function of the entries of a log. It has no clock, no random numbers and no goroutine of its
// own, and nothing in it depends on the order of a map: the same entries make the same bytes, on
// every engine, however they are cut into batches, and whether or not anybody wants their results.
// It knows nothing of Raft but its words, and nothing of gRPC.
//
// # The life of an entry
//
// Apply decodes a command into memory that is used again, checks all that can refuse it, and only
// then writes: a command that is refused has changed nothing, and what follows it in the batch is
// not disturbed. All entries of a batch share one transaction of the mvcc store, a revision each,
// and the index and term of the last one are in it. It is committed without sync: after a crash the
// log gives again what the engine had not kept, and entries at or below Applied are passed over.
// Durable tells up to where that would be needed. A batch is committed in the middle only where an
// entry needs to: a compaction, and a Range at a revision that the batch itself has written.
//
// # Errors
//
// What a client did wrong, or what an alarm refuses, is the Err of a result. An error of Apply itself
// means that this member cannot go on: its engine has failed, its data is damaged, or a committed
// write is larger than its engine can store. It is final.
//
// # State
//
// Leases, alarms, members, the version of the cluster, Applied and the membership are meta data of
// the store, in the batches of the entries that change them; so they are in images, which any
// machine can restore, whatever its engine. In memory are the tables that they make, and which key
// has which lease, which Open learns from the records while it fills the index.
//
// A Lessor, on the leader, keeps the deadlines, with the time as an argument. See there for why a
// lease never ends early.
package apply
