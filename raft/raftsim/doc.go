// Package raftsim puts groups of 1 to 7 members into the world of package sim: the real core, the real
// write-ahead log on simulated disks, clients, and everything that goes wrong. It looks for runs
// that break what Raft promises.
//
// # A run
//
// The seed draws a plan: how many members, their configuration, how fast disks, network, state machines and
// clients are, and which faults there are (a random half, or a random half of a random half, so that every
// seed has its own mix). For 8 s of virtual time clients write and read at random members while faults
// happen. Then everything is healed, in half of the runs after a power cut of the whole group, and the group
// must get on: every member of its membership gets and applies everything that is in the leader's log without
// anybody asking for anything; then a new write; then nothing may change hands.
//
// A member writes and applies beside its loop, as package raft describes: several Readies go to the log as one
// group, and between any two steps the process may end. A write takes effect at its end; a crash before that
// lets a random number of its operations happen and keeps, loses or tears their sectors. A failed
// sync ends the process. A lost disk ends the member: its id stands for what its disk has promised. So does an
// old copy of its disk, which is only asked whether it notices. One that was removed, and of which everybody
// knows so, may forget its log, but not its vote, and be added again. Clocks drift, by 10 % where leases are
// read from and 50 % elsewhere, where they jump by an hour, too. The process ticks for the time that it was
// paused before it does anything else. Everybody may be down for a week, and messages from before arrive after
// it; such weeks are not counted as simulated time.
//
// Much of what goes wrong goes wrong at a bad moment: a leader crashes or is cut off right after a membership
// change or a transfer, or when it alone knows a change to be committed; everybody campaigns while members crash;
// a read is asked of every member that still believes to lead at the moment in which another one commits; a
// leader stands still and wakes up cut off; a change leaves one or two of all members, and their leader dies with what
// they need to know; whom leadership is handed to is not heard; a snapshot overtakes a change that is being applied.
//
// # What is checked, and when
//
// After every event, at the member that it touched: at most one leader a term, elected by the votes of a majority
// of each electorate, one vote a term and member (Raft §5.2); logs match: an entry is the same and follows the
// same term everywhere (§5.3), and a leader only appends; a leader has every entry committed in an earlier
// term (§5.4.3); what it commits is of its term (§5.4.2) and durable on a majority of each electorate; nobody takes
// an entry to be committed that is not; what is applied at an index is the same on all, and so are the
// state and the membership; term, vote and commit index never fall; what a message promises is durable
// when it leaves; windows and limits are kept, in memory, too.
//
// And what package raft promises besides (contract.go): a pre-vote changes nothing; nobody campaigns who knows of
// a committed membership change that is not applied; a leader without answers of a majority steps down in two
// election timeouts; nobody believes for longer in a leader who is silent; a transfer ends; sessions differ.
//
// At every start of a member: its log holds what was durable, and beyond that some beginning of what was
// being written, exactly. At some, bits are flipped in copies of its disk: each is refused, or nothing is different.
//
// Of clients: every write answers with its revision, its place in the one order of all writes, and every
// read with the revision it has seen. An answer lies beyond what anybody had been told when the request
// was made (reads: not before it). As revisions order everything, that is linearizability, checked as it happens.
// The tests give a sample of histories, of registers, to porcupine for a second opinion.
//
// # When it fails
//
// A Result says what was seen. Run with the same seed does the same again (Result.Trace proves it). What the nemesis
// did can be had as a Script: text that repeats the run without the nemesis and its chances, that Shrink cuts down
// to the few actions that the failure needs, and that stays in testdata/scripts once it is mended.
//
// # How good it is
//
// testdata/mutants.txt lists ways to break the core, the log and their caller. TestMutants runs the simulator on each;
// what survives is a hole in it. testdata/soak.txt is the ledger of seeds that were run.
//
// # What is not there
//
// A disk that returns other bytes while the log is open: the log's own tests do that. Figures of simulated time can not
// be compared between simulators, which differ in how much happens in a second of it.
package raftsim
