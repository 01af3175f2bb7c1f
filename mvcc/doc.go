// Package mvcc is a versioned key-value store over any engine.Backend and any index.Index: every
// write makes a new revision, and reads see the store as it was at one. It knows nothing of Raft,
// leases or the wire; it is what the replicated state machine writes to, and its semantics are
// those that clients of etcd's API depend on.
//
// # Revisions
//
// A revision is main.sub: main counts the write transactions, sub the writes in one of them from
// 0. A store begins at revision 1, which holds nothing; the first write is 2.0. A transaction that
// changes nothing makes no revision. A record stands in the engine under its revision; the index,
// in memory, tells for a key which revisions it has.
//
// # The life of a write
//
// Begin takes the writer's place (there is one). Put and Delete look the key up in the index and
// collect changes; nothing outside sees them, so Rollback only forgets. Next ends one revision and
// begins another that will become visible with it. Commit encodes the records, gives them to the
// engine in one batch with what SetMeta holds (the applied index of a log, say), then tells the
// index, then makes the revision current, then calls those who watch. When the engine fails the
// index was not touched; the store stops, and answers ErrStopped to everything.
//
// A transaction too large for one batch of the engine is written in several. All but the last are
// marked; Open removes marked records at the end of the history, so it is still all or nothing.
//
// # The life of a read
//
// Read takes the current revision and no lock. Range asks the index, which answers for that
// revision whatever is written meanwhile, and fetches the records from a snapshot of the engine
// that all readers share: a record never changes, so any snapshot younger than the revision will
// do, and only a read of something newer makes a new one. Each record carries a checksum over its
// revision and content, verified on every read: damage is a CorruptError, never an answer.
//
// # Compaction
//
// Compact makes a revision the oldest one that can be read, at once, and stores that. In the
// background the index drops what no read can see any more, slice by slice, and the records follow
// in ascending order, in slices again, with pauses as long as the slices while somebody writes. Open
// resumes what a crash interrupted. How many records are left is stored with the end of it, so Open
// notices one that is missing; above the compacted revision a gap in the revisions tells.
//
// # Hashes
//
// HashKV is etcd's hash of the history above the compacted revision and of what is visible at it.
// Chain is a running hash: each record holds the hash of all records up to and including itself,
// so two stores with equal chains at a revision have equal histories up to it, whatever the two
// have compacted since, and comparing costs one read.
package mvcc
