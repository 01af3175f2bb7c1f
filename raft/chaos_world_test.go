package raft

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
)

// world is a group of members on disks that lose what was not synced and a network that loses,
// repeats, delays and reorders. Everything follows from the seed. Every event ends with the oracles
// (chaos_oracle_test.go).
type world struct {
	seed  uint64
	rng   *rand.Rand
	peers []*peer // peers[i] has id i+1
	net   []Message
	old   []Message // kept to come back much later
	cut   map[[2]NodeID]bool
	cfg   Config
	caps  swarm
	oracle
	proposals, reads int
	weights          [evCount]int
	total            int    // of weights
	trace            uint64 // hash of everything that was done
}

// swarm is which faults a seed has.
type swarm struct {
	loss, duplicates, oldMessages, crashes, cuts, members, transfers, compaction, tornWrites, wildTicks, forget bool
}

// peer is one member and its machine.
type peer struct {
	id  NodeID
	rn  *RawNode // nil while the machine is down
	st  *MemoryStorage
	hot []diskWrite // under way, in order
	// synced is the hard state that survives any crash.
	synced HardState
	// The state machine: what it applied, and what of that it has made durable.
	queue                  []Entry
	applied, appliedSynced Index
	conf, confSynced       ConfState
}

type diskWrite struct {
	rd    Ready
	after []Message
}

func newWorld(seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 0xe7a1))
	coin := func() bool { return rng.IntN(2) == 0 }
	w := &world{seed: seed, rng: rng, cut: map[[2]NodeID]bool{}}
	w.caps = swarm{coin(), coin(), coin(), coin(), coin(), coin(), coin(), coin(), coin(), coin(), coin()}
	w.cfg = Config{Group: seed, ElectionTicks: 5 + rng.IntN(6), PreVote: coin(), CheckQuorum: coin(), NoForward: rng.IntN(4) == 0,
		MaxMessageBytes: uint64(1 + rng.IntN(200)), MaxInflightMessages: 1 + rng.IntN(4), MaxInflightBytes: uint64(1 + rng.IntN(500)),
		MaxCommittedBytes: uint64(1 + rng.IntN(300)), CacheBytes: uint64(1 + rng.IntN(300)), SnapshotTicks: 20}
	if w.cfg.CheckQuorum && coin() {
		w.cfg.ReadMode, w.caps.wildTicks = ReadLease, false // a lease needs clocks that keep step
	}
	w.drawWeights()
	w.oracle = newOracle(w)
	voters := 1 + rng.IntN(5)
	for id := range NodeID(voters) {
		w.addPeer(id+1, ConfState{Voters: ids(voters)})
	}
	if w.caps.members {
		for id := range NodeID(2) {
			w.addPeer(NodeID(voters)+id+1, ConfState{})
		}
	}
	return w
}

func (w *world) addPeer(id NodeID, conf ConfState) {
	p := &peer{id: id, st: NewMemoryStorage(conf)}
	w.peers = append(w.peers, p)
	stored, _ := p.st.InitialState()
	p.synced, p.applied, p.conf = stored.Hard, stored.SnapshotIndex, stored.Conf
	p.appliedSynced, p.confSynced = p.applied, p.conf
	w.start(p)
}

func (w *world) start(p *peer) {
	cfg := w.cfg
	cfg.ID, cfg.Storage, cfg.Rand = p.id, p.st, rand.New(rand.NewPCG(w.rng.Uint64(), uint64(p.id)))
	cfg.Applied = p.appliedSynced
	if cfg.Applied > 0 {
		cfg.Conf = &p.confSynced
	}
	p.applied, p.conf = p.appliedSynced, p.confSynced
	rn, err := NewRawNode(&cfg)
	if err != nil {
		w.fail("starting %d: %v", p.id, err)
	}
	p.rn = rn
	w.started(p)
}

// crash loses everything that was not synced; of the writes under way a beginning may be there.
func (w *world) crash(p *peer) {
	if w.caps.tornWrites {
		for _, d := range p.hot {
			if !w.tear(p, &d.rd) {
				break
			}
		}
	}
	stored, _ := p.st.InitialState()
	if w.rng.IntN(2) == 0 && stored.Hard.Term == p.synced.Term {
		p.st.SetHardState(p.synced)
	} else {
		p.synced = stored.Hard
	}
	p.rn, p.hot, p.queue = nil, nil, nil
}

// tear writes a random beginning of rd, and reports whether that was all of it.
func (w *world) tear(p *peer, rd *Ready) bool {
	if rd.Snapshot != nil {
		if w.rng.IntN(2) == 0 {
			return false
		}
		w.install(p, rd.Snapshot)
	}
	if n := w.rng.IntN(len(rd.Entries) + 1); n < len(rd.Entries) {
		w.must(p.st.Append(rd.Entries[:n]))
		return false
	}
	w.must(p.st.Append(rd.Entries))
	if w.rng.IntN(2) == 0 {
		return rd.HardState.Empty()
	}
	if !rd.HardState.Empty() {
		p.st.SetHardState(rd.HardState)
	}
	return true
}

