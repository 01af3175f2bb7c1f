package raftsim

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/raft/walsim"
	"github.com/etalon-kv/etalon/sim"
)

// member is one node of the group and the shell around it: it does what Ready says, at its own pace, on
// a disk and a network of the world. shell.go has its life between Readies.
type member struct {
	g    *group
	id   raft.NodeID
	host *sim.Host
	disk *sim.Disk
	rng  *rand.Rand
	gone bool // its disk is lost: it never comes back
	// wiped: it forgot its log once, as one may that was removed; sessions are the highest that messages to
	// it had until then.
	wiped    bool
	sessions map[raft.Term]uint64

	// What survives a crash, besides the disk: the state machine as last made durable.
	kept machine
	// durable is what the log holds for sure; pending are the records behind it.
	durable shadow
	pending []record
	// image is a copy of the disk, which then held imaged and some beginning of imagedPending.
	image         *sim.Disk
	imaged        shadow
	imagedPending []record
	// lastChange is the newest membership change that was put into the log.
	lastChange raft.Index

	// The process.
	log      *wal.Log
	node     *raft.RawNode
	state    machine
	ticked   time.Duration // the clock at the last Tick
	view     shadow        // the log as the node sees it, up to its last Ready
	writes   []pendingWrite
	writing  int // how many of writes are under way
	landed   int // how many of those are in the log, and not acknowledged
	applying []raft.Entry
	applies  bool // an application is scheduled
	held     bool // a Ready was not taken, because too many writes wait
	waiting  map[uint64]request
	reads    []raft.ReadState
	before   raft.Status // after the last event
	watch    watch
	// Until then the disk is slow, and the state machine stands still.
	slowTo, dawdlesTo time.Duration
}

type pendingWrite struct {
	rd    raft.Ready
	after []raft.Message
}

// request is what a client waits for: since is the highest revision anybody had seen when it asked,
// and committed the highest index that any member knew to be committed. op is its place in the history; it was
// asked for in the member's tick, in the term that the member led, 0 if it did not.
type request struct {
	since     uint64
	committed raft.Index
	register  uint64
	op        int
	tick      uint64
	term      raft.Term
}

func (m *member) running() bool { return m.node != nil && m.host.Up() && !m.host.Paused() }

// options are those of the log.
func (m *member) options() wal.Options {
	return wal.Options{ID: uint64(m.id), SegmentBytes: m.g.plan.segment, CacheBytes: m.g.plan.cache}
}

// found makes the log that a member begins with: the membership of a new group, or the state that it is given and
// the vote that it must not forget.
func (m *member) found(snap *raft.Snapshot, hard raft.HardState) {
	must := func(err error) {
		if err != nil {
			m.g.fail("founding %d: %v", m.id, err)
		}
	}
	log, err := wal.Open(walsim.Dir(m.disk.Dir("wal")), m.options())
	must(err)
	must(log.Write(snap, nil, hard, true))
	must(log.Close())
	m.durable, m.pending, m.kept = shadow{hard: hard}, nil, machine{}
	m.durable.put(record{snap: snap}, nil)
	m.kept.install(snap)
}

// start begins the process: what the disk has is all it knows.
func (m *member) start() {
	g := m.g
	m.host.Start()
	if g.faultsOn && g.plan.has(CrashPoints) && m.rng.IntN(6) == 0 {
		m.disk.CutAfter(m.rng.IntN(12))
	}
	log, err := wal.Open(walsim.Dir(m.disk.Dir("wal")), m.options())
	if err != nil {
		if !errors.Is(err, sim.ErrPower) && !errors.Is(err, sim.ErrIO) {
			g.fail("opening the log of %d: %v", m.id, err)
		}
		g.w.Sometimes("power or disk fails during recovery")
		m.crash(true, 0)
		return
	}
	m.disk.CutAfter(-1)
	found, err := m.durable.recovered(log, m.pending)
	if err != nil {
		g.fail("member %d: %v", m.id, err)
	}
	m.rot(&found)
	m.durable, m.pending, m.view = found, nil, found.clone()
	m.lastChange = g.oracle.lastChange(&m.view, 0, m.view.last())
	m.log, m.state = log, m.kept
	if s, err := log.Snapshot(); err == nil && s.Index > m.state.applied {
		m.state.install(s)
		m.kept = m.state
		g.w.Sometimes("state machine behind the log's snapshot")
	}
	m.boot()
	m.waiting, m.ticked = map[uint64]request{}, m.clock()
	m.before, m.watch, m.held = m.node.Status(), watch{}, false
	g.w.Note("start", uint64(m.id), uint64(m.durable.last()))
	g.oracle.started(m)
	m.scheduleTick()
}

// boot makes the node.
func (m *member) boot() {
	cfg := m.g.plan.cfg
	cfg.ID, cfg.Group, cfg.Storage, cfg.Rand = m.id, m.g.w.Seed(), m.log, rand.New(rand.NewPCG(m.rng.Uint64(), uint64(m.id)))
	cfg.Applied = m.state.applied
	if cfg.Applied > 0 {
		conf := m.state.conf.Clone()
		cfg.Conf = &conf
	}
	var err error
	if m.node, err = raft.NewRawNode(&cfg); err != nil {
		m.g.fail("starting %d: %v", m.id, err)
	}
}

