package apply

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/raft"
)

// state is one open state: an engine, the store on it, and the tables that are kept in memory. All
// that the tables hold is in the store's meta data as well, except which keys a lease has, which
// the records of the keys tell. Restore puts another state in its place.
type state struct {
	name    string // of its directory
	backend engine.Backend
	store   *mvcc.Store
	hub     *mvcc.Hub
	leases  leases
	alarms  alarms
	members members

	ctx      context.Context // ends when the state is to go
	cancel   context.CancelFunc
	replaced chan struct{} // closed when another has taken its place
	refs     atomic.Int64  // the machine's, and those who read
	idle     chan struct{} // closed when there are none

	mu sync.Mutex
	at raft.Snapshot
}

// The meta data of the store. Numbers in keys are 8 bytes, big-endian, in values as in commands.
const (
	metaApplied = "applied"  // index and term, 8 bytes each, big-endian
	metaConf    = "conf"     // raft.ConfState
	metaVersion = "version"  // of the cluster
	metaLease   = "lease/"   // + id: TTL, remaining, term and seq of the last checkpoint, grant
	metaAlarm   = "alarm/"   // + member, type: nothing
	metaMember  = "member/"  // + id: Member
	metaRemoved = "removed/" // + id: nothing
)

// restoreTold is after how many more records it is told how far a restore is: about a second's.
const restoreTold = 1_000_000

func metaKey(prefix string, id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(prefix), id)
}

// openState opens the store on b and fills the tables. b stays the caller's if it fails.
func (m *Machine) openState(ctx context.Context, b engine.Backend, name string) (*state, error) {
	s := &state{name: name, backend: b, replaced: make(chan struct{}), idle: make(chan struct{})}
	s.refs.Store(1)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.leases.init()
	s.members.init()
	found := map[string]leased{}
	limit, told := m.c.MaxWriteBytes, int64(0)
	var err error
	s.store, err = mvcc.Open(ctx, mvcc.Config{
		Backend: b, Index: m.c.Index(), MaxWriteBytes: limit, Logger: m.c.Logger,
		Leased: func(key []byte, rev index.Revision, lease int64) { found[string(key)] = leased{rev, LeaseID(lease)} },
		Progress: func(p mvcc.Progress) {
			if p.Records-told >= restoreTold {
				told = p.Records
				m.c.Logger.Info("apply: restoring the index", "records", p.Records, "revision", p.Revision, "last", p.Last)
			}
		},
	})
	if err != nil {
		s.cancel()
		return nil, err
	}
	if s.hub, err = mvcc.NewHub(s.store, m.c.Hub); err == nil {
		err = s.load(found)
	}
	if err != nil {
		s.cancel()
		return nil, errors.Join(err, s.store.Close())
	}
	return s, nil
}

// load reads the meta data into the tables.
func (s *state) load(found map[string]leased) error {
	var bad error
	err := s.store.ScanMeta(nil, nil, func(key, value []byte) bool {
		if err := s.loadOne(string(key), value); err != nil {
			bad = fmt.Errorf("%w: meta data under %q: %w", ErrState, key, err)
		}
		return bad == nil
	})
	if err := errors.Join(err, bad); err != nil {
		return err
	}
	return s.attachAll(found)
}

func (s *state) loadOne(key string, value []byte) error {
	d := reader{b: value}
	switch {
	case key == metaApplied:
		if len(value) != 16 {
			return errors.New("want 16 bytes")
		}
		s.at.Index = raft.Index(binary.BigEndian.Uint64(value))
		s.at.Term = raft.Term(binary.BigEndian.Uint64(value[8:]))
		return nil
	case key == metaConf:
		return s.at.Conf.Decode(value)
	case key == metaVersion:
		s.members.version = string(value)
		return nil
	}
	for _, table := range []struct {
		prefix string
		size   int
		add    func(rest []byte, d *reader)
	}{
		{metaLease, 8, func(id []byte, d *reader) { s.leases.load(LeaseID(binary.BigEndian.Uint64(id)), d) }},
		{metaAlarm, 9, func(k []byte, _ *reader) {
			s.alarms.set(AlarmMember{Member: binary.BigEndian.Uint64(k), Type: AlarmType(k[8])}, true)
		}},
		{metaMember, 8, func(_ []byte, d *reader) { s.members.load(d.member()) }},
		{metaRemoved, 8, func(id []byte, _ *reader) { s.members.removed[binary.BigEndian.Uint64(id)] = true }},
	} {
		if len(key) != len(table.prefix)+table.size || key[:len(table.prefix)] != table.prefix {
			continue
		}
		table.add([]byte(key[len(table.prefix):]), &d)
		return d.end()
	}
	return errors.New("unknown key")
}

// attachAll attaches the keys whose newest record is one of those found with a lease.
func (s *state) attachAll(found map[string]leased) error {
	if len(found) == 0 {
		return nil
	}
	t, err := s.store.Begin()
	if err != nil {
		return err
	}
	defer t.Rollback()
	for key, l := range found {
		if e, ok := t.Entry([]byte(key)); !ok || e.ModRev != l.rev {
			continue
		}
		if !s.leases.has(l.id) {
			return fmt.Errorf("%w: key %q has lease %x, which does not exist", ErrState, key, l.id)
		}
		s.leases.attach([]byte(key), l.id)
	}
	return nil
}

func (s *state) applied() raft.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// retain counts a reader, unless the state is gone.
func (s *state) retain() bool {
	for {
		n := s.refs.Load()
		if n == 0 {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *state) release() {
	if s.refs.Add(-1) == 0 {
		close(s.idle)
	}
}

// retire closes the state when nobody reads it any more. It must not be current.
func (s *state) retire() error {
	s.cancel()
	err := s.hub.Close()
	close(s.replaced)
	s.members.mu.Lock()
	s.members.tell()
	s.members.mu.Unlock()
	s.release()
	<-s.idle
	return errors.Join(err, s.store.Close(), s.backend.Close())
}

// closeStore closes what openState opened; the engine stays open.
func (s *state) closeStore() error {
	s.cancel()
	return s.store.Close()
}