func (w *world) install(p *peer, s *Snapshot) {
	w.must(p.st.ApplySnapshot(s))
	p.applied, p.appliedSynced, p.conf, p.confSynced = s.Index, s.Index, s.Conf, s.Conf
}

func (w *world) must(err error) {
	if err != nil {
		w.fail("%v", err)
	}
}

// take takes a Ready: messages go at once, the rest is queued.
func (w *world) take(p *peer) {
	if !p.rn.HasReady() {
		return
	}
	rd := p.rn.Ready()
	if rd.Number == 0 {
		w.fail("%d stopped: %v", p.id, p.rn.Err())
	}
	w.post(rd.Messages)
	for _, r := range rd.Reads {
		w.readAnswered(p, r)
	}
	if rd.Snapshot != nil && len(p.queue) > 0 {
		w.fail("%d is given a snapshot while entries wait to be applied", p.id)
	}
	p.queue = append(p.queue, rd.Committed...)
	after := rd.AfterPersist
	rd.Messages, rd.Reads, rd.AfterPersist, rd.Committed = nil, nil, nil, nil
	p.hot = append(p.hot, diskWrite{rd, slices.Clone(after)})
}

func (w *world) post(ms []Message) {
	for _, m := range ms {
		w.posted(&m)
		if w.caps.loss && w.rng.IntN(10) == 0 {
			if m.Type == MsgSnap && w.rng.IntN(2) == 0 {
				w.peers[m.From-1].rn.ReportSnapshot(m.To, false)
			}
			continue
		}
		w.net = append(w.net, m)
	}
}

// written finishes the first n writes under way.
func (w *world) written(p *peer, n int) {
	n = min(n, len(p.hot))
	if n == 0 {
		return
	}
	for _, d := range p.hot[:n] {
		if d.rd.Snapshot != nil {
			w.install(p, d.rd.Snapshot)
		}
		w.must(p.st.Append(d.rd.Entries))
		if !d.rd.HardState.Empty() {
			p.st.SetHardState(d.rd.HardState)
		}
		if d.rd.MustSync {
			stored, _ := p.st.InitialState()
			p.synced = stored.Hard
		}
	}
	number := p.hot[n-1].rd.Number
	done := p.hot[:n]
	p.hot = slices.Clone(p.hot[n:])
	if w.rng.IntN(2) == 0 { // in either order
		w.must(p.rn.Persisted(number))
	} else {
		defer func() { w.must(p.rn.Persisted(number)); w.check(p) }()
	}
	for _, d := range done {
		w.post(d.after)
	}
}

// apply lets the state machine go n entries further.
func (w *world) apply(p *peer, n int) {
	n = min(n, len(p.queue))
	if n == 0 {
		return
	}
	for _, e := range p.queue[:n] {
		if e.Index != p.applied+1 {
			w.fail("%d is given %d to apply after %d", p.id, e.Index, p.applied)
		}
		w.applying(p, e)
		if e.Type == EntryConfChange {
			conf, err := p.rn.ApplyConfChange(e)
			if errors.Is(err, ErrStopped) || errors.Is(err, ErrMisuse) {
				w.fail("applying %d on %d: %v", e.Index, p.id, err)
			}
			p.conf = conf
		}
		p.applied = e.Index
	}
	p.queue = p.queue[n:]
	w.must(p.rn.Applied(p.applied))
	if w.rng.IntN(3) == 0 {
		p.appliedSynced, p.confSynced = p.applied, p.conf
	}
}

// compact makes a snapshot of what the state machine has durably, and cuts the log behind it.
func (w *world) compact(p *peer) {
	stored, _ := p.st.InitialState()
	if p.appliedSynced <= stored.SnapshotIndex {
		return
	}
	_, err := p.st.CreateSnapshot(p.appliedSynced, p.confSynced, nil)
	w.must(err)
	w.must(p.st.Compact(p.appliedSynced - Index(w.rng.IntN(3))))
}

// deliver hands one message over, through the codec.
func (w *world) deliver(m Message) {
	if int(m.To) > len(w.peers) || w.cut[[2]NodeID{m.From, m.To}] {
		return
	}
	p := w.peers[m.To-1]
	if p.rn == nil {
		return
	}
	var got Message
	if err := got.Decode(m.Append(nil)); err != nil {
		w.fail("codec: %v of %s", err, m)
	}
	if m.Type == MsgSnap && w.caps.loss && w.rng.IntN(4) == 0 {
		w.must(p.rn.RefuseSnapshot(got))
		return
	}
	switch err := p.rn.Step(got); {
	case errors.Is(err, ErrStopped), errors.Is(err, ErrLogLost), errors.Is(err, ErrMalformed):
		w.fail("%d: %v for %s", p.id, err, m)
	}
	w.check(p)
}

func (w *world) fail(format string, args ...any) {
	panic(chaosFailure(fmt.Sprintf("seed %d: ", w.seed) + fmt.Sprintf(format, args...)))
}

type chaosFailure string
