package raftsim

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/sim"
)

// member is one node of the group and the shell around it: it does what Ready says, at its own pace, on
// a disk and a network of the world.
type member struct {
	g    *group
	id   raft.NodeID
	host *sim.Host
	disk *sim.Disk
	rng  *rand.Rand
	gone bool // its disk is lost: it never comes back

	// What survives a crash, besides the disk: the state machine as last made durable.
	kept machine
	// durable is what the log holds for sure; pending are the records behind it.
	durable shadow
	pending []record
	// lastChange is the newest membership change that was put into the log; 0 if that is not known.
	lastChange raft.Index

	// The process.
	log      *wal.Log
	node     *raft.RawNode
	state    machine
	ticked   time.Duration // the clock at the last Tick
	writes   []pendingWrite
	writing  int // how many of writes are under way
	landed   int // how many of those are in the log, and not acknowledged
	applying []raft.Entry
	applies  bool // an application is scheduled
	waiting  map[uint64]request
	reads    []raft.ReadState
	before   raft.Status // after the last event
	slowTo   time.Duration
}

type pendingWrite struct {
	rd    raft.Ready
	after []raft.Message
}

// request is what a client waits for: since is the highest revision anybody had seen when it asked,
// and committed the highest index that any member knew to be committed.
type request struct {
	since     uint64
	committed raft.Index
}

func (m *member) running() bool { return m.node != nil && m.host.Up() && !m.host.Paused() }

// start begins the process: what the disk has is all it knows.
func (m *member) start() {
	g := m.g
	m.host.Start()
	if g.faultsOn && g.plan.has(CrashPoints) && m.rng.IntN(6) == 0 {
		m.disk.CutAfter(m.rng.IntN(12))
	}
	log, err := wal.Open(walDir{m.disk.Dir("wal")}, wal.Options{ID: uint64(m.id), SegmentBytes: g.plan.segment, CacheBytes: 1 << 12})
	if err != nil {
		if !errors.Is(err, sim.ErrPower) && !errors.Is(err, sim.ErrIO) {
			g.fail("opening the log of %d: %v", m.id, err)
		}
		g.w.Sometimes("power or disk fails during recovery")
		m.crash(true)
		return
	}
	m.disk.CutAfter(-1)
	found, err := m.durable.recovered(log, m.pending)
	if err != nil {
		g.fail("member %d: %v", m.id, err)
	}
	m.durable, m.pending, m.lastChange = found, nil, 0
	m.log, m.state = log, m.kept
	if s, err := log.Snapshot(); err == nil && s.Index > m.state.applied {
		m.state.install(s)
		m.kept = m.state
		g.w.Sometimes("state machine behind the log's snapshot")
	}
	cfg := g.plan.cfg
	cfg.ID, cfg.Group, cfg.Storage, cfg.Rand = m.id, g.w.Seed(), log, rand.New(rand.NewPCG(m.rng.Uint64(), uint64(m.id)))
	cfg.Applied = m.state.applied
	if cfg.Applied > 0 {
		conf := m.state.conf.Clone()
		cfg.Conf = &conf
	}
	if m.node, err = raft.NewRawNode(&cfg); err != nil {
		g.fail("starting %d: %v", m.id, err)
	}
	m.waiting, m.ticked = map[uint64]request{}, m.clock()
	m.before = m.node.Status()
	g.w.Note("start", uint64(m.id), uint64(m.durable.last()))
	g.oracle.started(m)
	m.scheduleTick()
}

