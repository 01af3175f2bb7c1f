package raft

import (
	"math/rand/v2"
	"testing"
)

func TestRefusedAppendsMoveNextBackButNeverBelowMatch(t *testing.T) {
	for _, x := range []struct {
		name        string
		state       ProgressState
		match, next Index
		asked, hint Index
		news        bool
		wantState   ProgressState
		wantNext    Index
	}{
		{"the append that is out is refused", Probe, 0, 10, 9, 4, true, Probe, 5},
		{"with a hint beyond what was asked", Probe, 0, 10, 9, 20, true, Probe, 9},
		{"with a hint below what is known", Probe, 6, 10, 9, 2, true, Probe, 7},
		{"a late refusal of an earlier append", Probe, 0, 10, 7, 4, false, Probe, 10},
		{"streaming ends", Replicate, 5, 20, 12, 8, true, Probe, 6},
		{"a late refusal while streaming", Replicate, 5, 20, 4, 2, false, Replicate, 20},
		{"while a snapshot is on its way", AwaitSnapshot, 5, 20, 12, 8, false, AwaitSnapshot, 20},
	} {
		p := progress{state: x.state, match: x.match, next: x.next, paused: true}
		if got := p.reject(x.asked, x.hint); got != x.news || p.state != x.wantState || p.next != x.wantNext {
			t.Errorf("%s: news %t, %s, next %d", x.name, got, p.state, p.next)
		}
		if x.news && p.paused {
			t.Errorf("%s: it waits though the answer is there", x.name)
		}
	}
}

// The twin of the window is a list.
func TestTheWindowAgreesWithItsTwin(t *testing.T) {
	rng := testRand(t)
	for range 200 {
		f := inflights{maxMessages: 1 + rng.IntN(20), maxBytes: uint64(1 + rng.IntN(300))}
		var twin []inflight
		last := Index(0)
		for range 200 {
			sum := uint64(0)
			for _, m := range twin {
				sum += m.bytes
			}
			full := len(twin) >= f.maxMessages || len(twin) > 0 && sum >= f.maxBytes
			if f.full() != full || f.n != len(twin) || f.bytes != sum {
				t.Fatalf("full %t, %d messages, %d bytes; twin %t, %v", f.full(), f.n, f.bytes, full, twin)
			}
			if !full && rng.IntN(3) > 0 {
				last += Index(1 + rng.IntN(3))
				m := inflight{last, uint64(rng.IntN(40))}
				f.add(m.last, m.bytes)
				twin = append(twin, m)
				continue
			}
			to := Index(rng.IntN(int(last) + 2))
			f.free(to)
			for len(twin) > 0 && twin[0].last <= to {
				twin = twin[1:]
			}
		}
	}
}

func TestAStartMendsWhatACrashBetweenWritesLeaves(t *testing.T) {
	st := NewMemoryStorage(ConfState{Voters: ids(3)})
	_ = st.Append([]Entry{{Term: 5, Index: 2}}) // and the hard state of term 5 was not written
	st.SetHardState(HardState{Term: 3, Vote: 2})
	rn, err := NewRawNode(&Config{ID: 1, Storage: st, Rand: rand.New(rand.NewPCG(1, 1))})
	if err != nil {
		t.Fatal(err)
	}
	if s := rn.Status(); s.Hard.Term != 5 || s.Hard.Vote != None || s.Hard.Commit != 1 {
		t.Errorf("%+v", s.Hard)
	}
	if rd := rn.Ready(); rd.HardState.Term != 5 || !rd.MustSync {
		t.Errorf("it is not written: %+v", rd)
	}
}

// A learner cannot campaign when its leader is gone, but it must vote for those who can.
func TestALearnerDoesNotDefendALeaderThatIsGone(t *testing.T) {
	for seed := range uint64(20) {
		c := newCluster(t, 1, func(c *Config) { c.CheckQuorum = true })
		c.elect(1)
		c.add(2, ConfState{}, func(c *Config) { c.CheckQuorum, c.Rand = true, rand.New(rand.NewPCG(seed, 2)) })
		if err := c.node(1).ProposeConfChange(ConfChange{Changes: []Change{{AddLearner, 2}}}); err != nil {
			t.Fatal(err)
		}
		c.settle()
		for range 45 {
			_ = c.node(2).Tick()
		}
		_ = c.message(2, Message{Type: MsgVote, From: 1, Term: 9, Index: 99, LogTerm: 8})
		if s := c.node(2).Status(); s.Hard.Vote != 1 {
			t.Errorf("seed %d: after 45 ticks of silence: %+v %+v", seed, s.Soft, s.Hard)
		}
	}
}
