// Package engine is the storage contract of Etalon: Backend, an ordered durable map that the Raft
// log, the MVCC store and the benchmarks are written against, and what works over any Backend:
// Buffered (group commit), Dump and Load (portable content), Hash (equal content, equal hash).
// It is not an engine; those are the packages below engines/, and they import nothing else of the
// house.
//
// The contract is the stricter of what the four engines offer, not their intersection: where an
// engine's habit is weaker (bbolt's unsynced commits are unordered, badger splits large batches
// and forgives failed syncs, pebble exits the process), its adapter makes up for it.
//
// The life of a write: NewBatch, Set and Delete, Apply. Visible when Apply returns; durable when
// it returns and sync was asked for, else at the next Sync or synced Apply. The life of a read:
// Snapshot, Get or Scan, Close.
package engine
