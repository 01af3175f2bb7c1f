// Package raft is the consensus core: what one member of a Raft group does, as a pure state machine.
//
// It has no goroutine, clock, lock, disk or network. Calls on a RawNode tell it what happened (time
// passed, a message came, a write is durable); Ready tells the caller what to do about it (write,
// send, apply). The same calls in the same order give the same results, bit for bit: elections are
// drawn from Config.Rand, and no map is walked. That makes it possible to run whole groups in a
// simulated world and to repeat any run from its seed.
//
// The words are those of etcd's raft, the rules those of Ongaro and Ousterhout's paper "In Search of
// an Understandable Consensus Algorithm" (§ alone) and of Ongaro's thesis "Consensus: Bridging Theory
// and Practice" (thesis §).
//
// # The life of an entry
//
//  1. Propose: a client's bytes become an Entry at the end of the leader's log, in memory. A follower
//     sends them to the leader instead.
//  2. Ready: the leader gives out the entries to be written (Ready.Entries) and, at the same time, the
//     appends that carry them to the members (Ready.Messages). All proposals since the last Ready
//     travel together. Disk and network work side by side (thesis §10.2.1).
//  3. Step, at a follower: the append is matched with the log (§5.3). Its entries come out of the
//     follower's Ready as Entries, and the acknowledgement as a message that may be sent only
//     afterwards (Ready.AfterPersist).
//  4. Persisted: the write is durable. Acknowledgements leave. The leader counts itself like any other
//     voter, only now.
//  5. Commit: a majority has the entry durably, and it is of the leader's own term (§5.4.2). The next
//     append or heartbeat tells the others.
//  6. Ready.Committed gives it out to be applied, on every member, once that member's own log holds it
//     durably. So a state machine is never ahead of the log beside it.
//  7. Applied: the state machine has it. Entries that are durable and applied may leave the core's
//     memory; the caller may cut its log behind a snapshot.
//
// # The caller's duties, in order
//
// The simple loop does one thing after the other:
//
//	for {
//		select {
//		case <-ticker:      n.Tick()
//		case m := <-inbox:  n.Step(m)
//		case p := <-client: n.Propose(p)
//		}
//		for n.HasReady() {
//			rd := n.Ready()
//			send(rd.Messages)                                  // 1. may be sent before anything is written
//			write(rd.Snapshot, rd.Entries, rd.HardState)       // 2. one batch, in this order
//			if rd.MustSync { sync() }                          //    durable
//			send(rd.AfterPersist)                              // 3. only now
//			for _, e := range rd.Committed {                   // 4. in order, each once
//				if e.Type == raft.EntryConfChange { conf, err = n.ApplyConfChange(e) }
//				apply(e)
//			}
//			serve(rd.Reads)                                    // 5. those whose Index is applied; keep the others
//			n.Advance(rd)                                      // 6. all of it is done
//		}
//	}
//
// A write or a sync that fails is final: the caller stops and calls the node no more. It must not
// acknowledge, and must not try again, because what the file then holds is unknown.
//
// # Writing and applying beside the loop
//
// A caller that wants more hands each Ready's write to one goroutine and its Committed to another,
// and goes on at once: Step, Tick and the next Ready need not wait. The rules:
//
//   - Writes happen in the order of Readies, each in one batch. When that of number k is durable,
//     its AfterPersist messages may be sent and Persisted(k) is called. Persisted acknowledges every
//     earlier Ready too; so a writer that finds several waiting writes them all, syncs once, sends
//     all their AfterPersist, and acknowledges the last. Every Ready must be acknowledged,
//     also one with nothing to write: it only takes its turn.
//   - Committed entries are applied in order; Applied(i) says how far. Membership changes among them
//     go through ApplyConfChange or SkipConfChange when their turn has come, before Applied reaches
//     them.
//   - A Snapshot is installed, state machine and log, before Persisted. It only comes when everything
//     given out before was applied, and nothing is given out to apply until it is acknowledged.
//   - The slices of a Ready (Messages, AfterPersist, Reads; not the entries and data they point to)
//     are used again after Persisted. Copy what is to be kept longer.
//   - All calls are made by the goroutine that owns the RawNode. Node is a ready-made one.
//
// # What has to wait for the disk, and what not
//
// At once: appends, heartbeats and their answers, pre-votes, read indexes, refusals, snapshots. After
// the write: votes, acknowledgements of entries, and requests for votes too. The last is more than
// the paper asks and other implementations do: a candidate that asks before its term, its vote and
// its log are durable may crash, forget, and ask again in the same term with a shorter log; a late
// answer to the first request then elects a leader without committed entries.
//
// # Membership
//
// A change is an entry (ProposeConfChange) and takes effect on each member when it is applied there
// (ApplyConfChange), not when it is appended as in the thesis (§4.1). What makes that safe: a leader
// appends no second change before the first is applied; a member that knows of a committed change it
// has not applied does not campaign; and since a second change in a log proves the first committed,
// a member infers that at its start. Several voters at once go through a joint configuration (thesis
// §4.3), which ends by itself or by a ConfChange without Changes. A leader that is no voter any more
// steps down once a majority of the others knows that the change is committed; a caller keeps a
// removed member running until Ready.Soft says so. Removed members are not told; they stop hearing from the group,
// and with PreVote and CheckQuorum they cannot disturb it (thesis §4.2.3).
//
// Members without a leader learn from each other what is committed: requests for votes and refusals
// carry the sender's commit index and the term of the entry there. Otherwise a member that does not
// know a change to be committed could wait for ever for the vote of one that the change removed.
//
// A node that is removed and added again within one term has a new Message.Session: answers from
// before its removal, which vouch for a log it may have lost, are not believed.
//
// An id stands for what its disk has promised. A member that lost its disk, or got an old one back,
// must not return under its id: it would vote twice in a term. The core cannot see that (an empty
// disk looks like a new node); the caller has to. It reports ErrLogLost where it notices.
//
// # Reads
//
// ReadIndex gives the index that a linearizable read must wait for, without an entry in the log
// (thesis §6.4). The leader first needs a commitment in its own term, then one round of heartbeats,
// shared by all reads that wait; or, with ReadLease, a lease in force (see Config.LeaseTicks for what
// that asks of clocks). Two ways in which a lease can break are closed: a voter keeps its promise over
// a restart and a change of term, and a leader that once told another to campaign (leadership
// transfer) never relies on a lease again in that term.
//
// # Failures
//
// A Storage error stops the node for good (ErrStopped): from then on it gives out nothing. Messages
// that no honest member sends are refused with an error and change nothing. Calls out of order get
// ErrMisuse and change nothing. A panic means that this package is wrong.
//
// # Where things are
//
// core.go, step.go, election.go, follower.go, leader.go, replicate.go, reads.go, membership.go: the
// behaviour. log.go: memory over storage. quorum.go, members.go, progress.go, inflights.go,
// changer.go: what is counted. ready.go: what goes out and comes back. types.go, message.go,
// codec.go: what travels. rawnode.go, node.go, status.go: the faces.
package raft
