// Package replicasim puts whole clusters of 1 to 5 members, and up to two more that join, into the world of
// package sim: the deciding part of replica, the real write-ahead log on simulated disks, the real state
// machine with its versioned store on engines/mem, its watches and its lessor; clients, and everything that goes
// wrong. It looks for runs in which the cluster breaks what it promises.
//
// # A run
//
// The seed draws a plan: how many members, their configuration, how fast disks and network are, and which
// faults there are. For 6 s of virtual time clients put, delete, compare and put, compact, grant leases and renew
// them, read, and watch, at whatever member they meet. Then everything is healed, in half of the runs after a power cut
// of all members, and the cluster must get on.
//
// A member does what replica.Replica does, at its own pace: several Writes go to the log as one, batches are
// applied beside it, images travel with snapshots. Between any two steps the process may end. What survives then is
// what the log's disk has, and the last image of the state that was made durable.
//
// # What is checked, and when
//
// A model, a second and plain implementation, takes in every entry when the first member applies it, and
// keeps all history. Whenever a member applies an entry it must be the same; after it, the digest of its
// history must be that of the first member at this revision. So no acknowledged write is lost, and none is
// applied twice (each value is proposed once).
//
//   - What a proposer is told is what the model answers, at a revision not below what any client had
//     been told of when it asked; so writes are strictly serializable by their revisions.
//   - A read sees exactly the model's state at its revision, which is not below what anybody had been told
//     of when it was asked for.
//   - A lease that expires does so after its time, as last promised to a client, by the fastest clock.
//   - A watcher that goes from member to member, over crashes, restored states and compactions, hears every
//     change once, in order, revisions whole.
//   - In the end every member has everything, and so has every watcher.
//
// # When it fails
//
// A Result says what was seen. Run with the same seed does the same again (Result.Trace), Replay prints the
// command, Shrink leaves out faults that are not needed. Sabotage shows that the oracles see what they are for.
//
// # What is not there
//
// The goroutines, transport and spool of replica.Replica (their own tests); engines other than mem (any engine has its own
// crash tests); lost and replaced disks.
package replicasim
