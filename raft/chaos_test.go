package raft

import (
	"fmt"
	"os"
	"strconv"
	"testing"
)

// TestSafetyUnderRandomFaults runs groups under random faults, a different mix for every seed. It
// prints the seed of a failure; ETALON_SEED=s runs that one only, ETALON_SEEDS=n runs n of them, from s if both are given.
func TestSafetyUnderRandomFaults(t *testing.T) {
	first, n := uint64(1), 1000
	if testing.Short() {
		n = 200
	}
	if s := os.Getenv("ETALON_SEED"); s != "" {
		first, _ = strconv.ParseUint(s, 10, 64)
		n = 1
	}
	if s := os.Getenv("ETALON_SEEDS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	var committed, reads, terms int
	for seed := first; seed < first+uint64(n); seed++ {
		w, failure := runChaos(seed, 2500)
		if failure != "" {
			t.Fatal(failure)
		}
		committed, reads, terms = committed+int(w.known), reads+w.answered, terms+len(w.leaders)
	}
	t.Logf("%d seeds: %d entries committed, %d terms led, %d reads answered", n, committed, terms, reads)
	if n >= 200 && (committed < 20*n || reads < 2*n || terms < n) {
		t.Errorf("too little happens for the oracles to see anything")
	}
}

func TestTheSameSeedGivesTheSameRun(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		a, fa := runChaos(seed, 1500)
		b, fb := runChaos(seed, 1500)
		if a.trace != b.trace || fa != fb {
			t.Errorf("seed %d: traces %x and %x, %s %s", seed, a.trace, b.trace, fa, fb)
		}
	}
}

func runChaos(seed uint64, events int) (w *world, failure string) {
	defer func() {
		if f, ok := recover().(chaosFailure); ok {
			failure = string(f)
		}
	}()
	w = newWorld(seed)
	for range events {
		w.event()
	}
	w.heal()
	return w, ""
}

// What can happen, and how often in comparison.
const (
	evTick = iota
	evDeliver
	evTake
	evWrite
	evApply
	evPropose
	evRead
	evCompact
	evMembers
	evTransfer
	evForget
	evCampaign
	evCrash
	evCut
	evOld
	evCount
)

var usualWeights = [evCount]int{evTick: 60, evDeliver: 400, evTake: 140, evWrite: 120, evApply: 80, evPropose: 100,
	evRead: 30, evCompact: 15, evMembers: 12, evTransfer: 5, evForget: 5, evCampaign: 2, evCrash: 8, evCut: 6, evOld: 7}

// drawWeights makes disks, networks, clocks and clients faster or slower, differently for every seed.
func (w *world) drawWeights() {
	for i, k := range usualWeights {
		w.weights[i] = max(1, k<<w.rng.IntN(3)>>w.rng.IntN(4))
		w.total += w.weights[i]
	}
}

// event makes one random thing happen.
func (w *world) event() {
	p := w.peers[w.rng.IntN(len(w.peers))]
	ev, k := 0, w.rng.IntN(w.total)
	for k >= w.weights[ev] {
		k -= w.weights[ev]
		ev++
	}
	if p.rn != nil {
		w.callEvent(ev, p)
	}
	switch {
	case ev == evTick:
		w.tick(p)
	case ev == evDeliver:
		w.deliverSome()
	case ev == evCrash && w.caps.crashes && p.rn == nil:
		w.start(p)
	case ev == evCrash && w.caps.crashes && w.rng.IntN(2) == 0:
		w.crash(p)
	case ev == evCut && w.caps.cuts:
		a, b := w.peers[w.rng.IntN(len(w.peers))].id, p.id
		w.cut[[2]NodeID{a, b}] = w.rng.IntN(2) == 0
		if w.rng.IntN(5) == 0 {
			clear(w.cut)
		}
	case ev == evOld && w.caps.oldMessages && len(w.old) > 0:
		w.deliver(w.old[w.rng.IntN(len(w.old))])
	}
	w.check(p)
}