// crash ends the process, in the middle of whatever it writes, and starts it again after a while.
// power: the disk loses what was not synced.
func (m *member) crash(power bool) {
	g := m.g
	if m.node != nil {
		g.w.Sometimes("crash of a " + m.before.Soft.Role.String())
		if m.before.Soft.Role == raft.Leader && m.joint() {
			g.w.Sometimes("leader crash in a joint configuration")
		}
	}
	if m.node != nil && len(m.writes) > m.landed && m.rng.IntN(2) == 0 {
		m.disk.CutAfter(m.rng.IntN(7))
		for i := m.landed; i < len(m.writes); i++ {
			rd := &m.writes[i].rd
			g.oracle.writing(m, rd)
			m.pending = append(m.pending, records(rd.Snapshot, rd.Entries, rd.HardState)...)
			if err := m.log.Write(rd.Snapshot, rd.Entries, rd.HardState, true); err != nil {
				break
			}
		}
		g.w.Sometimes("crash in the middle of a write")
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
	if !m.gone {
		pause := time.Duration(m.rng.IntN(500)) * time.Millisecond
		switch m.rng.IntN(5) {
		case 0:
			pause *= 6
		case 1, 2:
			pause /= 10 // sooner than others notice
		}
		g.w.After(pause, func() {
			if m.node == nil && !m.gone && !m.host.Up() {
				m.start()
			}
		})
	}
}

func (m *member) joint() bool {
	c := m.node.Conf()
	return c.Joint()
}

// point is a place where a process may end. True: it did, and the caller returns.
func (m *member) point(where string) bool {
	g := m.g
	if !g.faultsOn || !g.plan.has(CrashPoints) || m.rng.IntN(400) > 0 {
		return false
	}
	g.w.Sometimes("crash point: " + where)
	m.crash(g.plan.has(PowerCuts) && m.rng.IntN(2) == 0)
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

func (m *member) scheduleTick() {
	m.host.After(m.g.plan.tick, func() {
		m.catchUp()
		m.event()
		if m.node != nil {
			m.scheduleTick()
		}
	})
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
		m.g.oracle.check(m)
	}
}

func (m *member) must(err error) {
	if err != nil {
		m.g.fail("member %d: %v", m.id, err)
	}
}

// deliver takes in a message.
func (m *member) deliver(_ uint64, b []byte) {
	if m.node == nil {
		return
	}
	var msg raft.Message
	m.must(msg.Decode(b))
	m.g.w.Note("deliver", uint64(m.id), uint64(msg.From), uint64(msg.Type), uint64(msg.Term), uint64(msg.Index))
	m.catchUp()
	if msg.Type == raft.MsgSnap && m.g.faultsOn && m.g.plan.has(Loss) && m.rng.IntN(4) == 0 {
		m.must(m.node.RefuseSnapshot(msg))
		m.g.w.Sometimes("snapshot refused")
	} else if err := m.node.Step(msg); errors.Is(err, raft.ErrStopped) || errors.Is(err, raft.ErrLogLost) || errors.Is(err, raft.ErrMalformed) {
		m.g.fail("member %d: %v for %s", m.id, err, msg)
	}
	m.event()
}

// event ends everything that happens at a member: the oracles look, and what is ready is taken.
func (m *member) event() {
	if m.node == nil {
		return
	}
	m.g.oracle.check(m)
	for m.node.HasReady() && len(m.writes) < 64 {
		if !m.take() {
			return
		}
	}
}

// take takes one Ready; false: the process ended.
func (m *member) take() bool {
	rd := m.node.Ready()
	if rd.Number == 0 {
		m.g.fail("member %d stopped: %v", m.id, m.node.Err())
	}
	if m.point("before sending") {
		return false
	}
	m.send(rd.Messages)
	if rd.Snapshot != nil && (len(m.applying) > 0 || m.state.applied != m.node.Status().Applied) {
		m.g.fail("member %d is given a snapshot while entries wait to be applied", m.id)
	}
	for _, r := range rd.Reads {
		m.g.oracle.readIndexed(m, r)
		m.reads = append(m.reads, r)
	}
	m.serve()
	m.applying = append(m.applying, rd.Committed...)
	w := pendingWrite{rd: rd, after: append([]raft.Message(nil), rd.AfterPersist...)}
	w.rd.Messages, w.rd.AfterPersist, w.rd.Committed, w.rd.Reads = nil, nil, nil, nil
	m.writes = append(m.writes, w)
	m.scheduleWrite()
	m.scheduleApply()
	m.g.oracle.check(m)
	return true
}

func (m *member) send(messages []raft.Message) {
	g := m.g
	for i := range messages {
		msg := &messages[i]
		g.oracle.sent(m, msg)
		g.w.Note("send", uint64(m.id), uint64(msg.To), uint64(msg.Type), uint64(msg.Term), uint64(msg.Index))
		g.net.Send(uint64(m.id), uint64(msg.To), msg.Append(nil))
		if msg.Type == raft.MsgSnap {
			g.w.Sometimes("snapshot sent")
			m.host.Later(50*time.Millisecond, func() {
				if m.rng.IntN(4) == 0 {
					m.node.ReportSnapshot(msg.To, m.rng.IntN(2) == 0)
				}
			})
		}
	}
}

// scheduleWrite begins to write everything that waits, as one group.
func (m *member) scheduleWrite() {
	if m.writing > 0 || len(m.writes) == 0 {
		return
	}
	m.writing = len(m.writes)
	d := time.Duration(m.rng.Int64N(int64(m.g.plan.disk)))
	if m.g.w.Now() < m.slowTo {
		d = m.slowTo - m.g.w.Now()
	}
	m.host.Later(d, m.write)
}

// write does what scheduleWrite began: it takes effect at its end, and a crash before leaves a part of it.
func (m *member) write() {
	if m.point("before writing") {
		return
	}
	sync := false
	for i := range m.writes[:m.writing] {
		sync = sync || m.writes[i].rd.MustSync
	}
	for i := range m.writes[:m.writing] {
		rd := &m.writes[i].rd
		m.g.oracle.writing(m, rd)
		m.pending = append(m.pending, records(rd.Snapshot, rd.Entries, rd.HardState)...)
		err := m.log.Write(rd.Snapshot, rd.Entries, rd.HardState, sync && i == m.writing-1)
		if m.broken(err) {
			return
		}
	}
	if sync {
		for _, r := range m.pending {
			m.durable.put(r, nil)
		}
		m.pending = m.pending[:0]
	}
	m.landed = m.writing
	m.g.w.Note("written", uint64(m.id), uint64(m.durable.last()))
	if m.point("after writing") {
		return
	}
	m.host.Later(time.Duration(m.rng.Int64N(int64(time.Millisecond))), m.written)
}

// written acknowledges what write did, in either order.
func (m *member) written() {
	m.catchUp()
	done := m.writes[:m.writing]
	for i := range done {
		if s := done[i].rd.Snapshot; s != nil {
			if m.point("before installing a snapshot") {
				return
			}
			m.state.install(s)
			m.kept = m.state
			m.g.w.Sometimes("snapshot installed")
			m.g.oracle.installed(m)
		}
	}
	number := done[len(done)-1].rd.Number
	m.writes = append([]pendingWrite(nil), m.writes[m.writing:]...)
	m.writing, m.landed = 0, 0
	late := m.rng.IntN(2) == 0
	if !late {
		m.must(m.node.Persisted(number))
		m.g.oracle.check(m)
		if m.point("before acknowledging to others") {
			return
		}
	}
	for i := range done {
		m.send(done[i].after)
	}
	if late {
		if m.point("before acknowledging to itself") {
			return
		}
		m.must(m.node.Persisted(number))
	}
	m.event()
	if m.node != nil {
		m.scheduleWrite()
	}
}

func (m *member) scheduleApply() {
	if !m.applies && len(m.applying) > 0 {
		m.applies = true
		m.host.Later(time.Duration(m.rng.Int64N(int64(3*time.Millisecond))), m.apply)
	}
}

// apply lets the state machine go on by some entries.
func (m *member) apply() {
	m.applies = false
	if m.point("before applying") {
		return
	}
	m.catchUp()
	n := 1 + m.rng.IntN(min(len(m.applying), 16))
	for _, e := range m.applying[:n] {
		m.applyEntry(e)
	}
	m.applying = m.applying[n:]
	if m.rng.IntN(3) == 0 {
		m.kept = m.state
		m.kept.conf = m.state.conf.Clone()
	}
	m.must(m.node.Applied(m.state.applied))
	m.serve()
	m.event()
	if m.node != nil {
		m.scheduleApply()
	}
}

func (m *member) applyEntry(e raft.Entry) {
	if e.Index != m.state.applied+1 {
		m.g.fail("member %d is given %d to apply after %d", m.id, e.Index, m.state.applied)
	}
	m.g.oracle.applying(m, &e)
	m.state.applied = e.Index
	switch {
	case e.Type == raft.EntryConfChange:
		conf, err := m.node.ApplyConfChange(e)
		if errors.Is(err, raft.ErrStopped) || errors.Is(err, raft.ErrMisuse) {
			m.g.fail("applying %d on %d: %v", e.Index, m.id, err)
		}
		m.state.conf = conf.Clone()
		if conf.Joint() {
			m.g.w.Sometimes("joint configuration")
		}
	case len(e.Data) > 0:
		m.state.write(e.Data)
		id := binary.LittleEndian.Uint64(e.Data)
		if r, ok := m.waiting[id]; ok {
			delete(m.waiting, id)
			m.g.oracle.wrote(m, e.Index, r)
		}
	}
	m.g.oracle.applied(m)
}

// serve answers the reads whose index is applied.
func (m *member) serve() {
	rest := m.reads[:0]
	for _, r := range m.reads {
		if r.Index > m.state.applied {
			rest = append(rest, r)
			continue
		}
		if q, ok := m.waiting[r.ID]; ok {
			delete(m.waiting, r.ID)
			m.g.oracle.readDone(m, q)
		}
	}
	m.reads = rest
}

// snapshot marks the durable state as a snapshot and cuts the log behind it.
func (m *member) snapshot() {
	at := m.kept.applied
	if stored, err := m.log.InitialState(); err != nil || at <= stored.SnapshotIndex {
		m.must(err)
		return
	}
	if m.broken(m.log.CreateSnapshot(at, m.kept.conf, m.kept.encode())) {
		return
	}
	m.pending = append(m.pending, record{mark: at})
	first, err := m.log.FirstIndex()
	m.must(err)
	if to := at - min(at, raft.Index(m.rng.IntN(12))); to >= first {
		if m.broken(m.log.Compact(to)) {
			return
		}
		m.pending = append(m.pending, record{compact: to})
	}
}

// broken ends the process if its log failed: a failed sync is final.
func (m *member) broken(err error) bool {
	if err == nil {
		return false
	}
	if !errors.Is(err, sim.ErrIO) {
		m.g.fail("writing the log of %d: %v", m.id, err)
	}
	m.g.w.Sometimes("failed sync")
	m.landed = len(m.writes) // nothing is written any more
	m.crash(m.rng.IntN(2) == 0)
	return true
}
