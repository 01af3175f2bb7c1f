package apply

import (
	"fmt"

	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/raft"
)

// Refounding is what a state becomes that another group goes on from.
type Refounding struct {
	// Members are the founding members of the new group, as in Machine.Found.
	Members []Member
	// BumpRevisions, if above 0, lets the history go on that many revisions later, and compacts all
	// that came before: clients that have seen more of the old group than this state holds are told so,
	// and see no revision twice with another content.
	BumpRevisions int64
}

// Refound makes the state the one that every founding member of a new group begins with, as Found does,
// but with keys, revisions and leases as they are. The old group is forgotten: its members, those that
// were removed, alarms, and which entry was the last. It is durable when it returns. It is for a machine
// that nothing is applied to yet; a crash meanwhile may leave a part of it, so make it in a place of
// its own. ErrState: the machine holds nothing.
func (m *Machine) Refound(r Refounding) error {
	s, err := m.begin()
	if err != nil {
		return err
	}
	defer m.writer.Unlock()
	if s.applied().Index == 0 {
		return fmt.Errorf("%w: there is nothing to found a group with", ErrState)
	}
	if err := s.resetLeases(); err != nil {
		return m.fail(err)
	}
	t, err := s.store.Begin()
	if err != nil {
		return err
	}
	defer t.Rollback()
	if err := s.forget(t); err != nil {
		return m.fail(err)
	}
	conf, err := s.members.found(t, r.Members)
	if err != nil {
		return m.fail(err)
	}
	if r.BumpRevisions != 0 {
		if err := leap(t, r.BumpRevisions); err != nil {
			return m.fail(err)
		}
	}
	if err := m.commit(s, t, raft.Snapshot{Index: 1, Term: 1, Conf: conf}, true, true); err != nil {
		return m.fail(err)
	}
	return nil
}

// leap is Txn.Leap by a key that does not exist.
func leap(t *mvcc.Txn, n int64) error {
	key := []byte("\x00etalon/leap")
	for {
		if _, live := t.Entry(key); !live {
			return t.Leap(n, key)
		}
		key = append(key, '/')
	}
}

// forget removes members and alarms.
func (s *state) forget(t *mvcc.Txn) error {
	for a := range s.alarms.raised {
		if err := t.DeleteMeta(append(metaKey(metaAlarm, a.Member), byte(a.Type))); err != nil {
			return err
		}
		s.alarms.set(a, false)
	}
	ms := &s.members
	ms.mu.Lock()
	defer ms.mu.Unlock()
	for id := range ms.all {
		if err := t.DeleteMeta(metaKey(metaMember, id)); err != nil {
			return err
		}
	}
	for id := range ms.removed {
		if err := t.DeleteMeta(metaKey(metaRemoved, id)); err != nil {
			return err
		}
	}
	clear(ms.all)
	clear(ms.removed)
	return nil
}

// leasesAtOnce bounds a transaction of resetLeases: engines bound their batches.
const leasesAtOnce = 1000

// resetLeases makes leases what they would be had they been granted by the founding entry: terms and
// indexes begin anew.
func (s *state) resetLeases() error {
	var t *mvcc.Txn
	n := 0
	for _, l := range s.leases.all {
		if n%leasesAtOnce == 0 {
			if err := commitMeta(t); err != nil {
				return err
			}
			var err error
			if t, err = s.store.Begin(); err != nil {
				return err
			}
		}
		n++
		s.leases.mu.Lock()
		l.checkTerm, l.checkSeq, l.grant = 0, 0, 1
		s.leases.changes.add(l.id)
		s.leases.mu.Unlock()
		if err := l.store(t); err != nil {
			t.Rollback()
			return err
		}
	}
	return commitMeta(t)
}

// commitMeta commits t, if there is one.
func commitMeta(t *mvcc.Txn) error {
	if t == nil {
		return nil
	}
	_, err := t.Commit(false)
	return err
}
