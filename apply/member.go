package apply

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/raft"
)

// members are the members of the group, those that were, and the version of the cluster. The writer
// alone changes them, with mu held; it reads without.
type members struct {
	mu      sync.RWMutex
	all     map[uint64]Member // their slices are never changed
	removed map[uint64]bool
	version string
	changed chan struct{} // closed and made anew when all or version changes
	// limit is the largest write that every member can store; see Machine.WriteLimit.
	limit int
}

// AssuredWriteBytes is the size of a key and value together that a member is taken to be able to store
// until it has published its own limit. Every engine can.
const AssuredWriteBytes = 500 << 10

func (ms *members) init() {
	ms.all, ms.removed, ms.changed, ms.limit = map[uint64]Member{}, map[uint64]bool{}, make(chan struct{}), math.MaxInt32
}

func (ms *members) load(m Member) {
	ms.all[m.ID] = m
	ms.limit = ms.least()
}

// least is the largest write that all can store.
func (ms *members) least() int {
	limit := math.MaxInt32
	for _, m := range ms.all {
		own := m.MaxWriteBytes
		if own == 0 {
			own = AssuredWriteBytes
		}
		limit = int(min(own, uint64(limit)))
	}
	return limit
}

func (ms *members) tell() {
	ms.limit = ms.least()
	close(ms.changed)
	ms.changed = make(chan struct{})
}

// list is all in order of ID.
func (ms *members) list() []Member {
	return slices.SortedFunc(maps.Values(ms.all), func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
}

// put stores m.
func (ms *members) put(t *mvcc.Txn, m Member) error {
	ms.mu.Lock()
	ms.all[m.ID] = m
	ms.tell()
	ms.mu.Unlock()
	return t.SetMeta(metaKey(metaMember, m.ID), m.append(nil))
}

// found stores the founding members and returns their membership.
func (ms *members) found(t *mvcc.Txn, list []Member) (raft.ConfState, error) {
	var conf raft.ConfState
	for i, m := range list {
		if m.ID == 0 || slices.ContainsFunc(list[:i], func(o Member) bool { return o.ID == m.ID }) {
			return conf, fmt.Errorf("apply: founding member %x is none, or twice", m.ID)
		}
	}
	for _, m := range list {
		if m.Learner {
			conf.Learners = append(conf.Learners, raft.NodeID(m.ID))
		} else {
			conf.Voters = append(conf.Voters, raft.NodeID(m.ID))
		}
		if err := ms.put(t, m); err != nil {
			return conf, err
		}
	}
	slices.Sort(conf.Voters)
	slices.Sort(conf.Learners)
	return conf, nil
}

// checkURLs refuses peer URLs that another member than id has.
func (ms *members) checkURLs(id uint64, urls []string) error {
	for _, m := range ms.all {
		for _, u := range urls {
			if m.ID != id && slices.Contains(m.PeerURLs, u) {
				return ErrPeerURLExists
			}
		}
	}
	return nil
}

// set does a SetMember.
func (ms *members) set(t *mvcc.Txn, c *SetMember) error {
	m, ok := ms.all[c.Member.ID]
	if !ok {
		return ErrMemberNotFound
	}
	if c.Fields&MemberPeerURLs != 0 {
		if err := ms.checkURLs(m.ID, c.Member.PeerURLs); err != nil {
			return err
		}
		m.PeerURLs = c.Member.PeerURLs
	}
	if c.Fields&MemberName != 0 {
		m.Name = c.Member.Name
	}
	if c.Fields&MemberClientURLs != 0 {
		m.ClientURLs = c.Member.ClientURLs
	}
	if c.Fields&MemberIncarnation != 0 {
		m.Incarnation = c.Member.Incarnation
	}
	if c.Fields&MemberMaxWriteBytes != 0 {
		m.MaxWriteBytes = c.Member.MaxWriteBytes
	}
	return ms.put(t, m)
}

// check decides whether a change may be made, from the state alone, in the order of etcd's checks.
func (ms *members) check(cc *raft.ConfChange, c *MemberChange) error {
	learners := 0
	for _, m := range ms.all {
		if m.Learner {
			learners++
		}
	}
	for _, ch := range cc.Changes {
		id := uint64(ch.Node)
		m, exists := ms.all[id]
		switch {
		case ms.removed[id]:
			return ErrMemberRemoved
		case ch.Type == raft.RemoveNode && !exists:
			return ErrMemberNotFound
		case ch.Type == raft.RemoveNode:
		case c.Promote && !exists:
			return ErrMemberNotFound
		case c.Promote && !m.Learner:
			return ErrMemberNotLearner
		case c.Promote:
		case exists:
			return ErrMemberExists
		default:
			if err := ms.checkURLs(id, c.Member.PeerURLs); err != nil {
				return err
			}
			if ch.Type != raft.AddLearner {
				continue
			}
			if learners++; c.MaxLearners > 0 && uint64(learners) > c.MaxLearners {
				return ErrTooManyLearners
			}
		}
	}
	return nil
}

// change does what was checked.
func (ms *members) change(t *mvcc.Txn, cc *raft.ConfChange, c *MemberChange) error {
	for _, ch := range cc.Changes {
		id := uint64(ch.Node)
		if ch.Type == raft.RemoveNode {
			ms.mu.Lock()
			delete(ms.all, id)
			ms.removed[id] = true
			ms.tell()
			ms.mu.Unlock()
			if err := t.DeleteMeta(metaKey(metaMember, id)); err != nil {
				return err
			}
			if err := t.SetMeta(metaKey(metaRemoved, id), nil); err != nil {
				return err
			}
			continue
		}
		m := Member{ID: id}
		if c.Promote {
			m = ms.all[id]
		} else if c.Member.ID == id {
			m = c.Member
		}
		m.Learner = ch.Type == raft.AddLearner
		if err := ms.put(t, m); err != nil {
			return err
		}
	}
	return nil
}

// Members returns the members in order of ID, and a channel that is closed when they or the version
// of the cluster change. The slices of a Member must not be changed.
func (m *Machine) Members() ([]Member, <-chan struct{}) {
	s := m.current.Load()
	if s == nil {
		return nil, nil
	}
	s.members.mu.RLock()
	defer s.members.mu.RUnlock()
	return s.members.list(), s.members.changed
}

// Removed tells whether a member with that ID was removed. It can never be added again.
func (m *Machine) Removed(id uint64) bool {
	s := m.current.Load()
	if s == nil {
		return false
	}
	s.members.mu.RLock()
	defer s.members.mu.RUnlock()
	return s.members.removed[id]
}

// RemovedMembers returns the IDs of the members that were removed, in order.
func (m *Machine) RemovedMembers() []uint64 {
	s := m.current.Load()
	if s == nil {
		return nil
	}
	s.members.mu.RLock()
	defer s.members.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.members.removed))
}

// ClusterVersion returns what the last ClusterVersion command said, "" if there was none.
func (m *Machine) ClusterVersion() string {
	s := m.current.Load()
	if s == nil {
		return ""
	}
	s.members.mu.RLock()
	defer s.members.mu.RUnlock()
	return s.members.version
}

// setVersion does a ClusterVersion.
func (ms *members) setVersion(t *mvcc.Txn, v string) error {
	ms.mu.Lock()
	ms.version = v
	ms.tell()
	ms.mu.Unlock()
	return t.SetMeta([]byte(metaVersion), []byte(v))
}
