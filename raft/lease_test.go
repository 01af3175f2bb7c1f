package raft

import (
	"math/rand/v2"
	"testing"
)

func leaseCluster(t *testing.T) *cluster {
	c := newCluster(t, 3, func(c *Config) { c.CheckQuorum, c.ReadMode = true, ReadLease })
	for _, n := range c.nodes {
		for range 10 {
			_ = n.Tick()
		}
	}
	c.elect(1)
	return c
}

// Thesis §6.4.1: the lease runs from when the heartbeat was sent, not from when it was answered.
func TestALeaseRunsFromWhenTheHeartbeatWasSent(t *testing.T) {
	c := leaseCluster(t)
	n := c.node(1)
	var late []Message
	c.drop = func(m Message) bool {
		if m.Type == MsgHeartbeatResp && m.From == 2 && len(late) == 0 {
			late = append(late, m)
		}
		return m.Type == MsgHeartbeatResp
	}
	for range 4 {
		_ = n.Tick()
		c.settle()
	}
	_ = n.Step(late[0]) // three ticks old; LeaseTicks is 5
	served := func() bool {
		_ = n.ReadIndex(1)
		rd := n.Ready()
		_ = n.Persisted(rd.Number)
		return len(rd.Reads) > 0
	}
	_ = n.Tick()
	if !served() {
		t.Error("after four ticks the lease still holds")
	}
	_ = n.Tick()
	if served() {
		t.Error("after five ticks it does not")
	}
}

// A restarted voter may have answered a leader just before: it defends it, whoever that is.
func TestALeasePromiseOutlastsARestart(t *testing.T) {
	c := leaseCluster(t)
	n := c.node(2)
	cfg, conf := n.cfg, n.Conf()
	cfg.Applied, cfg.Conf, cfg.Rand = n.Status().Applied, &conf, rand.New(rand.NewPCG(5, 5))
	n.RawNode, _ = NewRawNode(&cfg)
	ask := Message{Type: MsgVote, From: 3, Term: 3, Index: 2, LogTerm: 2}
	_ = c.message(2, ask)
	if s := n.Status(); s.Hard.Vote == 3 {
		t.Error("it votes right after its restart")
	}
	for range 10 {
		n.r.electionElapsed = 0 // it does not campaign itself here
		_ = n.Tick()
	}
	_ = c.message(2, ask)
	if s := n.Status(); s.Hard.Vote != 3 {
		t.Error("it still does not vote when the promise is over")
	}
}

// A lease rests on the electorate that gave it.
func TestALeaseEndsWhenTheElectorateChanges(t *testing.T) {
	c := leaseCluster(t)
	n := c.node(1)
	_ = n.Tick()
	c.settle()
	if !n.r.leased() {
		t.Fatal("no lease after a round")
	}
	if err := n.ProposeConfChange(ConfChange{Changes: []Change{{AddVoter, 4}}}); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if len(n.Conf().Voters) != 4 || n.r.leased() {
		t.Errorf("%s, lease: %t", n.Conf(), n.r.leased())
	}
}
