package apply

import (
	"context"
	"errors"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/mvcc/index"
)

// View is what watches need of the current state.
type View struct {
	// Hub tells of what is committed. It ends (mvcc.ErrWatchEnded) when the state is replaced or
	// the machine closed; the revisions go on in the Hub of the next View.
	Hub *mvcc.Hub
	// Replaced is closed when the state is replaced or the machine closed, after the next View can
	// be had.
	Replaced <-chan struct{}
}

// View returns that of the current state. ErrClosed: there is none any more.
func (m *Machine) View() (View, error) {
	s := m.current.Load()
	if s == nil {
		return View{}, ErrClosed
	}
	return View{Hub: s.hub, Replaced: s.replaced}, nil
}

// Rev is the current revision, 0 for a closed machine.
func (m *Machine) Rev() int64 {
	if s := m.current.Load(); s != nil {
		return s.store.Rev()
	}
	return 0
}

// Compacted is the oldest revision that can be read, -1 if nothing was ever compacted.
func (m *Machine) Compacted() int64 {
	if s := m.current.Load(); s != nil {
		return s.store.Compacted()
	}
	return -1
}

// MaxWriteBytes is the largest key and value together that this member can store.
func (m *Machine) MaxWriteBytes() int {
	if s := m.current.Load(); s != nil {
		return s.store.MaxWriteBytes()
	}
	return 0
}

// WriteLimit is the largest key and value together that every member can store, as far as the members are
// known: what is larger is refused by each of them alike (ErrTooLarge), so that an engine with a lower limit
// than the others' never meets it. A member that has not published its own yet counts as AssuredWriteBytes.
func (m *Machine) WriteLimit() int {
	s := m.current.Load()
	if s == nil {
		return 0
	}
	s.members.mu.RLock()
	defer s.members.mu.RUnlock()
	return min(s.members.limit, s.store.MaxWriteBytes())
}

// HashKV is etcd's hash of the history up to rev, 0 for the current revision; see mvcc.Store.HashKV.
func (m *Machine) HashKV(ctx context.Context, rev int64) (mvcc.KVHash, error) {
	s, err := m.state()
	if err != nil {
		return mvcc.KVHash{}, err
	}
	defer s.release()
	ctx, cancel := s.during(ctx)
	defer cancel()
	h, err := s.store.HashKV(ctx, rev)
	return h, s.ended(err)
}

// WaitCompacted returns when nothing is left that a compaction at rev removes.
func (m *Machine) WaitCompacted(ctx context.Context, rev int64) error {
	s, err := m.state()
	if err != nil {
		return err
	}
	defer s.release()
	ctx, cancel := s.during(ctx)
	defer cancel()
	return s.ended(s.store.WaitCompacted(ctx, rev))
}

// Stats are figures of the engine and the index, cheap enough to be read every second.
func (m *Machine) Stats() (engine.Stats, index.Stats, error) {
	s, err := m.state()
	if err != nil {
		return engine.Stats{}, index.Stats{}, err
	}
	defer s.release()
	return s.backend.Stats(), s.store.Stats(), nil
}

// during is a context that ends with ctx or when the state is to go.
func (s *state) during(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// ended is err, or ErrReplaced if it is because the state had to go.
func (s *state) ended(err error) error {
	if errors.Is(err, context.Canceled) && s.ctx.Err() != nil {
		return ErrReplaced
	}
	return err
}
