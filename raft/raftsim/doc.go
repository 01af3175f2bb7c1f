// Package raftsim puts groups of 1 to 7 members into the world of package sim: the real core, the real
// write-ahead log on simulated disks, clients, and everything that goes wrong. It looks for runs
// that break what Raft promises.
//
// # A run
//
// The seed draws a plan: how many members, their configuration, how fast disks, network and clients are,
// and which faults there are (a random half of a random half, so that every seed has its own mix). For 8 s of
// virtual time clients write and read at random members while faults happen. Then everything is healed,
// in half of the runs after a power cut of the whole group, and the group must get on: every member of
// its membership applies everything that was acknowledged and something new.
//
// A member writes and applies beside its loop, as package raft describes: several Readies go to the log as one
// group, and between any two steps the process may end. A write takes effect at its end; a crash before that
// lets a random number of its operations happen and keeps, loses or tears their sectors. A failed
// sync ends the process. A lost disk ends the member: its id stands for what its disk has promised. Clocks
// drift, by 10 % where leases are read from and 50 % elsewhere, where they jump by an hour, too. The
// process ticks for the time that it was paused before it does anything else.
//
// # What is checked, and when
//
// After every event, at the member that it touched: at most one leader a term, one vote a term and
// member (Raft §5.2); logs match: an entry is the same and follows the same term everywhere (§5.3); a
// leader has every entry committed in an earlier term (§5.4.3); what it commits is of its term (§5.4.2) and
// durable on a majority of each electorate; what is applied at an index is the same on all, and so is the state; term, vote
// and commit index never fall; what a message promises is durable when it leaves; windows and limits are
// kept.
//
// At every start of a member: its log holds what was durable, and beyond that some beginning of what was
// being written, exactly.
//
// Of clients: every write answers with its revision, its place in the one order of all writes, and every
// read with the revision it has seen. An answer lies beyond what anybody had been told when the request
// was made (reads: not before it). As revisions order everything, that is linearizability, checked as it happens.
//
// # When it fails
//
// A Result says what was seen. Run with the same seed does the same again (Result.Trace proves it),
// Replay prints the command, Shrink leaves out faults that are not needed.
//
// # What is not there
//
// A disk that silently returns other bytes than it holds; the log's own tests do that. A member that
// returns under its id with an old disk: the core cannot see it, so its caller must refuse.
package raftsim
