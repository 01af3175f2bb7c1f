package replicasim

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/mvcc/index/tbtree"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/raft/walsim"
	"github.com/etalon-kv/etalon/replica"
	"github.com/etalon-kv/etalon/sim"
)

// member is one member and the shell around it: a replica.Member, a log on a simulated disk, a state
// machine, and what replica.Replica would do, at its own pace.
type member struct {
	g    *group
	id   raft.NodeID
	host *sim.Host
	disk *sim.Disk
	rng  *rand.Rand
	gone bool // it was removed, and has stopped for good

	// What survives a crash, besides the disk: an image of the state as last made durable, nil if none ever
	// was, and that it is of a snapshot that was being installed.
	kept       []byte
	keptAt     raft.Snapshot
	installing bool
	founder    bool
	lives      uint64

	// The process.
	log      *wal.Log
	core     *replica.Member
	state    *apply.Machine
	lessor   *apply.Lessor
	ticked   time.Duration
	writes   []job
	writing  int
	batches  []*replica.Batch
	applies  bool
	requests map[*replica.Request]func(*replica.Request)
	slowTo   time.Duration
	born     time.Duration
	last     []byte // command, for ApplyTwice
}

// job is something for the log.
type job struct {
	write *replica.Write
	after []raft.Message
	cut   *replica.Cut
}

func (m *member) running() bool { return m.core != nil && m.host.Up() && !m.host.Paused() }

// start begins the process: what the disk and the kept image have is all it knows.
func (m *member) start() {
	g := m.g
	m.host.Start()
	m.lives++
	if g.faultsOn && g.plan.has(CrashPoints) && m.rng.IntN(6) == 0 {
		m.disk.CutAfter(m.rng.IntN(12))
	}
	log, err := wal.Open(walsim.Dir(m.disk.Dir("wal")), wal.Options{ID: uint64(m.id), SegmentBytes: g.plan.segment, CacheBytes: 1 << 12})
	if err == nil {
		m.log = log
		m.openState()
		err = m.recoverLog()
	}
	if err != nil {
		if !errors.Is(err, sim.ErrPower) && !errors.Is(err, sim.ErrIO) {
			g.fail("starting %d: %v", m.id, err)
		}
		g.w.Sometimes("power or disk fails during recovery")
		m.crash(true)
		return
	}
	m.disk.CutAfter(-1)
	cfg := g.plan.raft
	cfg.ID, cfg.Group, cfg.Storage, cfg.Rand = m.id, g.w.Seed(), log, rand.New(rand.NewPCG(m.rng.Uint64(), uint64(m.id)))
	m.core, err = replica.NewMember(replica.MemberConfig{Raft: cfg, State: m.state.Applied(), FirstRequest: m.lives << 40,
		SnapshotEntries: g.plan.cut, KeepEntries: g.plan.keep, RequestTicks: uint64(20 * cfg.ElectionTicks)})
	if err != nil {
		g.fail("starting %d: %v", m.id, err)
	}
	m.installing = false
	m.lessor, err = apply.NewLessor(apply.LessorConfig{Table: m.state, Checkpoint: g.plan.checkpoint, Retry: time.Second})
	m.must(err)
	m.requests, m.ticked, m.born = map[*replica.Request]func(*replica.Request){}, m.clock(), g.w.Now()
	g.w.Note("start", uint64(m.id), uint64(m.core.Status().Last))
	g.model.reached(m)
	m.scheduleTick()
}

// openState makes the state machine that the kept image is of.
func (m *member) openState() {
	state, err := apply.Open(context.Background(), apply.Config{Open: func(string) (engine.Backend, error) { return mem.Open(mem.Options{}) }, Index: tbtree.New})
	m.must(err)
	switch {
	case m.kept != nil:
		m.must(state.Restore(context.Background(), bytes.NewReader(m.kept)))
	case m.founder:
		m.must(state.Found(m.g.founders))
	}
	m.state = state
}

// recoverLog does what replica.Open does to a log before a start.
func (m *member) recoverLog() error {
	at := m.state.Applied()
	last, err := m.log.LastIndex()
	if err != nil {
		return err
	}
	if last == 0 && at.Index == 1 && m.founder {
		return m.log.Write(raft.FoundingSnapshot(at.Conf), nil, raft.HardState{}, true)
	}
	if m.installing {
		m.g.w.Sometimes("a crash in the middle of an installation")
		return replica.FinishInstall(m.log, at)
	}
	return nil
}

