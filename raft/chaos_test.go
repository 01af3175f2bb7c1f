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

// event makes one random thing happen.
func (w *world) event() {
	p := w.peers[w.rng.IntN(len(w.peers))]
	switch k := w.rng.IntN(1000); {
	case k < 60:
		w.tick(p)
	case k < 460:
		w.deliverSome()
	case k < 600 && p.rn != nil:
		w.take(p)
	case k < 720 && p.rn != nil:
		w.written(p, 1+w.rng.IntN(3))
	case k < 800 && p.rn != nil:
		w.apply(p, 1+w.rng.IntN(5))
	case k < 900 && p.rn != nil:
		w.proposals++
		_ = p.rn.Propose(fmt.Appendf(nil, "%d %0*d", w.proposals, w.rng.IntN(40), 0))
	case k < 930 && p.rn != nil:
		w.reads++
		w.readAsked(uint64(w.reads))
		_ = p.rn.ReadIndex(uint64(w.reads))
	case k < 945 && w.caps.compaction && p.rn != nil:
		w.compact(p)
	case k < 957 && w.caps.members && p.rn != nil:
		w.changeMembers(p)
	case k < 962 && w.caps.transfers && p.rn != nil:
		_ = p.rn.TransferLeader(NodeID(1 + w.rng.IntN(len(w.peers))))
	case k < 967 && w.caps.forget && p.rn != nil:
		_ = p.rn.ForgetLeader()
		p.rn.ReportUnreachable(NodeID(1 + w.rng.IntN(len(w.peers))))
	case k < 969 && p.rn != nil:
		_ = p.rn.Campaign()
	case k < 977 && w.caps.crashes:
		if p.rn == nil {
			w.start(p)
		} else if w.rng.IntN(2) == 0 {
			w.crash(p)
		}
	case k < 983 && w.caps.cuts:
		a, b := w.peers[w.rng.IntN(len(w.peers))].id, p.id
		w.cut[[2]NodeID{a, b}] = w.rng.IntN(2) == 0
		if w.rng.IntN(5) == 0 {
			clear(w.cut)
		}
	case k < 990 && w.caps.oldMessages && len(w.old) > 0:
		w.deliver(w.old[w.rng.IntN(len(w.old))])
	}
	w.check(p)
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
