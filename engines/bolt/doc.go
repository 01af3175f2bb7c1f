// Package bolt is the engine over go.etcd.io/bbolt: one copy-on-write B+tree in one file, read
// through a memory map, with one bucket a Space. Its import is what the package exists for.
//
// Where bbolt's habits are weaker than the contract of package engine, this is what is done:
//
//   - bbolt's unsynced commit gives up the order of pages and so the tree after a crash. Every
//     Apply commits with its two syncs (Caps.AlwaysSync); engine.Buffered makes groups of them.
//   - bbolt goes on after a failed sync. Here any failed commit is final (engine.ErrFailed).
//   - bbolt creates its file in place and does not sync the directory. The file is created in the
//     temporary directory of engine.OpenDir, which syncs and renames it; an existing store whose
//     file is missing or empty is refused, never created anew.
//   - A bbolt file that outgrows its map is mapped again, and for that the writer waits until the
//     last read transaction is gone. Address space costs nothing, so Options.MapBytes of it is
//     reserved at Open (1 TiB on 64-bit systems, at least twice the file) and the file may not
//     outgrow it: Apply then fails for good, and a new Open reserves more. The map never moves
//     while the store is open, so no reader ever holds up the writer.
//   - The map is gone after Close, and reading from it would kill the process. Every read goes
//     through a Snapshot that knows whether it is open; slices from Key and Value of an Iterator
//     point into the map and are good until its next Next or Close, as the contract says.
//   - bbolt panics, or the memory fault of a truncated file ends the process, where pages are not
//     what they should be. Both become engine.ErrCorrupt. bbolt has no checksums on its data
//     pages: damage that leaves a page's structure intact is not noticed here.
//
// Scans read the pages by themselves (see path), a leaf at a time where bbolt looks at the page anew
// for every key. So do lookups of single keys and of many (engine.ManyGetter, see tree):
// interpolating where bbolt halves, and for many keys level by level. Pages that look odd are left
// to bbolt. A bounded cache of records in front of it was the other way to faster ranges: it serves
// what is read twice, this serves what is read once, too, and holds no memory.
//
// What remains: a long-lived Snapshot does not block the writer but keeps every page freed since
// from being used again, so the file grows; and it never shrinks.
//
// Snapshots taken between two Applies share one read transaction and its buckets and cursors,
// which makes a Snapshot cheaper than a bbolt transaction. bbolt documents transactions as not
// safe for concurrent use; its reading path (version 1.5) changes nothing but atomic counters,
// which the conformance suite holds to under the race detector.
package bolt
