// Package pebble is engine.Backend over github.com/cockroachdb/pebble/v2: a log-structured merge
// tree with a write-ahead log, CockroachDB's storage engine. It is not a general wrapper: one
// directory, one writer, byte order.
//
// A space is a one-byte prefix of every key, written straight into pebble's batch (SetDeferred),
// so a put copies its key once. A View is a pebble Snapshot: a number in a list. It pins neither
// memtables nor files, as a held iterator would; all it costs is that versions it can see are
// kept by compactions. Iterators pin files, but only while they are open.
//
// What pebble does that the contract forbids or leaves open, and what happens here instead:
//
//   - It ends the process when a log or MANIFEST write fails, panics when a new log cannot be
//     made, and retries failing flushes for ever while the writer hangs. Here it never learns of
//     such a failure: its file system is a fence (see fence) that at the first failed write, sync,
//     create, rename or remove is cut off from the disk for good. Nothing reaches the disk after
//     that, pebble goes on in memory until Close, and every Apply and Sync from the failing one
//     on answers ErrFailed. What Fatalf still reports (broken invariants) fails the backend too.
//   - A batch of 4 GiB panics. Batches above MaxBatchBytes or MaxBatchOps are ErrBatchTooBig and
//     stop growing when they pass them.
//   - A batch that was committed panics when it is touched again, and a large one (half a
//     memtable) loses its content. Here a batch stays as it is and can be applied again.
//   - Its default on-disk format is the oldest it can read. A new directory gets the newest stable
//     one (which also lets recovery tell a torn log tail from damage before it); an existing
//     directory keeps its own.
//   - Unsynced log data sits in the memory of the process: a killed process loses the batches
//     since the last sync, always the last ones. That is within the contract.
//   - It can take damage in its MANIFEST or newest log for the torn end of a crash, and loses what
//     follows. Here a witness vouches for the synced part of both; see witness.go.
//   - Range deletions are cheap to write, but every new iterator sorts those of each memtable again
//     after a write: thousands of them between two flushes make scans slow. That is not changed here.
//   - Its bloom filters are off by default; here 10 bits a key, on every level.
//
// Checksums cover every block of tables and are verified when a block is read; damage is
// ErrCorrupt, from Open or from the read that meets it.
package pebble
