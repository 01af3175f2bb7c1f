// Package wal is the log of a Raft member in files of its own: a raft.Storage and the write side that a
// raft.Ready asks for. It holds entries, the hard state, the newest snapshot's description and how far the
// log is compacted in one stream of records, so that a batch costs one write and one sync.
//
// It has no goroutine, clock or randomness, and reaches the disk only through FS. The same calls
// give the same bytes.
//
// # The life of a batch
//
// Write turns snapshot, entries and hard state into records in memory, where readers see them at once.
// With sync, or when a MiB has gathered, the records are laid out in sectors and go to the end of the
// newest segment in one write; then one sync. Several batches written without sync before one with it
// share that write and that sync: this is group commit, and who has the queue decides. A batch that does not
// fit begins the next segment. Entries leave memory by Options.CacheBytes; then they are read from the
// file, starting at the nearest remembered place (one in 32 KiB).
//
// # Format
//
// A directory holds LOCK (empty; its flock is the right to use the log) and segments, 16 hex digits
// and ".wal": 0000000000000001.wal, 0000000000000002.wal, … Numbers are little endian; varints are
// unsigned, as in encoding/binary. A segment has its full size from the beginning and consists of
// sectors of 512 bytes. The first is the header:
//
//	  0  7  "etalwal"
//	  7  1  format version, 1
//	  8  8  id of the log (Options.ID)
//	 16  8  number of the segment, as in its name
//	 24  8  size of the file in bytes
//	 32  8  where the data of the segment before end, as a place in its data
//	 40  4  chain: the check of the last record there
//	 44  1  1 if the file was another segment before
//	 45 463 zeros
//	508  4  CRC32C of bytes 0 to 507
//
// All others, numbered from 1, carry 500 bytes of data each:
//
//	  0  4  check: CRC32C of bytes 4 to 511, seeded by log id, segment number and sector number
//	  4  4  durable: how many sectors of this file, from the header on, were synced when this was written
//	  8 500 data
//	508  4  stamp: tells the segment, and that the sector was written to its end; even parity in every byte
//
// A write begins with a new sector, and what is left of its last one is zeros. So a sector is written
// once; nothing that was synced is ever touched again. The data of all sectors in a row are records:
//
//	0  1  kind
//	1  n  length of the payload, a varint
//	   …  payload
//	   4  check: CRC32C of kind, length and payload, seeded by the check of the record before
//
// A zero where a kind should be means that the rest of the sector is zeros. The chain of checks goes on
// from segment to segment. The kinds:
//
//	1 state     varints: index and term before the first entry, last index and its term, hard state
//	            (term, vote, commit); then the snapshot, if any. First in every segment, and only there.
//	2 entry     raft.Entry.Append; its index is one more than the last
//	3 hard      raft.HardState.Append
//	4 install   raft.Snapshot.Append: the log is empty after it
//	5 adopt     the same, but the log goes on: entries up to its index are gone
//	6 mark      the same; nothing is gone
//	7 compact   varints index and term: entries up to it are gone
//	8 truncate  varints index and term: entries after it are gone. The file keeps them.
//
// A new segment, header and state record, is written under another name (new.tmp, or that of the released
// file it reuses), synced, renamed, and the directory synced, before anything goes into it; and the segment
// before is synced first. So a segment that has a successor is durable up to the place that the
// successor's header names. Segments before the one that holds the first needed entry are released
// once the compaction is durable: renamed to spare-… to be used again, or removed. A reused file is
// not erased. Its old sectors carry another stamp and another seed, so they count as not written; and
// no process reuses what another released.
//
// # Recovery
//
// Open reads every segment from the oldest on, checks every sector and every record up to the end, and
// changes nothing before all of it is found right. What is not the newest segment must be whole up to
// the place that its successor names. In the newest, reading stops at the first sector k that is not as
// it was written, and then:
//
//   - Its stamp is right, or has one wrong bit and the rest is right, but the check fails: k was written
//     to its end and has changed since. Damage.
//   - Else k looks as if it was not written, or not to its end. If any later sector of the segment is
//     intact and says that k was durable when it was written: damage.
//   - Else the write of k was cut short by a crash, and no sync of it was ever acknowledged. The log
//     ends with the last whole record before k. That is what Recovery and the logger report: file,
//     place, bytes, index.
//
// Damage is answered with a CorruptError that names file, place and index. It never is repaired by
// cutting, because what is cut may be what the member vouched for. Such a member has to be removed from its
// group and added again.
//
// After a cut, or where anything behind the end could be taken for its continuation, writing goes on in
// a new segment, whose header says where the old one ended. Sectors of which no later one says that they were durable
// are written once more, with the bytes they have, and synced before Open returns: the last process
// may have been killed before its sync, or its sync may have failed, after which the kernel takes unwritten
// pages for clean (Rebello et al., ATC 2020).
//
// # What is promised
//
// Nothing that a synced Write, Sync or Close acknowledged is lost or changed by a crash at any moment,
// provided that a sector of 512 bytes reaches the disk whole or up to some byte, in any order with
// others, and that sync means it. On a disk that leaves sectors in other states the log refuses to
// open rather than guess.
//
// Any change to a header, to a sector's bytes or to the size of a file that is needed is found, wherever
// it is, with the certainty of a 32-bit checksum (single bits: always), with one exception that no log can
// avoid by itself: where the newest state on the disk is replaced by an older one that was complete. Exactly:
//
//   - The last sectors, or all but the beginning of them, are as if never written, and no intact sector of
//     a later write is left behind them. In a log that was not closed that is the last write, which has none
//     behind it. Close adds an empty sector that vouches for everything before it.
//   - The newest segment, or the whole directory, is gone or an old copy.
//
// A log that is shorter than it was shows in the group: raft.ErrLogLost.
//
// Whole-segment checks happen at Open; Entries from files are checked again when they are read.
//
// A write or sync that fails is final: ErrFailed ever after, until the log is opened again.
package wal
