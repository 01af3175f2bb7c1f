package replicasim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica"
	"github.com/etalon-kv/etalon/sim"
)

// group is one group of members in a world of its own.
type group struct {
	w        *sim.World
	plan     plan
	sabotage Sabotage
	net      *sim.Network
	members  []*member // members[i] has id i+1
	addrs    []uint64
	founders []apply.Member
	model    *model
	rng      *rand.Rand // of clients and nemesis
	faultsOn bool
	sent     uint64          // messages
	arrived  map[uint64]bool // forwarded proposals, by number of the message
	since    map[*replica.Request]int64
	values   uint64
	watchers []*watcher
	writes   int // that were acknowledged
	reads    int
}

// failure is what an oracle has seen.
type failure string

func (g *group) fail(format string, args ...any) {
	panic(failure(fmt.Sprintf("at %v: ", g.w.Now()) + fmt.Sprintf(format, args...)))
}

func newGroup(seed uint64, o Options) *group {
	w := sim.New(seed)
	g := &group{w: w, plan: drawPlan(w.Rand("plan"), o.Off), sabotage: o.Sabotage, rng: w.Rand("nemesis"), faultsOn: true,
		arrived: map[uint64]bool{}, since: map[*replica.Request]int64{}}
	g.net = sim.NewNetwork(w, g.plan.link)
	g.model = newModel(g)
	for i := range g.plan.voters {
		g.founders = append(g.founders, apply.Member{ID: uint64(i + 1), PeerURLs: []string{fmt.Sprint("peer", i+1)}})
	}
	for i := range g.plan.voters + g.plan.spares {
		id := raft.NodeID(i + 1)
		m := &member{g: g, id: id, host: w.NewHost(), disk: sim.NewDisk(w.Rand(fmt.Sprint("disk ", id))), rng: w.Rand(fmt.Sprint("member ", id)), founder: i < g.plan.voters}
		m.disk.Tear = true
		g.members, g.addrs = append(g.members, m), append(g.addrs, uint64(id))
		g.net.Attach(uint64(id), m.host, m.deliver)
		if g.plan.has(Drift) {
			m.host.SetDrift(int64(m.rng.IntN(2*maxDrift) - maxDrift))
		}
		m.start()
	}
	for i := range 3 {
		g.watchers = append(g.watchers, &watcher{g: g, name: i, next: 2, rng: w.Rand(fmt.Sprint("watcher ", i))})
	}
	return g
}

// end closes what the members hold.
func (g *group) end() {
	for _, m := range g.members {
		if m.state != nil {
			_ = m.state.Close()
		}
	}
}

// pick returns a random member, in every other case one that believes it leads if there is any.
func (g *group) pick() *member {
	from := g.rng.IntN(len(g.members))
	if g.rng.IntN(2) == 0 {
		for i := range g.members {
			m := g.members[(from+i)%len(g.members)]
			if m.core != nil && m.core.Soft().Role == raft.Leader {
				return m
			}
		}
	}
	return g.members[from]
}

// some returns a member that runs, nil if the first choice does not.
func (g *group) some() *member {
	m := g.pick()
	if !m.running() {
		return nil
	}
	m.catchUp()
	return m
}

// around returns a random duration, on average d.
func (g *group) around(d time.Duration) time.Duration {
	return time.Duration(g.rng.Int64N(2*int64(d)) + 1)
}

// counts reports whether m belongs to the group, as whoever leads the newest term sees it.
func (g *group) counts(m *member) bool {
	var newest raft.Term
	in := true
	for _, l := range g.members {
		if l.core == nil {
			continue
		}
		if st := l.core.Status(); st.Role == raft.Leader && st.Term >= newest {
			newest, in = st.Term, st.Conf.Contains(m.id)
		}
	}
	return in
}

// converged reports whether somebody leads and every member of its membership has applied everything
// that was acknowledged, and mark.
func (g *group) converged(mark raft.Index) bool {
	for _, l := range g.members {
		if l.core == nil || l.core.Soft().Role != raft.Leader || mark == 0 {
			continue
		}
		conf, all := l.core.Status().Conf, true
		for _, m := range g.members {
			if conf.Contains(m.id) && (m.core == nil || m.state.Applied().Index < max(mark, g.model.acked)) {
				all = false
			}
		}
		for _, w := range g.watchers {
			all = all && w.next > g.model.rev
		}
		if all {
			return true
		}
	}
	return false
}

// spoil changes the value of a put, now and then.
func (g *group) spoil(entries []raft.Entry) []raft.Entry {
	if g.rng.IntN(50) > 0 {
		return entries
	}
	entries = append([]raft.Entry(nil), entries...)
	for i := range entries {
		if c, err := apply.Decode(entries[i].Data); err == nil {
			if p, ok := c.(*apply.Put); ok {
				p.Value = []byte("spoilt")
				entries[i].Data = p.Append(nil)
			}
		}
	}
	return entries
}