// callEvent is an event at a member that runs.
func (w *world) callEvent(ev int, p *peer) {
	someone := NodeID(1 + w.rng.IntN(len(w.peers)))
	switch {
	case ev == evTake:
		w.take(p)
	case ev == evWrite:
		w.written(p, 1+w.rng.IntN(3))
	case ev == evApply:
		w.apply(p, 1+w.rng.IntN(5))
	case ev == evPropose:
		w.proposals++
		_ = p.rn.Propose(fmt.Appendf(nil, "%d %0*d", w.proposals, w.rng.IntN(40), 0))
	case ev == evRead:
		w.reads++
		w.readAsked(uint64(w.reads))
		_ = p.rn.ReadIndex(uint64(w.reads))
	case ev == evCompact && w.caps.compaction:
		w.compact(p)
	case ev == evMembers && w.caps.members:
		w.changeMembers(p)
	case ev == evTransfer && w.caps.transfers:
		_ = p.rn.TransferLeader(someone)
	case ev == evForget && w.caps.forget:
		_ = p.rn.ForgetLeader()
		p.rn.ReportUnreachable(someone)
	case ev == evCampaign:
		_ = p.rn.Campaign()
	}
}

// tick lets time pass: for one member if clocks run wild, for all in step otherwise.
func (w *world) tick(p *peer) {
	for _, q := range w.peers {
		if q.rn != nil && (!w.caps.wildTicks || q == p) {
			w.must(q.rn.Tick())
			w.check(q)
		}
	}
}

func (w *world) deliverSome() {
	if len(w.net) == 0 {
		return
	}
	i := w.rng.IntN(len(w.net))
	m := w.net[i]
	if w.caps.oldMessages && w.rng.IntN(20) == 0 && len(w.old) < 500 {
		w.old = append(w.old, m)
	}
	if !w.caps.duplicates || w.rng.IntN(8) > 0 {
		w.net[i] = w.net[len(w.net)-1]
		w.net = w.net[:len(w.net)-1]
	}
	w.deliver(m)
}

func (w *world) changeMembers(p *peer) {
	cc := ConfChange{Transition: Transition(w.rng.IntN(3))}
	for range w.rng.IntN(4) {
		cc.Changes = append(cc.Changes, Change{ChangeType(1 + w.rng.IntN(3)), NodeID(1 + w.rng.IntN(len(w.peers)))})
	}
	_ = p.rn.ProposeConfChange(cc)
}

// heal ends all faults and expects the group to get on: somebody leads, and everybody gets the same.
func (w *world) heal() {
	clear(w.cut)
	w.caps = swarm{}
	for _, p := range w.peers {
		if p.rn == nil {
			w.start(p)
		}
	}
	mark := ""
	for round := range 60 * w.cfg.ElectionTicks {
		if round%(4*w.cfg.ElectionTicks) == 3*w.cfg.ElectionTicks {
			for _, p := range w.peers { // proposals can be lost with a leader
				if p.rn.Status().Soft.Role == Leader {
					mark = fmt.Sprint("mark ", round)
					_ = p.rn.Propose([]byte(mark))
				}
			}
		}
		w.calmRound()
		if mark != "" && w.converged(mark) {
			w.logMatching()
			return
		}
	}
	for _, p := range w.peers {
		w.note(fmt.Sprintf("%+v", p.rn.Status()))
		fmt.Printf("%+v %s hot %d queue %d\n%+v\n", p.rn.Status(), p.rn.Conf(), len(p.hot), len(p.queue), p.rn.Members())
	}
	w.fail("no progress after all faults ended")
}

func (w *world) calmRound() {
	for _, p := range w.peers {
		w.must(p.rn.Tick())
	}
	for range 8 {
		for _, p := range w.peers {
			w.take(p)
			w.written(p, 1<<20)
			w.check(p)
			w.apply(p, 1<<20)
			w.check(p)
		}
		net := w.net
		w.net = nil
		for _, m := range net {
			w.deliver(m)
		}
	}
}
