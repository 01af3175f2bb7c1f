package apply

import (
	"slices"
	"sync"

	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/mvcc/index"
)

// Lease is what the state knows of a lease. Times are in seconds.
type Lease struct {
	ID  LeaseID
	TTL int64
	// Remaining is what a new leader gives it: what the last checkpoint said, or all of TTL.
	Remaining int64
	// CheckTerm and CheckSeq are those of the last checkpoint, 0 if there was none.
	CheckTerm, CheckSeq uint64
	// Grant is the index of the entry that granted it: what tells it from a lease with the same ID
	// that was revoked before.
	Grant uint64
}

// lease is an entry of the table.
type lease struct {
	id                  LeaseID
	ttl, remaining      int64 // remaining 0: all of ttl
	checkTerm, checkSeq uint64
	grant               uint64
	keys                []string // in no order
}

func (l *lease) public() Lease {
	p := Lease{ID: l.id, TTL: l.ttl, Remaining: l.remaining, CheckTerm: l.checkTerm, CheckSeq: l.checkSeq, Grant: l.grant}
	if p.Remaining == 0 {
		p.Remaining = p.TTL
	}
	return p
}

// attachment is the place of a key in the list of its lease.
type attachment struct {
	l  *lease
	at int
}

// leased is a record with a lease, found by Open.
type leased struct {
	rev index.Revision
	id  LeaseID
}

// leases is the table of leases and of the keys that have one. The writer alone changes it, with mu
// held; it reads without.
type leases struct {
	mu       sync.RWMutex
	all      map[LeaseID]*lease
	attached map[string]attachment
	changes  leaseLog
}

func (ls *leases) init() {
	ls.all, ls.attached = map[LeaseID]*lease{}, map[string]attachment{}
}

func (ls *leases) has(id LeaseID) bool { return ls.all[id] != nil }

// load adds what store has put into the meta data.
func (ls *leases) load(id LeaseID, d *reader) {
	ls.all[id] = &lease{id: id, ttl: d.int(), remaining: d.int(), checkTerm: d.uint(), checkSeq: d.uint(), grant: d.uint()}
}

