// Package index is the contract of the key index of a multi-version store: Index, an ordered map
// in memory from a key to the revisions at which the key was written. It tells which record of an
// engine holds the value that a key had at a revision; it holds no values and touches no disk.
// Implementations are packages below this one; indextest is the suite that all of them pass.
//
// # The history of a key
//
// A key's history is a row of generations. A put of a key that does not exist begins one, with
// version 1; every further put adds a revision and counts the version up; a tombstone ends it.
//
//	put 2.0   put 4.0   delete 5.0   put 8.0
//	└────── generation 1 ───────┘    └─ generation 2 …
//
//	Get at 3 → mod 2.0, create 2, version 1      Get at 5, 6, 7 → nothing
//	Get at 4 → mod 4.0, create 2, version 2      Get at 8 …     → mod 8.0, create 8, version 1
//
// A revision is main.sub: one main revision for a transaction, sub-revisions for its writes in
// order. Reads name a main revision and see all writes of that transaction and of those before.
// These are the semantics of etcd's key_index.go, which clients of its API depend on.
//
// # Compaction
//
// Compact(at) drops of each key every revision at or below at that no read at or above at can
// see: all but the newest of them. If that newest one is a tombstone it is dropped too, unless
// it stands exactly at at. etcd keeps such a tombstone since 3.5.16 (threads 18089 and 19179): a
// watcher that starts at the compacted revision is allowed to, and must be told of the deletion;
// without it, members that compacted before and after a restart differ. The next compaction drops
// it. A key whose last revision is dropped is forgotten.
//
// One corner differs. If one transaction deletes and re-creates a key (etcd's API refuses that)
// and the compaction stands at that very revision, etcd keeps the tombstone and loses the newer
// put; here the put is the newest revision and is kept.
//
// Hashes: etcd's HashKV covers the records above the compacted revision, and of those at or below
// it the ones that are visible there, so never a tombstone. That needs no set of revisions: a
// record is hashed when Get(key, compacted) answers its revision.
//
// # Life of an index
//
// Open: Restore with all records of the engine, in chunks, until it holds what the engine holds.
// Run: one writer calls Put and Tombstone with ascending revisions; any number of readers call
// the methods of Reader with revisions that are complete. In the background Compact is called
// slice by slice; each slice reports the dropped revisions, in a Set that the store walks in
// revision order to delete the records.
package index
