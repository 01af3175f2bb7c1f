package apply

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/raft"
)

// Apply applies entries, all of type raft.EntryNormal, whose indexes follow one another and what is
// applied; those at or below Applied are passed over. Data is one command, which Apply neither changes
// nor keeps; without Data an entry only moves Applied. results[i] becomes what the proposer of
// entries[i] is told; nil results compute none, which saves the reads that only they need and changes
// nothing else. All is one transaction of the store with Applied in it, or a few where an entry
// needs what came before it to be committed; it becomes visible and durable in that order, and
// nothing waits for it to be durable. An error is final: the store or the engine has failed, or the
// entries cannot be applied here.
func (m *Machine) Apply(entries []raft.Entry, results []any) error {
	s, err := m.begin()
	if err != nil {
		return err
	}
	defer m.writer.Unlock()
	if results != nil && len(results) != len(entries) {
		return fmt.Errorf("apply: %d entries and %d results", len(entries), len(results))
	}
	at := s.applied().Index
	for len(entries) > 0 && entries[0].Index <= at {
		entries = entries[1:]
		if results != nil {
			results = results[1:]
		}
	}
	if len(entries) == 0 {
		return nil
	}
	b := batch{m: m, s: s, wanted: results != nil}
	defer b.rollback()
	for i := range entries {
		if at++; entries[i].Index != at {
			return fmt.Errorf("%w: index %d, want %d", ErrGap, entries[i].Index, at)
		}
		result, err := b.apply(&entries[i])
		if err != nil {
			return m.fail(fmt.Errorf("apply: entry %d: %w", at, err))
		}
		if results != nil {
			results[i] = result
		}
	}
	if err := b.commit(); err != nil {
		return m.fail(err)
	}
	return nil
}

// batch is the application of some entries in one transaction after the other.
type batch struct {
	m      *Machine
	s      *state
	t      *mvcc.Txn // nil when none is open
	last   *raft.Entry
	now    *raft.Entry // being applied
	wanted bool        // somebody wants results
}

func (b *batch) rollback() {
	if b.t != nil {
		b.t.Rollback()
	}
}

// commit ends the transaction with Applied at the last entry.
func (b *batch) commit() error {
	if b.t == nil {
		return nil
	}
	t := b.t
	b.t = nil
	at := b.s.applied()
	if b.last != nil {
		at.Index, at.Term = b.last.Index, b.last.Term
	}
	return b.m.commit(b.s, t, at, false, false)
}

// reopen commits what was done before the entry at hand, and goes on in a new transaction.
func (b *batch) reopen() error {
	if err := b.commit(); err != nil {
		return err
	}
	return b.open()
}

func (b *batch) open() (err error) {
	if b.t == nil {
		b.t, err = b.s.store.Begin()
	}
	return err
}

// commit commits t, in which at is the last entry; withConf if its membership is new.
func (m *Machine) commit(s *state, t *mvcc.Txn, at raft.Snapshot, withConf, sync bool) error {
	var value [16]byte
	binary.BigEndian.PutUint64(value[:], uint64(at.Index))
	binary.BigEndian.PutUint64(value[8:], uint64(at.Term))
	if err := t.SetMeta([]byte(metaApplied), value[:]); err != nil {
		return err
	}
	if withConf {
		if err := t.SetMeta([]byte(metaConf), at.Conf.Append(nil)); err != nil {
			return err
		}
	}
	sync = sync || m.durable.due(at.Index, m.c.SyncEntries)
	if _, err := t.Commit(sync); err != nil {
		return err
	}
	s.mu.Lock()
	s.at = at
	s.mu.Unlock()
	m.durable.committed(at.Index, sync)
	return nil
}

// apply does one entry. An error is final.
func (b *batch) apply(e *raft.Entry) (any, error) {
	if err := b.open(); err != nil {
		return nil, err
	}
	b.now = e
	var result any
	var err error
	if len(e.Data) > 0 {
		result, err = b.command(e)
	}
	if err != nil {
		return nil, err
	}
	b.t.Next()
	b.last = e
	return result, nil
}

// command decodes and does one.
func (b *batch) command(e *raft.Entry) (any, error) {
	d := &b.m.dec
	c := d.command(e.Data)
	if err := d.end(); err != nil {
		return &Done{Rev: b.t.Rev(), Err: err}, nil
	}
	switch c := c.(type) {
	case *Put:
		return b.put(c)
	case *DeleteRange:
		return b.deleteRange(c)
	case *Txn:
		return b.txn(c)
	}
	return b.rare(c)
}

// rare does what does not come often.
func (b *batch) rare(c Command) (any, error) {
	refused := b.refused(c)
	switch c := c.(type) {
	case *Compact:
		return b.done(b.compact(c, refused))
	case *LeaseGrant:
		return b.grant(c, refused)
	case *LeaseRevoke:
		return b.done(b.revoke(c, refused))
	case *LeaseCheckpoint:
		return b.checkpoint(c)
	case *Alarm:
		raised, err := b.s.alarms.apply(b.t, c)
		return &AlarmResult{Rev: b.t.Rev(), Alarms: raised}, err
	case *SetMember:
		return b.setMember(c)
	case *ClusterVersion:
		return b.done(nil, b.s.members.setVersion(b.t, c.Version))
	}
	return &Done{Rev: b.t.Rev(), Err: fmt.Errorf("%w: a membership change as an ordinary entry", ErrMalformed)}, nil
}

// done makes a Done of an error for the proposer, unless there is a final one.
func (b *batch) done(err, final error) (any, error) {
	return &Done{Rev: b.t.Rev(), Err: err}, final
}

