package wal

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/etalon-kv/etalon/raft"
)

// Errors of opening.
var (
	// ErrInUse: another process, or another Log of this one, has the directory open.
	ErrInUse = errors.New("wal: directory is in use")
	// ErrForeign: the directory holds no log and something else, or the log of another id. Nothing
	// in it was changed.
	ErrForeign = errors.New("wal: directory belongs to something else")
	// ErrNewerFormat: the log was written by a newer version. Nothing was changed.
	ErrNewerFormat = errors.New("wal: directory has a newer format")
	// ErrCorrupt: what was stored is not what is there. The error is a *CorruptError. Nothing was
	// changed.
	ErrCorrupt = errors.New("wal: corrupt")
)

// Errors of an open Log. Wrong indexes are answered with raft.ErrCompacted, raft.ErrUnavailable,
// raft.ErrSnapshotOutOfDate and raft.ErrMisuse; such a call had no effect.
var (
	// ErrClosed: the Log was closed.
	ErrClosed = errors.New("wal: closed")
	// ErrFailed wraps the cause, in the call whose write or sync failed and in every writing call
	// after it. What the file holds is unknown until the log is opened again.
	ErrFailed = errors.New("wal: failed, reopen to recover")
)

// CorruptError says where stored data is damaged. errors.Is finds ErrCorrupt in it.
type CorruptError struct {
	// File is the name in the directory and OffsetBytes the place in it where the damage shows: the
	// start of the sector, or of the record's first sector.
	File        string
	OffsetBytes int64
	// Index is the entry that is damaged, or that would have been the next to be read; 0 where it
	// cannot be told.
	Index raft.Index
	// Reason is what was expected there.
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("wal: corrupt: %s at byte %d, log index %d: %s", e.File, e.OffsetBytes, e.Index, e.Reason)
}

// Unwrap returns ErrCorrupt.
func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// Defaults that zero fields of Options stand for.
const (
	DefaultSegmentBytes = 64 << 20
	DefaultCacheBytes   = 4 << 20
)

const (
	minSegmentBytes = 4 << 10
	maxSegmentBytes = 1 << 30
	// maxWriteBytes bounds what one Write may hold: a segment grows to hold it.
	maxWriteBytes = 1 << 30
	// stageBytes is how much may wait for a sync in memory before it is written without one.
	stageBytes = 1 << 20
	// extentBytes is how far apart the places are that the log remembers of a segment: what is read
	// and thrown away at most to find an entry.
	extentBytes = 32 << 10
	// spareSegments is how many released segments are kept to be used again.
	spareSegments = 2
)

// Options of a log. The zero value is ready to use.
type Options struct {
	// ID is mixed into every checksum, so that a file of another log is never taken for one of
	// this. Any number that tells the group and the member; it must be the same at every Open.
	ID uint64
	// SegmentBytes is the size of a segment file, from 4 KiB to 1 GiB, rounded up to 4 KiB;
	// 0 = 64 MiB. A larger write makes a larger segment. Segments that exist keep their size.
	SegmentBytes int64
	// CacheBytes is how much of the newest entries is kept in memory, their data and 64 bytes for
	// each; 0 = 4 MiB, negative = only what is not written yet.
	CacheBytes int64
	// Logger takes what recovery has to say; nil discards it.
	Logger *slog.Logger
}

// Validate fills in defaults and refuses nonsense.
func (o *Options) Validate() error {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	if o.SegmentBytes < minSegmentBytes || o.SegmentBytes > maxSegmentBytes {
		return fmt.Errorf("wal: segmentBytes is %d, want %d to %d", o.SegmentBytes, minSegmentBytes, maxSegmentBytes)
	}
	o.SegmentBytes = (o.SegmentBytes + minSegmentBytes - 1) &^ (minSegmentBytes - 1)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}
