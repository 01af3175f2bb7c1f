package raft

import (
	"math/rand/v2"
	"testing"
)

// snapshotTo makes a MsgSnap of a stranger group state at the index.
func snapshotTo(i Index, t Term) Message {
	return Message{Type: MsgSnap, From: 1, Term: t, Snapshot: &Snapshot{Index: i, Term: t, Conf: ConfState{Voters: ids(3)}}}
}

// A snapshot replaces the state machine, so it waits until the state machine is at rest.
func TestASnapshotWaitsForTheEntriesBeingApplied(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.elect(1)
	n := c.node(2)
	_ = c.message(2, Message{Type: MsgApp, From: 1, Term: 2, Index: 2, LogTerm: 2, Commit: 3, Entries: []Entry{{Term: 2, Index: 3}}})
	rd := n.Ready()
	n.write(t, &rd)
	_ = n.Persisted(rd.Number)
	if rd = n.Ready(); len(rd.Committed) != 1 {
		t.Fatalf("%+v", rd)
	}
	_ = n.Persisted(rd.Number)
	_ = c.message(2, snapshotTo(9, 2))
	if n.HasReady() {
		t.Errorf("while an entry is being applied: %+v", n.Ready())
	}
	_ = n.Applied(3)
	if rd = n.Ready(); rd.Snapshot == nil || !rd.MustSync || len(rd.AfterPersist) != 1 || rd.AfterPersist[0].Index != 9 {
		t.Errorf("afterwards: %+v", rd)
	}
	if n.HasReady() {
		t.Error("entries are given out to be applied while the snapshot is being installed")
	}
	n.write(t, &rd)
	_ = n.Persisted(rd.Number)
	if s := n.Status(); s.Applied != 9 || s.Stable != 9 || s.Hard.Commit != 9 {
		t.Errorf("installed: %+v", s)
	}
}

// A caller stores the membership with its applied index. While a snapshot waits for the entries being
// applied, that is not the snapshot's: after a crash the changes between the two would be made again.
func TestAChangeThatASnapshotOvertakesGivesTheMembershipOfItsTime(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.elect(1)
	n := c.node(2)
	remove := ConfChange{Changes: []Change{{RemoveNode, 3}}}
	change := Entry{Term: 2, Index: 3, Type: EntryConfChange, Data: remove.Append(nil)}
	_ = c.message(2, Message{Type: MsgApp, From: 1, Term: 2, Index: 2, LogTerm: 2, Commit: 3, Entries: []Entry{change}})
	rd := n.Ready()
	n.write(t, &rd)
	_ = n.Persisted(rd.Number)
	if rd = n.Ready(); len(rd.Committed) != 1 {
		t.Fatalf("%+v", rd)
	}
	_ = n.Persisted(rd.Number)
	s := snapshotTo(9, 2)
	s.Snapshot.Conf = ConfState{Voters: ids(5)}
	_ = c.message(2, s)
	if conf, err := n.ApplyConfChange(rd.Committed[0]); err != nil || conf.String() != "voters=(1 2)" {
		t.Errorf("the change at 3 gives %s, %v", conf, err)
	}
	if conf := n.Conf(); conf.String() != "voters=(1 2 3 4 5)" {
		t.Errorf("in force is %s", conf)
	}
	if err := n.Applied(3); err != nil {
		t.Error(err)
	}
}

// §7: a late snapshot takes nothing away.
func TestALateSnapshotTakesNothingAway(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.elect(1)
	for range 5 {
		_ = c.node(1).Propose([]byte("x"))
	}
	c.settle() // up to 7
	n := c.node(2)
	late := snapshotTo(4, 2)
	_, _ = n.st.CreateSnapshot(6, n.Conf(), nil)
	_ = n.st.Compact(6)
	conf, cfg := n.Conf(), n.cfg
	cfg.Applied, cfg.Conf, cfg.Rand = 7, &conf, rand.New(rand.NewPCG(8, 8))
	n.RawNode, _ = NewRawNode(&cfg) // its memory does not reach back any more
	for _, m := range []Message{late, snapshotTo(7, 2)} {
		if err := c.message(2, m); err != nil {
			t.Fatal(err)
		}
		out := c.outbox(n)
		if s := n.Status(); s.Last != 7 || s.Hard.Commit != 7 || len(out) != 1 || out[0].Index != 7 {
			t.Errorf("after %s: %+v, answers %v", m, s, out)
		}
	}
}