// attach gives key the lease id, 0 for none, which must exist.
func (ls *leases) attach(key []byte, id LeaseID) {
	if id == 0 && len(ls.attached) == 0 {
		return
	}
	old, had := ls.attached[string(key)]
	if had && old.l.id == id || !had && id == 0 {
		return
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if had {
		last := len(old.l.keys) - 1
		if moved := old.l.keys[last]; old.at != last {
			old.l.keys[old.at] = moved
			ls.attached[moved] = old
		}
		old.l.keys[last] = ""
		old.l.keys = old.l.keys[:last]
	}
	if id == 0 {
		delete(ls.attached, string(key))
		return
	}
	l, k := ls.all[id], string(key)
	l.keys = append(l.keys, k)
	ls.attached[k] = attachment{l, len(l.keys) - 1}
}

// of is the lease of key, 0 for none.
func (ls *leases) of(key []byte) LeaseID {
	if a, ok := ls.attached[string(key)]; ok {
		return a.l.id
	}
	return 0
}

// store puts l into the meta data.
func (l *lease) store(t *mvcc.Txn) error {
	var room [50]byte
	value := appendInt(appendInt(room[:0], l.ttl), l.remaining)
	value = appendUint(appendUint(appendUint(value, l.checkTerm), l.checkSeq), l.grant)
	return t.SetMeta(metaKey(metaLease, uint64(l.id)), value)
}

// grant makes a lease in the entry at index at.
func (ls *leases) grant(t *mvcc.Txn, g *LeaseGrant, at uint64) (*lease, error) {
	switch {
	case g.ID == 0:
		return nil, ErrLeaseNotFound
	case g.TTL > MaxLeaseTTL:
		return nil, ErrTTLTooLarge
	case ls.has(g.ID):
		return nil, ErrLeaseExists
	}
	l := &lease{id: g.ID, ttl: max(g.TTL, 1), grant: at}
	ls.mu.Lock()
	ls.changes.add(l.id)
	ls.all[l.id] = l
	ls.mu.Unlock()
	return l, l.store(t)
}

// remove takes the lease out of the table, without its keys, and returns these in order.
func (ls *leases) remove(t *mvcc.Txn, id LeaseID) ([]string, error) {
	l := ls.all[id]
	ls.mu.Lock()
	keys := l.keys
	l.keys = nil
	for _, k := range keys {
		delete(ls.attached, k)
	}
	delete(ls.all, id)
	ls.changes.add(id)
	ls.mu.Unlock()
	slices.Sort(keys)
	return keys, t.DeleteMeta(metaKey(metaLease, uint64(id)))
}

// checkpoint sets what is left of a lease, if it is there and no later checkpoint was before.
func (ls *leases) checkpoint(t *mvcc.Txn, c *LeaseCheckpoint, r LeaseRemaining) error {
	l := ls.all[r.ID]
	if l == nil || r.Grant != 0 && r.Grant != l.grant || c.Term != 0 && (c.Term < l.checkTerm || c.Term == l.checkTerm && c.Seq <= l.checkSeq) {
		return nil
	}
	ls.mu.Lock()
	l.remaining, l.checkTerm, l.checkSeq = max(r.Remaining, 0), c.Term, c.Seq
	if l.remaining >= l.ttl {
		l.remaining = 0
	}
	ls.changes.add(r.ID)
	ls.mu.Unlock()
	return l.store(t)
}

// Lease returns a lease; false if it does not exist.
func (m *Machine) Lease(id LeaseID) (Lease, bool) {
	s := m.current.Load()
	if s == nil {
		return Lease{}, false
	}
	s.leases.mu.RLock()
	defer s.leases.mu.RUnlock()
	l := s.leases.all[id]
	if l == nil {
		return Lease{}, false
	}
	return l.public(), true
}

// Leases returns all leases in order of ID.
func (m *Machine) Leases() []Lease {
	s := m.current.Load()
	if s == nil {
		return nil
	}
	s.leases.mu.RLock()
	list := make([]Lease, 0, len(s.leases.all))
	for _, l := range s.leases.all {
		list = append(list, l.public())
	}
	s.leases.mu.RUnlock()
	slices.SortFunc(list, func(a, b Lease) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return list
}

// LeaseKeys returns the keys of a lease in order.
func (m *Machine) LeaseKeys(id LeaseID) [][]byte {
	s := m.current.Load()
	if s == nil {
		return nil
	}
	s.leases.mu.RLock()
	var names []string
	if l := s.leases.all[id]; l != nil {
		names = slices.Clone(l.keys)
	}
	s.leases.mu.RUnlock()
	slices.Sort(names)
	keys := make([][]byte, len(names))
	for i, k := range names {
		keys[i] = []byte(k)
	}
	return keys
}

// leaseLog remembers which leases changed lately, so that a Lessor need not look at all.
type leaseLog struct {
	n    uint64 // changes ever
	last [leaseLogSize]LeaseID
}

const leaseLogSize = 1024

func (g *leaseLog) add(id LeaseID) {
	g.last[g.n%uint64(len(g.last))] = id
	g.n++
}

// LeaseChanges returns the leases that were granted, revoked or checkpointed after the first since
// changes, and how many changes there were. all: they are more than are remembered, or the state was
// replaced, so any lease may have changed.
func (m *Machine) LeaseChanges(since uint64) (ids []LeaseID, now uint64, all bool) {
	s := m.current.Load()
	if s == nil {
		return nil, since, false
	}
	s.leases.mu.RLock()
	defer s.leases.mu.RUnlock()
	g := &s.leases.changes
	now = g.n
	if since > now || now-since > uint64(len(g.last)) {
		return nil, now, true
	}
	for i := since; i < now; i++ {
		ids = append(ids, g.last[i%uint64(len(g.last))])
	}
	return ids, now, false
}