// crash ends the process, in the middle of whatever it writes, and starts it again after a while, but not
// before least has passed. power: the disk loses what was not synced.
func (m *member) crash(power bool, least time.Duration) {
	g := m.g
	if m.node != nil {
		g.w.Sometimes("crash of a " + m.before.Soft.Role.String())
		g.oracle.crashes(m)
	}
	if m.node != nil && len(m.writes) > m.landed && m.rng.IntN(2) == 0 {
		m.breakOff(len(m.writes))
	}
	g.w.Note("crash", uint64(m.id))
	if power {
		m.disk.Crash()
	} else {
		m.disk.Restart()
	}
	m.host.Crash()
	m.node, m.log = nil, nil
	m.writes, m.writing, m.landed, m.applying, m.applies, m.waiting, m.reads = nil, 0, 0, nil, false, nil, nil
	if m.gone {
		return
	}
	pause := time.Duration(m.rng.IntN(500)) * time.Millisecond
	switch m.rng.IntN(5) {
	case 0:
		pause *= 6
	case 1, 2:
		pause /= 10 // sooner than others notice
	}
	g.w.After(least+pause, m.restart)
}

// breakOff lets a beginning of the first n writes reach the disk.
func (m *member) breakOff(n int) {
	m.disk.CutAfter(m.rng.IntN(7))
	for i := m.landed; i < n; i++ {
		rd := &m.writes[i].rd
		if i == n-1 && rd.Snapshot == nil && m.rng.IntN(2) == 0 { // not to its end
			rd.Entries, rd.HardState = rd.Entries[:m.rng.IntN(len(rd.Entries)+1)], raft.HardState{}
		}
		m.g.oracle.writing(m, rd)
		m.pending = appendRecords(m.pending, rd)
		if err := m.log.Write(rd.Snapshot, rd.Entries, rd.HardState, true); err != nil {
			break
		}
	}
	m.landed = len(m.writes) // nothing is written any more
	m.g.w.Sometimes("crash in the middle of a write")
}

func (m *member) restart() {
	if m.node == nil && !m.gone && !m.host.Up() && !m.g.later(m.restart) {
		m.start()
	}
}

// wipe lets a member that was removed forget all but its term and vote, which it has promised, and begin with
// the state of another.
func (m *member) wipe(from *member) {
	hard := raft.HardState{Term: m.durable.hard.Term, Vote: m.durable.hard.Vote}
	if m.node != nil {
		m.crash(true, 0)
	}
	m.disk.Restore(sim.NewDisk(nil))
	m.image, m.wiped, m.sessions = nil, true, map[raft.Term]uint64{}
	for k, s := range m.g.oracle.sessions {
		if k.who == m.id {
			m.sessions[k.term] = s
		}
	}
	k := &from.kept
	t, _, _ := from.view.term(k.applied)
	m.found(&raft.Snapshot{Index: k.applied, Term: t, Conf: k.conf.Clone(), Data: k.encode()}, hard)
	m.g.w.Sometimes("log forgotten")
}

// takeImage copies the disk.
func (m *member) takeImage() {
	m.image, m.imaged, m.imagedPending = m.disk.Image(), m.durable.clone(), slices.Clone(m.pending)
}

// reviveImage opens the old copy and lets a node on it hear a leader that has seen it go further.
func (m *member) reviveImage() {
	m.disk.Restore(m.image)
	log, err := wal.Open(walsim.Dir(m.disk.Dir("wal")), m.options())
	if err != nil {
		m.g.fail("opening an old copy of the log of %d: %v", m.id, err)
	}
	found, err := m.imaged.recovered(log, m.imagedPending)
	if err != nil {
		m.g.fail("an old copy of the log of %d: %v", m.id, err)
	}
	m.log, m.state = log, machine{}
	if s, err := log.Snapshot(); err == nil {
		m.state.install(s)
	}
	m.boot()
	for _, l := range m.g.members {
		if !l.running() {
			continue
		}
		for _, p := range l.node.Members() {
			beat := raft.Message{Type: raft.MsgHeartbeat, From: l.id, To: m.id, Group: m.g.w.Seed(), Term: l.before.Hard.Term, Session: p.Session,
				Commit: min(p.Match, l.before.Hard.Commit)}
			if p.ID == m.id && beat.Commit > found.last() && beat.Term >= found.hard.Term {
				m.g.w.Sometimes("an old disk is told what it has lost")
				if err := m.node.Step(beat); !errors.Is(err, raft.ErrLogLost) {
					m.g.fail("%d on an old disk says %v to %s", m.id, err, beat)
				}
			}
		}
	}
	m.node, m.log = nil, nil
}

// point is a place where a process may end. True: it did, and the caller returns.
func (m *member) point(where string) bool {
	g := m.g
	if !g.faultsOn || !g.plan.has(CrashPoints) || m.rng.IntN(400) > 0 {
		return false
	}
	g.w.Sometimes("crash point: " + where)
	m.crash(g.plan.has(PowerCuts) && m.rng.IntN(2) == 0, 0)
	return true
}

// clock is what ticks are taken from. Leases rest on a clock that only drifts; everything else must
// bear one that jumps.
func (m *member) clock() time.Duration {
	if m.g.plan.cfg.ReadMode == raft.ReadLease {
		return m.host.Mono()
	}
	return m.host.Wall()
}

func (m *member) scheduleTick() { m.host.After(m.g.plan.tick, m.tick) }

func (m *member) tick() {
	m.catchUp()
	m.event()
	if m.node != nil {
		m.scheduleTick()
	}
}

// catchUp ticks for the time that has passed: before anything else, because a lease may be over.
func (m *member) catchUp() {
	now, tick := m.clock(), m.g.plan.tick
	if now < m.ticked || now > m.ticked+1000*tick && m.g.plan.cfg.ReadMode != raft.ReadLease {
		m.ticked = now - tick // the clock was set
	}
	for m.ticked+tick <= now {
		m.ticked += tick
		m.must(m.node.Tick())
		m.watch.ticks++
		m.g.oracle.check(m)
		m.g.oracle.ticked(m)
	}
}

func (m *member) must(err error) {
	if err != nil {
		m.g.fail("member %d: %v", m.id, err)
	}
}
