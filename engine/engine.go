package engine

import (
	"context"
	"errors"
	"log/slog"
)

// Space names one of up to 256 independent key ranges of a Backend. A space needs no creation:
// one that was never written is empty. bbolt keeps a bucket a space, the LSM engines a one-byte
// prefix, so that each engine stores data in its natural form.
type Space uint8

// MaxKeyBytes is the longest key every engine accepts (bbolt's limit, the smallest of the four).
const MaxKeyBytes = 32 << 10

// Errors of opening a directory.
var (
	// ErrInUse: another process, or another Backend of this one, has the directory open.
	ErrInUse = errors.New("engine: directory is in use")
	// ErrForeignDir: the directory holds something that this engine did not write: another
	// engine's data or files of somebody else. Nothing in it was changed.
	ErrForeignDir = errors.New("engine: directory belongs to something else")
	// ErrNewerFormat: the directory was written by a newer version. Nothing in it was changed.
	ErrNewerFormat = errors.New("engine: directory has a newer format")
)

// Errors of an open Backend.
var (
	// ErrClosed is returned by every call on a Backend, Snapshot or Iterator after its Close,
	// a second Close included.
	ErrClosed = errors.New("engine: closed")
	// ErrFailed is returned by every write and sync after a write or sync of the Backend failed,
	// and by that failing call itself (wrapping the cause). Sync failures are final: after a
	// failed fsync the kernel may have dropped the dirty pages, so a second one that succeeds
	// proves nothing (Rebello et al., ATC 2020). Close and reopen to find out what survived.
	ErrFailed = errors.New("engine: failed, reopen to recover")
	// ErrBusy is returned by Close while Snapshots are open; nothing was closed.
	ErrBusy = errors.New("engine: snapshots are open")
	// ErrNotFound: the key is not in the Snapshot.
	ErrNotFound = errors.New("engine: key not found")
	// ErrKeySize: a key of the batch is empty or longer than MaxKeyBytes; nothing was applied.
	ErrKeySize = errors.New("engine: key is empty or too long")
	// ErrBatchTooBig: the engine cannot apply a batch of this size at once; nothing was applied.
	ErrBatchTooBig = errors.New("engine: batch too big")
	// ErrForeignBatch: the batch was made by another Backend; nothing was applied.
	ErrForeignBatch = errors.New("engine: batch of another backend")
	// ErrCorrupt: stored data failed a checksum or cannot be decoded.
	ErrCorrupt = errors.New("engine: corrupt data")
)

// Backend is an ordered, durable map from byte keys to byte values, divided into Spaces. It is
// what a Raft log and an MVCC store are written against.
//
// Apply and Sync are called by one goroutine at a time; every other method is safe for concurrent
// use, also beside them. No method panics on I/O trouble: errors are returned, and wrap one of
// the sentinels of this package where a caller could decide by it. After Close every method
// answers ErrClosed (Caps and Stats: their last values).
type Backend interface {
	// NewBatch returns an empty batch for this backend, owned by one goroutine.
	NewBatch() Batch
	// Apply makes all of b visible to later Snapshots at once. After a crash either all of b is
	// there or none of it, and what survives is a prefix of the applied batches: no gaps. With
	// sync it returns only when b and everything applied before it is durable. b is not changed
	// and may be Reset and used again. An empty batch is allowed; with sync it is a Sync.
	// Errors: ErrKeySize, ErrBatchTooBig, ErrForeignBatch (nothing applied, the backend goes
	// on), ErrFailed (final), ErrClosed.
	Apply(b Batch, sync bool) error
	// Snapshot returns a stable view of every batch applied before the call. Many may be open at
	// once; none of them blocks the writer. The caller must Close it.
	Snapshot() (Snapshot, error)
	// Sync returns when everything applied before the call is durable.
	Sync() error
	// Caps are the backend's abilities, constant from open on.
	Caps() Caps
	// Stats are live figures, cheap enough to be read every second.
	Stats() Stats
	// Close waits for background work, makes everything applied durable (unless the backend has
	// failed) and releases the directory. It answers ErrBusy while Snapshots are open.
	Close() error
}

// Batch is a list of writes that are applied in order, all or nothing. Later writes of a batch
// win over earlier ones; a range deletion covers keys set before it in the same batch. It copies
// keys and values: the caller may reuse its slices at once. An invalid key is reported by Apply.
type Batch interface {
	Set(s Space, key, value []byte)
	// Delete removes key; a key that is not there is no error.
	Delete(s Space, key []byte)
	// DeleteRange removes every key in [lo, hi). A nil or empty lo is the start of the space, a
	// nil hi its end; an empty non-nil hi, or hi <= lo, is an empty range.
	DeleteRange(s Space, lo, hi []byte)
	// Len is the number of operations since the last Reset.
	Len() int
	// SizeBytes is the sum of the lengths of all keys, bounds and values in the batch.
	SizeBytes() int
	// Reset empties the batch and keeps its memory.
	Reset()
}

