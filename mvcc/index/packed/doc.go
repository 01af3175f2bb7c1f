// Package packed is an index.Index of this project: a B+tree whose leaves are immutable packed
// blocks. It is made for three things.
//
// Little memory. A leaf is one object without pointers for up to 16 neighbouring keys. What they
// begin with is stored once; a key that was put once takes its other bytes, its revision relative
// to the leaf (3 bytes after a million transactions), 3 bytes of flags and offset, and a share of
// the leaf. Short histories are packed behind the key, 2 to 5 bytes a revision; histories of more
// than eight revisions move to a slice of their own with 16 bytes a revision. The garbage
// collector meets one object in 11 keys, and does not look into it.
//
// Readers that never wait. A write copies the leaf, half a KiB or so, and swaps one pointer; a split or
// merge also copies nodes above it. A reader takes no lock: it follows pointers that it loads
// once each. Leaves and nodes that were replaced under it still answer for every revision up to
// the moment of their replacement, and the revision that it reads at is older: because an index
// holds all revisions, a tree that is half old and half new gives the same answer as either. A
// lock around changes made in place was the alternative: it saves the copy, but a reader then
// waits for the writer, and the writer for the longest range.
//
// Counts without visits. An inner node knows how many keys below it are live and an upper bound
// of their revisions; a count at a revision not below that bound takes the number as it is, so it
// visits only what was written since the revision, and the two edges of its range.
//
// Compaction passes leaves that hold single live revisions only, without looking at their keys.
package packed