// refused is the error that an alarm answers c with.
func (b *batch) refused(c Command) error {
	a := &b.s.alarms
	noSpace, corrupt := a.noSpace.Load(), a.corrupt.Load()
	if !noSpace && !corrupt {
		return nil
	}
	switch c := c.(type) {
	case *Put, *LeaseGrant:
		if !corrupt {
			return ErrNoSpace
		}
	case *Txn:
		if !corrupt && c.Cost() == 0 {
			return nil
		}
		if !corrupt {
			return ErrNoSpace
		}
	case *DeleteRange, *Compact, *LeaseRevoke:
	default:
		return nil
	}
	if corrupt {
		return ErrCorrupt
	}
	return nil
}

func (b *batch) compact(c *Compact, refused error) (err, final error) {
	if refused != nil {
		return refused, nil
	}
	// What was compacted in this batch refuses what follows in it, so it is committed first.
	if err := b.reopen(); err != nil {
		return nil, err
	}
	switch err := b.t.Compact(c.Rev); {
	case errors.Is(err, mvcc.ErrNegative):
		return ErrCompacted, nil
	case err != nil:
		return err, nil
	}
	at := *b.now
	b.last = &at
	return nil, b.reopen()
}

func (b *batch) grant(c *LeaseGrant, refused error) (any, error) {
	res := &LeaseGrantResult{ID: c.ID, Rev: b.t.Rev(), Err: refused}
	if refused != nil {
		return res, nil
	}
	l, err := b.s.leases.grant(b.t, c, uint64(b.now.Index))
	switch {
	case l == nil:
		res.Err = err
		return res, nil
	case err != nil:
		return nil, err
	}
	res.TTL = l.ttl
	return res, nil
}

func (b *batch) revoke(c *LeaseRevoke, refused error) (err, final error) {
	switch {
	case refused != nil:
		return refused, nil
	case c.Term != 0 && c.Term != uint64(b.now.Term):
		return ErrStale, nil
	}
	if l := b.s.leases.all[c.ID]; l == nil || c.Grant != 0 && c.Grant != l.grant {
		return ErrLeaseNotFound, nil
	}
	keys, err := b.s.leases.remove(b.t, c.ID)
	for _, k := range keys {
		if err == nil {
			_, err = b.t.Delete([]byte(k))
		}
	}
	return nil, err
}

func (b *batch) checkpoint(c *LeaseCheckpoint) (any, error) {
	if c.Term != 0 && c.Term != uint64(b.now.Term) {
		return b.done(ErrStale, nil)
	}
	for _, r := range c.Leases {
		if err := b.s.leases.checkpoint(b.t, c, r); err != nil {
			return nil, err
		}
	}
	return b.done(nil, nil)
}

func (b *batch) setMember(c *SetMember) (any, error) {
	err := b.s.members.set(b.t, c)
	if err != nil && !errors.Is(err, ErrMemberNotFound) && !errors.Is(err, ErrPeerURLExists) {
		return nil, err
	}
	return &MembersResult{Rev: b.t.Rev(), Members: b.s.members.list(), Err: err}, nil
}

// ApplyChange applies a membership change, whose entry follows what is applied. From the state alone
// it decides whether to accept it: then it calls change, which makes it in the core and returns the
// membership, else skip; exactly one of them, once, unless the entry was applied before. If change
// answers raft.ErrBadConfChange, that is the result. cc.Context is a MemberChange, or empty. The
// result is a *MembersResult. Any other error is final.
func (m *Machine) ApplyChange(e raft.Entry, cc *raft.ConfChange, change func() (raft.ConfState, error), skip func() error) (any, error) {
	s, err := m.begin()
	if err != nil {
		return nil, err
	}
	defer m.writer.Unlock()
	at := s.applied()
	if e.Index <= at.Index {
		return nil, nil
	}
	if e.Index != at.Index+1 {
		return nil, fmt.Errorf("%w: index %d, want %d", ErrGap, e.Index, at.Index+1)
	}
	b := batch{m: m, s: s, now: &e}
	if err := b.open(); err != nil {
		return nil, m.fail(err)
	}
	defer b.rollback()
	at.Index, at.Term = e.Index, e.Term
	refused, err := b.change(cc, &at, change, skip)
	if err == nil {
		t := b.t
		b.t = nil
		err = m.commit(s, t, at, true, false)
	}
	if err != nil {
		return nil, m.fail(fmt.Errorf("apply: membership change at %d: %w", e.Index, err))
	}
	return &MembersResult{Rev: s.store.Rev(), Members: s.members.list(), Err: refused}, nil
}

// change decides about cc and does it. at gets the membership.
func (b *batch) change(cc *raft.ConfChange, at *raft.Snapshot, change func() (raft.ConfState, error), skip func() error) (refused, final error) {
	c := &MemberChange{}
	if len(cc.Context) > 0 {
		d := &b.m.dec
		ok := false
		command := d.command(cc.Context)
		if refused = d.end(); refused == nil {
			if c, ok = command.(*MemberChange); !ok {
				refused = fmt.Errorf("%w: the context of a membership change is another command", ErrMalformed)
			}
		}
	}
	if refused == nil {
		refused = b.s.members.check(cc, c)
	}
	if refused != nil {
		return refused, skip()
	}
	conf, err := change()
	switch {
	case errors.Is(err, raft.ErrBadConfChange):
		at.Conf = conf
		return err, nil
	case err != nil:
		return nil, err
	}
	at.Conf = conf
	return nil, b.s.members.change(b.t, cc, c)
}
