package mvcc

import (
	"errors"
	"fmt"
	"math"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// Errors of watching.
var (
	// ErrWatchEnded: the stream, watcher or hub was closed.
	ErrWatchEnded = errors.New("mvcc: watch has ended")
	// ErrDuplicateWatch: the stream has a watch of this id.
	ErrDuplicateWatch = errors.New("mvcc: watch id is taken")
	// ErrUnknownWatch: the stream has no watch of this id.
	ErrUnknownWatch = errors.New("mvcc: no watch of this id")
	// ErrTooManyWatches: the stream has as many watches and undelivered answers as it may.
	ErrTooManyWatches = errors.New("mvcc: too many watches")
)

// CompactedError ends a Watcher whose next events were compacted. It is ErrCompacted.
type CompactedError struct {
	// CompactRev is the oldest revision that a new watch can start at.
	CompactRev int64
}

func (e *CompactedError) Error() string {
	return fmt.Sprintf("%v: watch can start at %d", ErrCompacted, e.CompactRev)
}

// Unwrap makes it ErrCompacted.
func (e *CompactedError) Unwrap() error { return ErrCompacted }

// WatchConfig says what a watch is told of.
type WatchConfig struct {
	// ID names the watch in its stream; 0 chooses one: 0, 1, 2 and so on, leaving out those taken.
	ID int64
	// Key is the key to watch, or with Range the first one; then nil or empty begins with the
	// first of all.
	Key []byte
	// Range watches [Key, End); a nil End has no end. It is a field of its own, and End without
	// it is refused, so that an End that was lost on the way never widens a watch.
	Range bool
	End   []byte
	// StartRev is the first revision that the watch is told of: a past one, as far as it is not
	// below the compacted one; a future one; 0 is the one after the current.
	StartRev int64
	// PrevKV adds to events what the key was before.
	PrevKV bool
	// NoPut and NoDelete leave out events.
	NoPut, NoDelete bool
}

func (c *WatchConfig) extent() (extent, error) {
	switch {
	case c.ID < 0:
		return extent{}, fmt.Errorf("%w: watch id %d, want 0 (any) or more", ErrNegative, c.ID)
	case c.StartRev < 0:
		return extent{}, fmt.Errorf("%w: watch starts at revision %d, want 0 (now) or more", ErrNegative, c.StartRev)
	case !c.Range && len(c.Key) == 0:
		return extent{}, fmt.Errorf("%w: watch of one key, and Range is not set", ErrEmptyKey)
	case !c.Range && c.End != nil:
		return extent{}, fmt.Errorf("%w: watch of one key has End %q, and Range is not set", ErrInvertedRange, c.End)
	case !c.Range:
		return extent{lo: string(c.Key)}, nil
	case c.End == nil:
		return extent{lo: string(c.Key), kind: endless}, nil
	}
	return extent{lo: string(c.Key), hi: string(c.End), kind: bounded}, checkRange(c.Key, c.End)
}

// Event is a change as a watch is told of it. Watches share its slices: they are read-only.
type Event struct {
	Change
	// Prev is what the key was at the revision before, with WatchConfig.PrevKV. nil if the
	// change created the key, or if that revision was compacted meanwhile.
	Prev *KeyValue
}

// ResponseKind is what a Response is about.
type ResponseKind uint8

// The kinds of a Response.
const (
	// EventsResponse carries Events.
	EventsResponse ResponseKind = iota
	// CreatedResponse is the first of a watch.
	CreatedResponse
	// CanceledResponse is the last of a watch.
	CanceledResponse
	// ProgressResponse answers RequestProgress.
	ProgressResponse
)

// AllWatches is the id in a progress request to, and its answer from, a stream as a whole.
const AllWatches int64 = -1

// Response is one message of a Stream.
type Response struct {
	Kind ResponseKind
	// ID of the watch; AllWatches in the answer to a progress request for all.
	ID int64
	// Revision: of events, the last of theirs; all that the watch is to be told of at or below it
	// was delivered. Of progress the same, for the watch or for all of the stream. Who resumes
	// begins with Revision + 1. When created, the revision of the store: a watch without
	// StartRev is told of what comes after it.
	Revision int64
	// CompactRev, when canceled, is the compacted revision that took what the watch had to be
	// told of next; 0 if the watch was canceled by Cancel.
	CompactRev int64
	// Events are those of whole revisions, in their order: one revision's are never divided.
	Events []Event
}

// HubConfig bounds what a Stream keeps in memory. A stream that is not read costs at most
// QueueBytes, besides a fixed amount a watch. One that is read: beside that one chunk, in the
// hands of Next. A chunk ends with the revision in which it reaches its limit, so a revision
// larger than that makes a larger chunk.
type HubConfig struct {
	// QueueEvents and QueueBytes bound the queue of new events of a stream; a revision that does
	// not fit is not queued, nor what comes after it, but read from the store when its turn has
	// come. An event counts as its key and value and eventOverhead; streams that hold the same
	// one share it. 0 = 4096 and 1 MiB.
	QueueEvents, QueueBytes int
	// ChunkRevisions, ChunkEvents and ChunkBytes bound what is read from the store, and answered,
	// at once. 0 = 1000, 4096 and 1 MiB.
	ChunkRevisions, ChunkEvents, ChunkBytes int
	// MaxWatches bounds the watches of a stream together with its answers to Watch and Cancel
	// that were not delivered yet. 0 = 1,000,000.
	MaxWatches int
}

func (c *HubConfig) fill() error {
	for _, f := range []struct {
		name  string
		value *int
		zero  int
	}{
		{"QueueEvents", &c.QueueEvents, 4096}, {"QueueBytes", &c.QueueBytes, 1 << 20},
		{"ChunkRevisions", &c.ChunkRevisions, 1000}, {"ChunkEvents", &c.ChunkEvents, 4096},
		{"ChunkBytes", &c.ChunkBytes, 1 << 20}, {"MaxWatches", &c.MaxWatches, 1_000_000},
	} {
		if *f.value < 0 || *f.value > math.MaxInt32 {
			return fmt.Errorf("mvcc: HubConfig.%s is %d, want 0 (for %d) to %d", f.name, *f.value, f.zero, math.MaxInt32)
		}
		if *f.value == 0 {
			*f.value = f.zero
		}
	}
	return nil
}

// eventOverhead is what an event takes besides its key and value: the Event, the Change that it
// was made from, its place in a queue.
const eventOverhead = 256

func eventBytes(c *Change) int { return eventOverhead + len(c.Key) + len(c.Value) }

// cloneChange copies c and the memory that it lies in, in two allocations.
func cloneChange(c *Change) *Change {
	o := *c
	buf := make([]byte, len(c.Key)+len(c.Value))
	n := copy(buf, c.Key)
	copy(buf[n:], c.Value)
	o.Key, o.Value = buf[:n:n], buf[n:]
	if c.Tombstone { // nothing but the key and where it was deleted
		o.KeyValue = KeyValue{Key: o.Key, ModRevision: c.Rev.Main}
		o.Rev = index.Revision{Main: c.Rev.Main, Sub: c.Rev.Sub}
	}
	return &o
}