// keep makes the state durable as it is now.
func (m *member) keep() {
	image, err := m.state.Save()
	m.must(err)
	var b bytes.Buffer
	_, err = image.WriteTo(&b)
	m.must(err)
	m.kept, m.keptAt = b.Bytes(), image.At()
	m.must(image.Close())
}

// crash ends the process, in the middle of whatever it writes, and starts it again after a while.
// power: the disk loses what was not synced.
func (m *member) crash(power bool) {
	g := m.g
	if m.core != nil {
		g.w.Sometimes("crash of a " + m.core.Soft().Role.String())
		if m.rng.IntN(2) == 0 {
			m.halfWrite()
		}
	}
	g.w.Note("crash", uint64(m.id))
	if power {
		m.disk.Crash()
	} else {
		m.disk.Restart()
	}
	m.stop()
	pause := time.Duration(m.rng.IntN(500)) * time.Millisecond
	switch m.rng.IntN(5) {
	case 0:
		pause *= 6
	case 1, 2:
		pause /= 10 // sooner than others notice
	}
	g.w.After(pause, func() {
		if m.core == nil && !m.gone && !m.host.Up() {
			m.start()
		}
	})
}

// halfWrite lets a part of what waits for the log reach it.
func (m *member) halfWrite() {
	m.disk.CutAfter(m.rng.IntN(7))
	for _, j := range m.writes {
		if j.write == nil || j.write.Snapshot != nil || m.log.Write(nil, j.write.Entries, j.write.Hard, true) != nil {
			return
		}
	}
}

