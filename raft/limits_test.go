package raft

import (
	"slices"
	"testing"
)

// A window of messages and bytes bounds what is on its way to a member.
func TestTheWindowBoundsWhatIsUnderWay(t *testing.T) {
	c := newCluster(t, 3, func(c *Config) { c.MaxMessageBytes, c.MaxInflightMessages, c.MaxInflightBytes = 1, 4, 100 })
	c.elect(1)
	n := c.node(1)
	apps := 0
	c.drop = func(m Message) bool {
		if m.Type == MsgApp && len(m.Entries) > 0 && m.To == 2 {
			apps++
		}
		return m.From == 2
	}
	for range 20 {
		_ = n.Propose(nil) // 24 bytes with their overhead: four make a message more than 95 bytes
	}
	c.settle()
	if apps != 4 {
		t.Errorf("%d appends are under way, 4 may be", apps)
	}
	c.drop = nil
	_ = n.Tick()
	c.settle()
	if m := n.Members()[1]; m.Match != n.Status().Last {
		t.Errorf("after the answers are heard again: %+v", m)
	}
}

// What waits to be applied is bounded.
func TestCommittedEntriesAreGivenOutInBoundedParts(t *testing.T) {
	c := newCluster(t, 1, func(c *Config) { c.MaxCommittedBytes = 250 })
	c.elect(1)
	n := c.node(1)
	for range 10 {
		_ = n.Propose(make([]byte, 76)) // 100 with their overhead
	}
	rd := n.Ready()
	n.write(t, &rd)
	_ = n.Persisted(rd.Number)
	given := 0
	for rounds := 0; given < 10; rounds++ {
		part := 0
		for n.HasReady() { // as much as it gives without hearing that anything is applied
			rd = n.Ready()
			_ = n.Persisted(rd.Number)
			part += len(rd.Committed)
		}
		if part < 1 || part > 3 {
			t.Fatalf("%d entries of 100 bytes were given out under a bound of 250", part)
		}
		given += part
		if err := n.Applied(n.Status().Applying); err != nil {
			t.Fatal(err)
		}
	}
}

// What was given out stays as it was, whatever becomes of the log.
func TestEntriesGivenOutAreNeverWrittenOver(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.elect(1)
	n := c.node(1)
	for range 3 {
		_ = n.Propose([]byte("old"))
	}
	rd := n.Ready()
	before := slices.Clone(rd.Entries)
	m := Message{Type: MsgApp, From: 2, Term: 3, Index: 2, LogTerm: 2}
	for i := range Index(3) {
		m.Entries = append(m.Entries, Entry{Term: 3, Index: 3 + i, Data: []byte("new")})
	}
	if err := c.message(1, m); err != nil {
		t.Fatal(err)
	}
	same := func(a, b Entry) bool { return a.Term == b.Term && string(a.Data) == string(b.Data) }
	if !slices.EqualFunc(rd.Entries, before, same) {
		t.Errorf("the Ready's entries became %v", rd.Entries)
	}
	// And what is under way no longer counts as durable where the log has changed since.
	n.write(t, &rd)
	_ = n.Persisted(rd.Number)
	if got := n.Status().Stable; got != 2 {
		t.Errorf("durable up to %d, though 3 and later were replaced", got)
	}
}
