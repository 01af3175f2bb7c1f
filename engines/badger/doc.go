// Package badger is engine.Backend over github.com/dgraph-io/badger/v4: a log-structured merge
// tree whose memtables are backed by memory-mapped logs.
//
// A space is a one-byte prefix of every key. Space 33 gets a second byte, 0, because badger keeps
// keys that begin with "!badger!" (and '!' is 33) for itself; order within the space is unchanged.
//
// What badger does that the contract forbids or leaves open, and what happens here instead:
//
//   - SyncWrites is off by default: commits go to a mapped log, which survives the process and not
//     the machine. Apply with sync calls DB.Sync after the commit. That syncs the active memtable's
//     log only, so the adapter syncs a full memtable before the commit that replaces it (see
//     memtable.go), and every log once when it opens a directory. So at any moment all logs but
//     the last are on disk, and the last one is replayed up to its first bad record: what a power
//     cut leaves is a prefix.
//   - Values above ValueThreshold live in a second log, the value log, which is not ordered with
//     the first, and whose read errors badger answers with an empty value. ValueThreshold is at
//     its maximum, 1 MiB, and batches with longer values are ErrBatchTooBig: everything is in the
//     tree, the value log stays empty, and its garbage collection has nothing to do.
//   - WriteBatch splits batches. Here a batch is one transaction, without conflict detection.
//     Transactions are bounded by 15 % of the memtable: Caps tells the bounds, from badger's own
//     formula, and ErrTxnTooBig is ErrBatchTooBig with nothing applied.
//   - A transaction keeps the caller's slices: batches copy into an arena of their own.
//   - After a failed commit or sync it goes on acknowledging. Here the first failure is final.
//   - It verifies no checksums by default, its whole-table check dereferences nil on damage, in a
//     goroutine that nobody can recover, and a block that fails its checksum reads as the end of
//     its table. So the adapter verifies every block of every table before badger opens the
//     directory (SkipVerify turns that off), and badger verifies blocks as it reads them. Damage
//     that arises while the store is open and is read back from the disk can still show as a
//     missing key: badger has no way to tell.
//   - Killed over making or removing a log it cannot open the directory again; leftovers.go lists
//     what it leaves, and clears it away.
//   - After a failed sync of the MANIFEST it forgets a record that is there; void.go takes it out.
//   - It cuts a log or MANIFEST at the first bad record, as if a crash had torn it. The adapter
//     keeps a witness of what was synced (see witness.go), so a flipped bit before that is ErrCorrupt.
//   - It panics on a full disk, and a write to a mapped log that finds no room is a SIGBUS. Panics
//     on the caller's goroutine fail the backend; those on badger's own goroutines, log.Fatalf
//     behind y.Check, and the SIGBUS end the process, and no option changes that. What was synced
//     is not lost.
//   - Its sizes are refreshed once a minute; Stats looks at the files itself.
package badger
