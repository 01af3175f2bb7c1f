package mvcc

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc/index"
)

// Config is what a Store is made of.
type Config struct {
	// Backend holds the records. It stays the caller's, who closes it after the store; nobody else
	// may write to it meanwhile.
	Backend engine.Backend
	// Index is a new, empty index. It belongs to the store.
	Index index.Index
	// MaxWriteBytes bounds key and value of one write together. 0 = DefaultMaxWriteBytes, or what
	// the engine can take if that is less; more than that is refused by Open.
	MaxWriteBytes int
	// Progress, if any, is called by Open while it restores the index.
	Progress func(Progress)
	// Leased, if any, is called by Open, on one goroutine, for every record with a lease, in the
	// order of revisions, whether it is still what the key is or not. The key is valid during the
	// call only. So who keeps which keys a lease has need not read them all again.
	Leased func(key []byte, rev index.Revision, lease int64)
	// Logger takes what is worth telling: a restore, a compaction. nil discards.
	Logger *slog.Logger
}

// DefaultMaxWriteBytes is the limit that a zero Config.MaxWriteBytes stands for.
const DefaultMaxWriteBytes = 2 << 20

// Progress tells how far a restore is. Records are restored in the order of revisions.
type Progress struct {
	// Records read so far.
	Records int64
	// Revision of the last of them, and the one that the restore ends with.
	Revision, Last int64
}

// Store is a multi-version store. All methods may be called by any number of goroutines; there
// is one write transaction at a time, and Begin waits for it. Readers wait for nobody.
type Store struct {
	b     engine.Backend
	caps  engine.Caps
	index index.Index
	log   *slog.Logger
	limit int // Config.MaxWriteBytes

	// current is the newest revision that is visible: all its records are in the engine, and the
	// index has it. compacted is the oldest that can be read, -1 if there was no compaction.
	current, compacted atomic.Int64
	stopped            atomic.Pointer[error]
	ended              chan struct{} // closed when the store has stopped or is closed
	endOnce            sync.Once
	guard              engine.Guard
	views              views
	rangers            sync.Pool
	lastRecord         atomic.Int64 // length of one read lately: what the next will need

	// mu is the writer's place; what follows is its holder's. A compaction takes it for a slice.
	mu        sync.Mutex
	chain     uint64 // at current
	enc       encoder
	batch     engine.Batch
	changes   []Change
	room      ownRoom
	observers []observer

	commits atomic.Int64 // that changed something; the compactor looks whether somebody writes
	bg      compactor
}

// Open opens the store that is in c.Backend, or begins one there, and fills c.Index from it. It
// answers ctx's error if that ends first, ErrFormat for what another version or somebody else
// wrote, CorruptError for damage. The caller must Close the store, before the backend.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Backend == nil || c.Index == nil {
		return nil, fmt.Errorf("mvcc: Config has Backend %v and Index %v, want both", c.Backend, c.Index)
	}
	if n := c.Index.Stats().Revisions; n != 0 {
		return nil, fmt.Errorf("mvcc: Config.Index holds %d revisions, want a new one", n)
	}
	s := &Store{b: c.Backend, caps: c.Backend.Caps(), index: c.Index, log: c.Logger, ended: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.setLimit(c.MaxWriteBytes); err != nil {
		return nil, err
	}
	s.batch = s.b.NewBatch()
	s.current.Store(1)
	s.compacted.Store(-1)
	s.chain = chainSeed
	marks, err := s.openFormat()
	if err != nil {
		return nil, err
	}
	if err := s.restore(ctx, marks, &c); err != nil {
		return nil, err
	}
	s.startCompactor(marks)
	return s, nil
}

// setLimit finds the largest write: one that fits into a batch of the engine with half of it left
// for the meta data of its transaction.
func (s *Store) setLimit(want int) error {
	most := int64(index.MaxSub)
	if s.caps.MaxBatchBytes > 0 {
		most = min(most, s.caps.MaxBatchBytes/2-recordOverhead)
	}
	switch {
	case want < 0 || int64(want) > most:
		return fmt.Errorf("mvcc: MaxWriteBytes is %d, want 0 (default) to %d, which the engine can take", want, most)
	case want == 0:
		want = int(min(most, DefaultMaxWriteBytes))
	}
	s.limit = want
	return nil
}

// Rev is the current revision.
func (s *Store) Rev() int64 { return s.current.Load() }

// Compacted is the oldest revision that can be read, -1 if nothing was ever compacted.
func (s *Store) Compacted() int64 { return s.compacted.Load() }

// Stats are live figures of the index, cheap enough to be read every second.
func (s *Store) Stats() index.Stats { return s.index.Stats() }

// MaxWriteBytes is the effective limit of one write's key and value together.
func (s *Store) MaxWriteBytes() int { return s.limit }

// Sync returns when everything committed before the call is durable. It waits for the writer.
func (s *Store) Sync() error {
	t, err := s.Begin()
	if err != nil {
		return err
	}
	_, err = t.Commit(true)
	return err
}

// Close ends the background work and lets go of the backend, which it does not close. ErrBusy:
// read transactions are open, nothing was done. It waits for the writer.
func (s *Store) Close() error {
	if err := s.checkGuard(s.guard.Close(func() error { return nil })); err != nil {
		return err
	}
	s.end()
	s.stopCompactor()
	s.mu.Lock() // whoever began to write before is done
	defer s.mu.Unlock()
	return s.views.close()
}

// checkGuard translates the guard's answers.
func (s *Store) checkGuard(err error) error {
	switch {
	case err == nil:
		return nil
	case isErr(err, engine.ErrBusy):
		return ErrBusy
	case isErr(err, engine.ErrClosed):
		return ErrClosed
	}
	return err
}

// enter pins the store for a read, or tells why there is none. exit undoes it.
func (s *Store) enter() error {
	if p := s.stopped.Load(); p != nil {
		return *p
	}
	if s.guard.Pin() != nil {
		return ErrClosed
	}
	return nil
}

func (s *Store) exit() { s.guard.Unpin() }

// stop makes the store answer ErrStopped for good, and returns that with its cause.
func (s *Store) stop(what string, cause error) error {
	err := fmt.Errorf("%w: %s: %w", ErrStopped, what, cause)
	s.stopped.CompareAndSwap(nil, &err)
	s.end()
	return *s.stopped.Load()
}

// end wakes those who watch.
func (s *Store) end() { s.endOnce.Do(func() { close(s.ended) }) }
