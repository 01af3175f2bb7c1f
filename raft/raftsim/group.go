package raftsim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/sim"
)

// group is one group of members in a world of its own.
type group struct {
	w        *sim.World
	plan     plan
	net      *sim.Network
	members  []*member // members[i] has id i+1
	oracle   oracle
	rng      *rand.Rand // of clients and nemesis
	faultsOn bool
	lost     bool // a disk was lost
	requests uint64
	addrs    []uint64
}

// failure is what an oracle has seen.
type failure string

func (g *group) fail(format string, args ...any) {
	panic(failure(fmt.Sprintf("at %v: ", g.w.Now()) + fmt.Sprintf(format, args...)))
}

func newGroup(seed uint64, off Faults) *group {
	w := sim.New(seed)
	g := &group{w: w, plan: drawPlan(w.Rand("plan"), off), rng: w.Rand("nemesis"), faultsOn: true}
	g.net = sim.NewNetwork(w, g.plan.link)
	g.oracle = newOracle(g)
	var founders raft.ConfState
	for id := range raft.NodeID(g.plan.voters) {
		founders.Voters = append(founders.Voters, id+1)
	}
	for i := range g.plan.voters + g.plan.spares {
		id := raft.NodeID(i + 1)
		m := &member{g: g, id: id, host: w.NewHost(), disk: sim.NewDisk(w.Rand(fmt.Sprint("disk ", id))), rng: w.Rand(fmt.Sprint("member ", id))}
		m.disk.Tear = g.plan.has(TornWrites)
		g.members, g.addrs = append(g.members, m), append(g.addrs, uint64(id))
		g.net.Attach(uint64(id), m.host, m.deliver)
		if i < g.plan.voters {
			g.found(m, founders)
		}
		if g.plan.has(Drift) {
			bound := 100_000
			if g.plan.cfg.ReadMode != raft.ReadLease {
				bound = 500_000
			}
			m.host.SetDrift(int64(m.rng.IntN(2*bound) - bound))
		}
		m.start()
	}
	return g
}

// found puts the membership that a group begins with on a member's disk, before its first start.
func (g *group) found(m *member, conf raft.ConfState) {
	log, err := wal.Open(walDir{m.disk.Dir("wal")}, wal.Options{ID: uint64(m.id), SegmentBytes: g.plan.segment})
	if err != nil {
		g.fail("founding %d: %v", m.id, err)
	}
	s := raft.FoundingSnapshot(conf)
	if err := log.Write(s, nil, raft.HardState{}, true); err != nil {
		g.fail("founding %d: %v", m.id, err)
	}
	if err := log.Close(); err != nil {
		g.fail("founding %d: %v", m.id, err)
	}
	m.durable.put(record{snap: s}, nil)
	m.kept.install(s)
}

// pick returns a random member, in every other case one that believes it leads if there is any.
func (g *group) pick() *member {
	from := g.rng.IntN(len(g.members))
	if g.rng.IntN(2) == 0 {
		for i := range g.members {
			m := g.members[(from+i)%len(g.members)]
			if m.node != nil && m.before.Soft.Role == raft.Leader {
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
	for range 1 + g.rng.IntN(3) {
		if g.rng.IntN(4) == 0 {
			g.read(m)
		} else {
			g.write(m)
		}
	}
	m.event()
	if m.node != nil && m.before.Soft.Role == raft.Leader {
		g.oracle.windows(m)
	}
}

func (g *group) request(m *member) uint64 {
	g.requests++
	m.waiting[g.requests] = request{since: g.oracle.seen, committed: raft.Index(len(g.oracle.committed))}
	return g.requests
}

func (g *group) read(m *member) {
	if id := g.request(m); m.node.ReadIndex(id) != nil {
		delete(m.waiting, id)
	}
}

func (g *group) write(m *member) {
	id := g.request(m)
	if m.node.Propose(append(binary.LittleEndian.AppendUint64(nil, id), make([]byte, g.rng.IntN(80))...)) != nil {
		delete(m.waiting, id)
	}
}

// snapshots lets members compact their logs.
func (g *group) snapshots() {
	g.w.After(g.around(200*time.Millisecond), g.snapshots)
	if m := g.some(); m != nil && g.plan.has(Compaction) {
		m.snapshot()
		m.event()
	}
}

// converged reports whether somebody leads and every member of its membership, without those that
// are gone, has applied everything that was acknowledged and mark.
func (g *group) converged(mark raft.Index) bool {
	for _, l := range g.members {
		if l.node == nil || l.before.Soft.Role != raft.Leader || mark == 0 || l.state.applied < mark {
			continue
		}
		conf := l.node.Conf()
		all := true
		for _, m := range g.members {
			if conf.Contains(m.id) && (m.gone || m.node == nil || m.state.applied < max(mark, g.oracle.acked)) {
				all = false
			}
		}
		if all {
			return true
		}
	}
	return false
}

// mayBeStuck: with a lost disk a membership can be left whose majority will never be there again.
func (g *group) mayBeStuck() bool {
	if !g.lost {
		return false
	}
	for _, m := range g.members {
		if m.node == nil {
			continue
		}
		conf := m.node.Conf()
		for _, electorate := range [][]raft.NodeID{conf.Voters, conf.VotersOutgoing} {
			alive := 0
			for _, id := range electorate {
				if !g.members[id-1].gone {
					alive++
				}
			}
			if len(electorate) > 0 && alive <= len(electorate)/2 {
				return true
			}
		}
	}
	return false
}