// stop ends the process.
func (m *member) stop() {
	m.host.Crash()
	if m.state != nil {
		_ = m.state.Close() // it holds memory and nothing else
	}
	m.core, m.log, m.state = nil, nil, nil
	m.writes, m.writing, m.batches, m.applies, m.requests = nil, 0, nil, false, nil
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

// clock is what ticks are taken from. Leases of leaders rest on a clock that only drifts; everything else
// must bear one that jumps.
func (m *member) clock() time.Duration {
	if m.g.plan.raft.ReadMode == raft.ReadLease {
		return m.host.Mono()
	}
	return m.host.Wall()
}

func (m *member) scheduleTick() {
	m.host.After(m.g.plan.tick, func() {
		m.catchUp()
		m.driveLessor()
		m.event()
		if m.core != nil {
			m.scheduleTick()
		}
	})
}

// catchUp ticks for the time that has passed: before anything else, because a lease may be over.
func (m *member) catchUp() {
	now, tick := m.clock(), m.g.plan.tick
	if now < m.ticked || now > m.ticked+1000*tick && m.g.plan.raft.ReadMode != raft.ReadLease {
		m.ticked = now - tick // the clock was set
	}
	for m.ticked+tick <= now {
		m.ticked += tick
		m.must(m.core.Tick())
	}
	m.core.Sweep()
	m.must(m.core.Applied(0, m.keptAt.Index))
}

func (m *member) must(err error) {
	if err != nil {
		m.g.fail("member %d: %v", m.id, err)
	}
}

// deliver takes in a message, after the number that every one has. A forwarded proposal must not arrive twice, nor
// at a process that began after it was sent, as over a connection.
func (m *member) deliver(_ uint64, b []byte) {
	if m.core == nil {
		return
	}
	number, sent := binary.LittleEndian.Uint64(b), time.Duration(binary.LittleEndian.Uint64(b[8:]))
	var msg raft.Message
	m.must(msg.Decode(b[16:]))
	if msg.Type == raft.MsgProp {
		if m.g.arrived[number] || sent < m.born {
			return
		}
		m.g.arrived[number] = true
	}
	m.g.w.Note("deliver", uint64(m.id), uint64(msg.From), uint64(msg.Type), uint64(msg.Term), uint64(msg.Index))
	m.catchUp()
	if msg.Type == raft.MsgSnap && m.g.faultsOn && m.g.plan.has(Loss) && m.rng.IntN(4) == 0 {
		m.must(m.core.RefuseSnapshot(msg))
		m.g.w.Sometimes("snapshot refused")
	} else if err := m.core.Step(msg); errors.Is(err, raft.ErrStopped) || errors.Is(err, raft.ErrLogLost) || errors.Is(err, raft.ErrMalformed) {
		m.g.fail("member %d: %v for %s", m.id, err, msg)
	}
	m.event()
}

// event ends everything that happens at a member: what is to be done is taken.
func (m *member) event() {
	for m.core != nil && len(m.writes) < 64 {
		w, ok := m.core.Work()
		if !ok {
			break
		}
		if m.point("before sending") {
			return
		}
		m.send(w.Messages)
		if w.Write != nil {
			m.writes = append(m.writes, job{write: w.Write, after: append([]raft.Message(nil), w.Write.After...)})
			if m.g.sabotage == AckBeforeSync {
				m.send(w.Write.After)
			}
		}
		if w.Cut != nil {
			m.writes = append(m.writes, job{cut: w.Cut})
			m.g.w.Sometimes("log cut")
		}
		if w.Batch != nil {
			m.batches = append(m.batches, w.Batch)
		}
		for _, q := range w.Answered {
			m.answer(q)
		}
	}
	if m.core == nil {
		return
	}
	m.must(m.core.Err())
	if m.core.Removed() {
		m.g.w.Sometimes("removed member stops")
		m.gone = true
		m.stop()
		return
	}
	m.scheduleWrite()
	m.scheduleApply()
}

// answer tells a client.
func (m *member) answer(q *replica.Request) {
	if f := m.requests[q]; f != nil {
		delete(m.requests, q)
		f(q)
	}
}

func (m *member) send(messages []raft.Message) {
	g := m.g
	for i := range messages {
		msg := messages[i]
		if msg.Type == raft.MsgSnap {
			m.imageFor(&msg)
		}
		g.sent++
		b := binary.LittleEndian.AppendUint64(nil, g.sent)
		b = binary.LittleEndian.AppendUint64(b, uint64(g.w.Now()))
		g.w.Note("send", uint64(m.id), uint64(msg.To), uint64(msg.Type), uint64(msg.Term), uint64(msg.Index))
		g.net.Send(uint64(m.id), uint64(msg.To), msg.Append(b))
	}
}

// imageFor puts an image of the state as it is now into a snapshot.
func (m *member) imageFor(msg *raft.Message) {
	image, err := m.state.Save()
	m.must(err)
	var b bytes.Buffer
	_, err = image.WriteTo(&b)
	m.must(err)
	at := image.At()
	at.Data = b.Bytes()
	msg.Snapshot = &at
	m.must(image.Close())
	m.g.w.Sometimes("snapshot sent")
	to, ok := msg.To, m.rng.IntN(2) == 0
	if m.rng.IntN(4) == 0 {
		m.host.Later(50*time.Millisecond, func() {
			m.core.SnapshotSent(to, ok)
			m.event()
		})
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

// write does what scheduleWrite began.
func (m *member) write() {
	if m.point("before writing") {
		return
	}
	sync := false
	for _, j := range m.writes[:m.writing] {
		var err error
		switch w := j.write; {
		case w == nil:
			if err = m.log.CreateSnapshot(j.cut.At, j.cut.Conf, nil); err == nil && j.cut.Through > 0 {
				err = m.log.Compact(j.cut.Through)
			}
		case w.Snapshot != nil:
			if m.install(w.Snapshot) {
				return
			}
			snap := *w.Snapshot
			snap.Data = nil
			err = m.log.Write(&snap, w.Entries, w.Hard, true)
		default:
			err = m.log.Write(nil, w.Entries, w.Hard, false)
			sync = sync || w.Sync
		}
		if m.broken(err) {
			return
		}
	}
	if sync && m.g.sabotage != AckBeforeSync {
		if m.broken(m.log.Sync()) {
			return
		}
	}
	m.g.w.Note("written", uint64(m.id))
	if m.point("after writing") {
		return
	}
	m.host.Later(time.Duration(m.rng.Int64N(int64(time.Millisecond))), m.written)
}

// install replaces the state by an image, durably. True: the process ended.
func (m *member) install(s *raft.Snapshot) bool {
	if m.point("before installing a snapshot") {
		return true
	}
	m.must(m.state.Restore(context.Background(), bytes.NewReader(s.Data)))
	if at := m.state.Applied(); at.Index != s.Index || at.Term != s.Term || !at.Conf.Equal(&s.Conf) {
		m.g.fail("the image for %d/%d %s on %d is at %d/%d %s", s.Term, s.Index, s.Conf, m.id, at.Term, at.Index, at.Conf)
	}
	m.kept, m.keptAt, m.installing = s.Data, m.state.Applied(), true
	m.g.w.Sometimes("snapshot installed")
	m.g.model.reached(m)
	return m.point("between state machine and log of a snapshot")
}

// written acknowledges what write did.
func (m *member) written() {
	m.catchUp()
	done := m.writes[:m.writing]
	m.writes = append([]job(nil), m.writes[m.writing:]...)
	m.writing = 0
	var last *replica.Write
	for _, j := range done {
		if j.write == nil {
			continue
		}
		if last != nil {
			j.write.Merge(last)
		}
		last = j.write
		m.send(j.after)
	}
	if m.point("before acknowledging to itself") {
		return
	}
	if last != nil {
		m.must(m.core.Persisted(last))
		m.installing = false
	}
	m.event()
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
	m.writes = nil // nothing is written any more
	m.crash(m.rng.IntN(2) == 0)
	return true
}

func (m *member) scheduleApply() {
	if !m.applies && len(m.batches) > 0 {
		m.applies = true
		m.host.Later(time.Duration(m.rng.Int64N(int64(3*time.Millisecond))), m.apply)
	}
}

// apply lets the state machine go on by a batch.
func (m *member) apply() {
	m.applies = false
	if m.point("before applying") {
		return
	}
	m.catchUp()
	b := m.batches[0]
	m.batches = m.batches[1:]
	for lo := 0; lo < len(b.Entries); {
		hi := lo
		for hi < len(b.Entries) && b.Entries[hi].Type == raft.EntryNormal {
			m.g.model.apply(m.id, &b.Entries[hi])
			hi++
		}
		if hi > lo {
			m.applyEntries(b, lo, hi)
			lo = hi
			continue
		}
		m.applyChange(b, lo)
		lo++
	}
	m.g.model.reached(m)
	if m.point("after applying") {
		return
	}
	if m.rng.IntN(8) == 0 {
		m.keep()
	}
	m.must(m.core.Applied(b.Entries[len(b.Entries)-1].Index, m.keptAt.Index))
	for i, q := range b.Requests {
		if q != nil {
			q.Result = b.Results[i]
			if f := m.requests[q]; f != nil && b.Entries[i].Type == raft.EntryNormal {
				m.g.model.answered(m, b.Entries[i].Index, q.Result, m.g.since[q])
			}
			m.answer(q)
		}
	}
	m.core.Recycle(b)
	m.event()
}

func (m *member) applyEntries(b *replica.Batch, lo, hi int) {
	var results []any
	if b.Results != nil {
		results = b.Results[lo:hi]
	}
	entries := b.Entries[lo:hi]
	if m.g.sabotage == Diverge && m.id == 1 {
		entries = m.g.spoil(entries)
	}
	if m.g.sabotage == ApplyTwice {
		entries = m.again(entries)
	}
	m.must(m.state.Apply(entries, results))
}

// again puts the command before it where an entry has none.
func (m *member) again(entries []raft.Entry) []raft.Entry {
	entries = append([]raft.Entry(nil), entries...)
	for i := range entries {
		if len(entries[i].Data) > 0 {
			m.last = entries[i].Data
		} else {
			entries[i].Data = m.last
		}
	}
	return entries
}

func (m *member) applyChange(b *replica.Batch, i int) {
	e := b.Entries[i]
	m.g.model.apply(m.id, &e)
	m.must(m.core.Applied(e.Index-1, m.keptAt.Index))
	cc, _, _, _ := replica.OpenChange(e)
	result, err := m.state.ApplyChange(e, &cc, func() (raft.ConfState, error) { return m.core.ApplyChange(e) }, func() error { return m.core.SkipChange(e) })
	m.must(err)
	if b.Results != nil {
		b.Results[i] = result
	}
	m.g.w.Sometimes("membership change applied")
}
