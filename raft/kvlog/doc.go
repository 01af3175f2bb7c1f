// Package kvlog is the log of a Raft member in any engine.Backend: the same contract as raft/wal, so that a
// group can be run, and measured, with bolt, pebble, badger or mem under its log.
//
// # Format
//
// Everything is in one Space of the backend, which must hold nothing else. Keys:
//
//	"e" + index, 8 bytes big endian    an entry
//	"b"                                where the log begins: index and term of the entry before the
//	                                   first, varints, and its check, 4 bytes little endian
//	"h"                                raft.HardState.Append
//	"s"                                raft.Snapshot.Append, the newest snapshot
//	"v"                                the format version, 1
//
// A value is what stands there, then its check, 4 bytes little endian: CRC32C of key and value. The value
// of an entry is raft.Entry.Append and the check of the entry before (0 behind an installed snapshot or
// at the very beginning). So a value that is stale, misplaced or altered does not fit to its
// neighbours, in an engine without checksums too.
//
// # Writing
//
// Write gathers snapshot, entries and hard state in one engine.Batch; with sync, or when a MiB has
// gathered, the batch is applied: one synced Apply for all batches written since the last. Entries that are
// replaced and longer tails are deleted by range in the same batch. So after a crash there is
// what a prefix of the batches left. Where an engine cannot do all of it at once (Caps.MaxBatchOps, no range
// deletion), the deletion goes in parts, from the end of the log backwards or from its beginning
// forwards, so that what is left in between is a log too: at worst one that has lost, of the entries to be
// replaced, the last.
//
// # Opening
//
// Open reads the whole log once and verifies every check and the chain; damage is ErrCorrupt with the key and
// the index, and nothing is changed. What an engine loses by itself at the end of the log, complete batches of
// it, cannot be seen here: that is the engine's promise. Reads verify again.
//
// A failed Apply is final (engine.ErrFailed ever after), as in the engines.
package kvlog