// Snapshot is a stable view of a Backend. Get, Scan and ScanBack may be called by many goroutines
// at once; Close must come after their last call has returned. Iterators that are still open at
// Close end: they answer ErrClosed.
type Snapshot interface {
	// Get appends key's value to dst and returns the extended slice, which the caller owns. A
	// key that is missing answers dst and ErrNotFound; an empty value is found, and appends
	// nothing. One rule and one copy for all engines, because their own lifetimes differ.
	Get(dst []byte, s Space, key []byte) ([]byte, error)
	// Scan visits the keys of [lo, hi) in ascending order (bounds as in Batch.DeleteRange). It
	// copies the bounds: the caller may reuse its slices at once.
	Scan(s Space, lo, hi []byte) Iterator
	// ScanBack visits the keys of [lo, hi) in descending order.
	ScanBack(s Space, lo, hi []byte) Iterator
	// Close releases the view. A second Close answers ErrClosed.
	Close() error
}

// Iterator walks over one range, used by one goroutine. It starts before the first key.
type Iterator interface {
	// Next moves on and tells whether there is a key. Once false it stays false.
	Next() bool
	// Key and Value are read-only and valid until the next Next or Close; nil unless the last
	// Next was true and nothing was closed since (an empty value is non-nil and empty).
	Key() []byte
	Value() []byte
	// Err is what ended the iteration early, nil at the regular end.
	Err() error
	// Close releases the iterator and returns Err. A second Close answers ErrClosed.
	Close() error
}

// Caps declares the optional abilities of a Backend in one place. A true field that names an
// interface promises that the Backend implements it.
type Caps struct {
	// Persistent: content survives Close and reopen. False: the engine is memory only, and its
	// results are labelled durability "none".
	Persistent bool
	// AlwaysSync: Apply is durable even without sync; there is no cheaper commit (bbolt, whose
	// unsynced commit gives up crash ordering and so the contract).
	AlwaysSync bool
	// RangeDelete: DeleteRange costs the same however many keys it covers.
	RangeDelete bool
	// MaxBatchBytes and MaxBatchOps bound a batch: one with SizeBytes and Len at or below them is
	// never answered ErrBatchTooBig, unless it holds a DeleteRange on a backend without
	// RangeDelete (each key it covers counts as an operation). 0 = no limit of its own.
	MaxBatchBytes int64
	MaxBatchOps   int64
	// Drain: the Backend is a Drainer.
	Drain bool
	// GetMany: every Snapshot is a ManyGetter.
	GetMany bool
	// Progress: the Backend is a Progressing one.
	Progress bool
}

// Progressing is a Backend that makes batches durable by itself and knows how far it is.
type Progressing interface {
	// Progress returns how many batches with anything in them were applied, and how many of those,
	// the first ones, would survive a crash now. Both only grow. It never waits, and may be called
	// by any goroutine.
	Progress() (applied, durable int64)
}

// Drainer is a Backend with background work that can be waited for.
type Drainer interface {
	// Drain returns when no flush, compaction or similar work is pending or running, or ctx ends.
	// No writes may run beside it.
	Drain(ctx context.Context) error
}

// Described is a Backend that tells its effective options, defaults included, as they go into
// the record of a run: the engine's own and those of the library underneath. Every Backend of
// this module is one.
type Described interface {
	// Options maps an option's name to its value; the map belongs to the caller.
	Options() map[string]string
}

// Stats are the figures of an open Backend. Sizes are bytes now, counts are since Open. A field
// that the engine cannot tell is -1, never a guess.
type Stats struct {
	// LiveBytes is what the current content takes in the engine's structures, free space and
	// obsolete versions excluded as far as the engine knows; an estimate for the LSMs.
	LiveBytes int64
	// DiskBytes is what the engine's files take on disk, LogBytes included (memory engines: heap).
	DiskBytes int64
	// LogBytes is the part of DiskBytes in write-ahead logs.
	LogBytes int64
	// WrittenBytes is all that the engine wrote to its files: log, flush, compaction, pages.
	WrittenBytes int64
	// Batches and Ops are what Apply took; Syncs counts the syncs to disk that writers waited for.
	Batches, Ops, Syncs int64
}

// Options are shared by all engines; each engine's own Options struct embeds them.
type Options struct {
	// CacheBytes is the budget of the engine's read cache. 0 = 64 MiB. Engines that read through
	// the page cache of the kernel (bolt) or from memory (mem) ignore it and say so in Options().
	CacheBytes int64 `json:"cacheBytes" yaml:"cacheBytes"`
	// Logger takes what the engine has to say; nil discards it.
	Logger *slog.Logger `json:"-" yaml:"-"`
}

// DefaultCacheBytes is the cache budget that a zero Options.CacheBytes stands for.
const DefaultCacheBytes = 64 << 20
