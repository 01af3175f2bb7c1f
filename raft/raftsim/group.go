package raftsim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/sim"
)

// group is one group of members in a world of its own.
type group struct {
	w             *sim.World
	plan          plan
	net           *sim.Network
	members       []*member // members[i] has id i+1
	oracle        oracle
	rng           *rand.Rand // of the nemesis
	clientRng     *rand.Rand
	rotRng        *rand.Rand
	faultsOn      bool
	lost          bool   // a disk was lost
	writes, reads uint64 // that clients asked for
	addrs         []uint64
	// script, if not nil, stands for the nemesis; recorded, if not nil, gets what that does.
	script    *Script
	recorded  *[]action
	actions   int
	disturbed int // messages that may have ended a leadership; see disturbs
	// Everybody is down until asleepTo, and was in all for slept.
	asleepTo, slept time.Duration
	history         *history
	arena           []byte
}

// failure is what an oracle has seen.
type failure string

func (g *group) fail(format string, args ...any) {
	panic(failure(fmt.Sprintf("at %v: ", g.w.Now()) + fmt.Sprintf(format, args...)))
}

// newGroup makes the group of a plan; the world's seed decides the rest.
func newGroup(w *sim.World, p plan) *group {
	g := &group{w: w, plan: p, rng: w.Rand("nemesis"), clientRng: w.Rand("clients"), rotRng: w.Rand("rot"), faultsOn: true}
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
			s := raft.FoundingSnapshot(founders)
			m.found(s, raft.HardState{})
			g.oracle.commit(s.Index, s.Term, s.Term, m)
			g.oracle.joined[id] = true
		}
		if g.plan.has(Drift) {
			bound := 100_000
			if g.plan.cfg.ReadMode != raft.ReadLease {
				bound = 500_000
			}
			m.host.SetDrift(int64(m.rng.IntN(2*bound) - bound))
		}
	}
	return g
}

// start begins everything that goes on by itself.
func (g *group) start() {
	for _, m := range g.members {
		m.start()
	}
	g.clients()
	g.snapshots()
	if g.script == nil {
		g.nemesis()
		if at := g.plan.weekAt; at > 0 {
			g.w.After(at, func() { g.act("dark", week.Microseconds()) })
		}
		return
	}
	for _, a := range g.script.actions {
		g.w.After(a.at, func() { g.do(a) })
	}
}

// pick returns a random member, in every other case one that believes it leads if there is any.
func (g *group) pick() *member { return g.choose(g.rng) }

func (g *group) choose(rng *rand.Rand) *member {
	from := rng.IntN(len(g.members))
	if rng.IntN(2) == 0 {
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
	m := g.choose(g.clientRng)
	if !m.running() {
		return nil
	}
	m.catchUp()
	return m
}

// around returns a random duration, on average d.
func (g *group) around(d time.Duration) time.Duration { return around(g.rng, d) }

func around(rng *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(rng.Int64N(2*int64(d)) + 1)
}

// clients write and read at random members until faults end.
func (g *group) clients() {
	if !g.faultsOn || g.later(g.clients) {
		return
	}
	g.w.After(around(g.clientRng, g.plan.think), g.clients)
	if n := g.w.Pending(); n > 100_000 {
		g.fail("%d events are pending: members send without bound", n)
	}
	m := g.some()
	if m == nil {
		return
	}
	for range 1 + g.clientRng.IntN(3) {
		if g.clientRng.IntN(4) == 0 {
			g.read(m)
		} else {
			_ = g.write(m) // refused: the client goes elsewhere
		}
	}
	m.event()
}

// doubters read at everybody who believes to lead, because somebody else has just committed something:
// the moment in which an answer that should not be given is stale. One who stands still reads as soon as
// it goes on.
func (g *group) doubters(by *member) {
	if !g.faultsOn {
		return
	}
	for _, m := range g.members {
		if m != by && m.node != nil && m.before.Soft.Role == raft.Leader && m.before.Hard.Term < by.before.Hard.Term {
			g.w.Sometimes("read at a leader that was replaced")
			m.host.Later(0, func() {
				m.catchUp()
				g.read(m)
				m.event()
			})
		}
	}
}

func (g *group) request(m *member, id uint64, write bool, register uint64) {
	q := request{since: g.oracle.seen, committed: raft.Index(len(g.oracle.committed)), register: register, op: g.history.call(write, register, id), tick: m.watch.ticks}
	if m.before.Soft.Role == raft.Leader {
		q.term = m.before.Hard.Term
	}
	m.waiting[id] = q
}

func (g *group) read(m *member) {
	g.reads++
	id := readIDs + g.reads
	g.request(m, id, false, g.clientRng.Uint64N(registers))
	if m.node.ReadIndex(id) != nil {
		g.history.refused(m.waiting[id].op)
		delete(m.waiting, id)
	}
}

// readIDs is where the ids of reads begin; those of writes are below maxWrites.
const readIDs = 1 << 32

// write proposes a write at m, unless there were too many.
func (g *group) write(m *member) error {
	if g.faultsOn && g.writes >= maxWrites-10 {
		return nil
	}
	g.writes++
	id := g.writes
	g.request(m, id, true, id%registers)
	err := m.node.Propose(append(binary.LittleEndian.AppendUint64(nil, id), make([]byte, g.clientRng.IntN(80))...))
	if err != nil {
		g.history.refused(m.waiting[id].op)
		delete(m.waiting, id)
	}
	return err
}

// snapshots lets members compact their logs.
func (g *group) snapshots() {
	if g.later(g.snapshots) {
		return
	}
	g.w.After(around(g.clientRng, g.plan.snapshots), g.snapshots)
	if !g.plan.has(Compaction) {
		return
	}
	if m := g.some(); m != nil {
		m.snapshot(m.rng.IntN(g.plan.keep))
		m.event()
	}
}

func voter(c *raft.ConfState, id raft.NodeID) bool {
	for _, electorate := range [][]raft.NodeID{c.Voters, c.VotersOutgoing} {
		for _, v := range electorate {
			if v == id {
				return true
			}
		}
	}
	return false
}
