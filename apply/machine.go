package apply

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/raft"
)

// Config is what a Machine is made of.
type Config struct {
	// Dir is where the machine keeps its engine, in a directory of its own below Dir; it is made if
	// missing. Empty: the engine needs none, and what is there after a crash is Open's matter.
	Dir string
	// Open opens the engine in a directory, or makes one there. The machine closes it. With an empty
	// Dir it is given an empty one: first for the state, then for every one that Restore brings.
	Open func(dir string) (engine.Backend, error)
	// Index makes an empty index.
	Index func() index.Index
	// Hub configures the watches.
	Hub mvcc.HubConfig
	// MaxWriteBytes bounds key and value of one write together, as in mvcc.Config. A committed
	// write above it stops the machine, so it must be refused before, and should be equal on all
	// members.
	MaxWriteBytes int
	// SyncEntries is after how many entries an engine that does not sync by itself is synced, so
	// that Durable rises. 0 = DefaultSyncEntries.
	SyncEntries int
	// Logger takes what is worth telling. nil discards.
	Logger *slog.Logger
}

// DefaultSyncEntries is what a zero Config.SyncEntries stands for.
const DefaultSyncEntries = 10_000

// Machine is the state machine of one member: what the entries of the log have made, stored in one
// engine. Apply, ApplyChange, Found, Restore and Close are serialised inside; all other methods may
// be called beside them by any number of goroutines.
type Machine struct {
	c       Config
	dir     directory
	current atomic.Pointer[state] // nil once closed

	// writer is held by the one that changes the state. What follows is its holder's.
	writer  sync.Mutex
	failed  error // final, of the last change
	dec     decoder
	slabs   slabs
	path    []bool
	durable durability
}

// Open opens the machine in c.Dir, or begins one there. The caller must Close it.
func Open(ctx context.Context, c Config) (*Machine, error) {
	if c.Open == nil || c.Index == nil {
		return nil, errors.New("apply: Config needs Open and Index")
	}
	if c.SyncEntries < 0 {
		return nil, fmt.Errorf("apply: SyncEntries is %d, want 0 (default) or more", c.SyncEntries)
	}
	if c.SyncEntries == 0 {
		c.SyncEntries = DefaultSyncEntries
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Machine{c: c, dir: directory{path: c.Dir, open: c.Open}}
	b, name, err := m.dir.openCurrent()
	if err != nil {
		return nil, err
	}
	s, err := m.openState(ctx, b, name)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	// What was found may be in the caches of the system only.
	if err := s.store.Sync(); err != nil {
		return nil, errors.Join(err, s.closeStore(), b.Close())
	}
	m.current.Store(s)
	m.durable.begin(s)
	return m, nil
}

// Close closes the store and the engine, which makes everything applied durable. It waits for reads
// and for Images to be closed. A second Close answers ErrClosed.
func (m *Machine) Close() error {
	m.writer.Lock()
	defer m.writer.Unlock()
	s := m.current.Swap(nil)
	if s == nil {
		return ErrClosed
	}
	return s.retire()
}

// state returns the current state, pinned; the caller must release it.
func (m *Machine) state() (*state, error) {
	for {
		s := m.current.Load()
		if s == nil {
			return nil, ErrClosed
		}
		if s.retain() {
			return s, nil
		}
	}
}

// begin takes the writer's place; the caller must unlock it.
func (m *Machine) begin() (*state, error) {
	m.writer.Lock()
	s, err := m.current.Load(), m.failed
	if s == nil {
		err = ErrClosed
	}
	if err != nil {
		m.writer.Unlock()
		return nil, err
	}
	return s, nil
}

// fail makes err final.
func (m *Machine) fail(err error) error {
	m.failed = err
	return err
}

// Applied returns the last entry that the state holds, as of its last commit: Index, Term and the
// membership. It is zero for a machine that holds nothing.
func (m *Machine) Applied() raft.Snapshot {
	s := m.current.Load()
	if s == nil {
		return raft.Snapshot{}
	}
	return s.applied()
}

// Found makes a machine that holds nothing the one that every founding member of a group begins with:
// at index 1 and term 1, as after raft.FoundingSnapshot, with the members that are no learners as
// voters. It is durable when it returns. ErrFounded: the machine holds something.
func (m *Machine) Found(members []Member) error {
	s, err := m.begin()
	if err != nil {
		return err
	}
	defer m.writer.Unlock()
	if at := s.applied(); at.Index != 0 {
		return fmt.Errorf("%w: applied is %d", ErrFounded, at.Index)
	}
	t, err := s.store.Begin()
	if err != nil {
		return err
	}
	defer t.Rollback()
	conf, err := s.members.found(t, members)
	if err != nil {
		return err
	}
	if err := m.commit(s, t, raft.Snapshot{Index: 1, Term: 1, Conf: conf}, true, true); err != nil {
		return m.fail(err)
	}
	return nil
}

// Digest returns the running hash of the history of keys up to revision rev, 0 for the newest, and
// that revision. ok is false if the revision is compacted or not there yet. Members with the same
// history have the same digests, whatever their engines.
func (m *Machine) Digest(rev uint64) (at, digest uint64, ok bool) {
	s, err := m.state()
	if err != nil {
		return 0, 0, false
	}
	defer s.release()
	if rev == 0 {
		rev = uint64(s.store.Rev())
	}
	digest, err = s.store.Chain(int64(rev))
	return rev, digest, err == nil
}
