package raft

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
)

func randomMessage(r *rand.Rand) Message {
	small := func() uint64 { return r.Uint64() >> r.IntN(64) }
	m := Message{Type: MessageType(1 + r.IntN(int(lastMessageType))), Reject: r.IntN(2) == 0, Force: r.IntN(2) == 0,
		To: NodeID(small()), From: NodeID(small()), Group: small(), Term: Term(small()), LogTerm: Term(small()),
		Index: Index(small()), Commit: Index(small()), Hint: Index(small()), Session: small(), Context: small()}
	i := m.Index
	for range r.IntN(5) {
		e := Entry{Term: m.LogTerm + Term(r.IntN(2)), Index: i + 1, Type: EntryType(r.IntN(2)), Data: randomBytes(r)}
		if r.IntN(4) == 0 {
			e.Index = Index(small())
		}
		m.Entries = append(m.Entries, e)
		i = e.Index
	}
	if r.IntN(3) == 0 {
		m.Snapshot = &Snapshot{Index: Index(small()), Term: Term(small()), Data: randomBytes(r),
			Conf: ConfState{Voters: ids(1 + r.IntN(4)), VotersOutgoing: []NodeID{1, 3, 9}, Learners: []NodeID{12}, LearnersNext: []NodeID{9}, AutoLeave: true}}
	}
	return m
}

func randomBytes(r *rand.Rand) []byte {
	n := r.IntN(20)
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestMessagesSurviveTheWire(t *testing.T) {
	rng := testRand(t)
	for range 5000 {
		m := randomMessage(rng)
		b := m.Append(nil)
		var got Message
		if err := got.Decode(b); err != nil {
			t.Fatalf("%v: %+v", err, m)
		}
		if !reflect.DeepEqual(got, m) {
			t.Fatalf("sent %+v\ngot  %+v", m, got)
		}
	}
}

func TestEveryTruncatedMessageIsRefused(t *testing.T) {
	rng := testRand(t)
	for range 300 {
		m := randomMessage(rng)
		m.Entries = append(m.Entries, Entry{Index: 3, Data: []byte("x")})
		m.Snapshot = nil // its data reach to the end, wherever that is
		b := m.Append(nil)
		for n := range b {
			var got Message
			if err := got.Decode(b[:n]); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%d of %d bytes of %s: %v", n, len(b), m, err)
			}
		}
		var got Message
		if err := got.Decode(append(b, 0)); !errors.Is(err, ErrMalformed) {
			t.Fatalf("a byte too much after %s: %v", m, err)
		}
	}
}

// An entry that follows the one before costs its data and two bytes: what batches are made of.
func TestEntriesAreCompactOnTheWire(t *testing.T) {
	m := Message{Type: MsgApp, To: 1, From: 2, Term: 9, LogTerm: 9, Index: 1_000_000, Commit: 1_000_000}
	empty := len(m.Append(nil))
	for i := range 64 {
		m.Entries = append(m.Entries, Entry{Term: 9, Index: m.Index + 1 + Index(i), Data: make([]byte, 256)})
	}
	if got := len(m.Append(nil)) - empty; got != 64*(256+2) {
		t.Errorf("64 entries of 256 bytes cost %d bytes", got)
	}
}

// FuzzDecode feeds any bytes to every decoder: no panic, bounded memory, and what is accepted is what
// Append would have written.
func FuzzDecode(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		m := randomMessage(rng)
		f.Add(m.Append(nil))
	}
	cc := ConfChange{Transition: TransitionImplicit, Changes: []Change{{AddVoter, 4}, {RemoveNode, 1}}, Context: []byte("x")}
	f.Add(cc.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		same := func(what string, again []byte) {
			if !bytes.Equal(b, again) {
				t.Errorf("%s: %x was accepted and is written as %x", what, b, again)
			}
		}
		var m Message
		if m.Decode(b) == nil {
			same("message", m.Append(nil))
			if m.Type <= lastMessageType {
				_ = m.check()
				_ = m.String()
			}
		}
		var e Entry
		if e.Decode(b) == nil {
			same("entry", e.Append(nil))
		}
		var h HardState
		if h.Decode(b) == nil {
			same("hard state", h.Append(nil))
		}
		var c ConfState
		if c.Decode(b) == nil {
			same("membership", c.Append(nil))
		}
		var cc ConfChange
		if cc.Decode(b) == nil {
			same("membership change", cc.Append(nil))
		}
		var s Snapshot
		if s.Decode(b) == nil {
			same("snapshot", s.Append(nil))
		}
	})
}

// FuzzStep gives a leader and a follower any well formed message: they may refuse it, they must not
// fall.
func FuzzStep(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		m := randomMessage(rng)
		f.Add(m.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Message
		if m.Decode(b) != nil {
			return
		}
		c := newCluster(t, 3, func(c *Config) { c.PreVote, c.CheckQuorum = true, true })
		c.elect(1)
		for _, n := range c.nodes[:2] {
			m.To, m.Group = n.Status().ID, n.cfg.Group
			if err := n.Step(m); errors.Is(err, ErrStopped) {
				t.Fatalf("%s stopped %d: %v", m, m.To, err)
			}
			for n.HasReady() {
				rd := n.Ready()
				n.write(t, &rd)
				for _, e := range rd.Committed {
					if e.Type == EntryConfChange {
						_, _ = n.ApplyConfChange(e)
					}
				}
				if err := n.Advance(rd); err != nil {
					t.Fatal(err)
				}
			}
			for range 50 {
				if err := n.Tick(); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestACountThatTheBytesCannotHoldIsRefusedBeforeAllocating(t *testing.T) {
	m := Message{Type: MsgApp, To: 1, From: 2, Term: 1}
	b := m.Append(nil)
	b = appendUint(b[:len(b)-1], maxBatch) // in place of no entries
	b = append(b, make([]byte, 100)...)
	allocs := testing.AllocsPerRun(10, func() {
		var got Message
		if err := got.Decode(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%v", err)
		}
	})
	if allocs > 10 {
		t.Errorf("%v allocations", allocs)
	}
}
