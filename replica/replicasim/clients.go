package replicasim

import (
	"fmt"
	"time"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica"
)

// clients write and read at random members until faults end.
func (g *group) clients() {
	if !g.faultsOn {
		return
	}
	g.w.After(g.around(g.plan.think), g.clients)
	if n := g.w.Pending(); n > 100_000 {
		g.fail("%d events are pending: members send without bound", n)
	}
	m := g.some()
	if m == nil {
		return
	}
	for range 1 + g.rng.IntN(4) {
		if g.rng.IntN(4) == 0 {
			g.read(m)
		} else {
			g.write(m)
		}
	}
	m.event()
}

func (g *group) key() []byte { return fmt.Appendf(nil, "k%02d", g.rng.IntN(10)) }

func (g *group) value() []byte {
	g.values++
	return fmt.Appendf(nil, "v%d", g.values)
}

// propose asks for a command; done, if not nil, hears the result.
func (g *group) propose(m *member, c apply.Command, done func(any)) {
	q := &replica.Request{Command: c.Append(nil)}
	g.since[q] = g.model.seen
	m.requests[q] = func(q *replica.Request) {
		delete(g.since, q)
		if q.Err != nil {
			g.w.Sometimes("request fails: " + q.Err.Error())
			return
		}
		g.writes++
		if done != nil {
			done(q.Result)
		}
	}
	m.core.Propose(q)
}

func (g *group) write(m *member) {
	switch n := g.rng.IntN(20); {
	case n < 10:
		g.propose(m, &apply.Put{Key: g.key(), Value: g.value()}, nil)
	case n < 13:
		g.lease(m)
	case n < 15:
		lo := g.key()
		c := &apply.DeleteRange{Key: lo}
		if g.rng.IntN(2) == 0 {
			c.End = append(append([]byte(nil), lo[:2]...), lo[2]+2)
		}
		g.propose(m, c, nil)
	case n < 19:
		key := g.key()
		f, _ := g.model.get(string(key), g.model.seen)
		v := g.value()
		g.propose(m, &apply.Txn{Compares: []apply.Compare{{Key: key, Target: apply.CompareMod, Number: f.mod()}},
			Success: []apply.Op{{Put: &apply.Put{Key: key, Value: v}}, {Put: &apply.Put{Key: append([]byte("t"), key...), Value: v}}}}, nil)
	default:
		if g.plan.has(Compaction) && g.rng.IntN(3) == 0 {
			g.propose(m, &apply.Compact{Rev: g.model.seen - int64(g.rng.IntN(30))}, nil)
		}
	}
}

// lease grants a lease, puts keys under it, and renews it for a while; or revokes one.
func (g *group) lease(m *member) {
	g.values++
	id := apply.LeaseID(g.values)
	ttl := int64(1 + g.rng.IntN(3))
	g.propose(m, &apply.LeaseGrant{ID: id, TTL: ttl}, func(any) {
		g.propose(m, &apply.Put{Key: g.key(), Value: g.value(), Lease: id}, nil)
		switch g.rng.IntN(4) {
		case 0:
			g.w.After(g.around(time.Second), func() {
				if m := g.some(); m != nil {
					g.propose(m, &apply.LeaseRevoke{ID: id}, nil)
					m.event()
				}
			})
		case 1, 2:
			g.renew(id, time.Duration(ttl)*time.Second/3, 1+g.rng.IntN(10))
		}
	})
}

// renew keeps a lease alive, some times: at a member that leads, and tells the client only after that is
// certain.
func (g *group) renew(id apply.LeaseID, every time.Duration, times int) {
	if times == 0 || !g.faultsOn {
		return
	}
	g.w.After(every, func() {
		defer g.renew(id, every, times-1)
		m := g.some()
		if m == nil || m.core.Soft().Role != raft.Leader {
			return
		}
		asked := g.w.Now()
		_, first, err := m.lessor.Renew(id, m.now())
		if err != nil {
			return
		}
		told := func() {
			m.readIndex(func() {
				if l := g.model.leases[id]; l != nil {
					l.told = max(l.told, asked)
					g.w.Sometimes("lease renewed")
				}
			})
		}
		if first == nil {
			told()
		} else {
			g.propose(m, first, func(result any) {
				if r, ok := result.(*apply.Done); ok && r.Err == nil {
					told()
				}
			})
		}
		m.event()
	})
}

// now is the clock of leases: one that only drifts.
func (m *member) now() time.Time { return time.Unix(0, 0).Add(m.host.Mono()) }

// driveLessor does what a server does: it promotes the lessor when its state has an entry of the term, and
// proposes what that wants.
func (m *member) driveLessor() {
	st := m.core.Status()
	at := m.state.Applied()
	switch {
	case st.Role != raft.Leader || at.Term != st.Term:
		if m.lessor.Leading() != 0 {
			m.lessor.Demote()
		}
		return
	case m.lessor.Leading() != uint64(st.Term):
		m.lessor.Promote(uint64(st.Term), m.now())
	}
	now := m.now()
	if m.g.sabotage == EarlyLease {
		now = now.Add(500 * time.Millisecond)
	}
	for _, c := range m.lessor.Expired(now) {
		m.g.propose(m, &c, nil)
	}
	if c := m.lessor.Checkpoints(m.now()); c != nil {
		m.g.propose(m, c, nil)
	}
}

// readIndex calls done when a linearizable read may be made.
func (m *member) readIndex(done func()) {
	q := &replica.Request{}
	m.requests[q] = func(q *replica.Request) {
		if q.Err != nil {
			m.g.w.Sometimes("read fails: " + q.Err.Error())
			return
		}
		done()
	}
	m.core.ReadIndex(q)
}

func (g *group) read(m *member) {
	since := g.model.seen
	look := func() {
		var res apply.RangeResult
		m.must(m.state.Range(&apply.Range{Key: []byte{0}, End: []byte{0}}, &res))
		g.model.read(m, &res, since)
		g.reads++
	}
	if g.sabotage == StaleRead {
		look()
		return
	}
	m.readIndex(look)
}
