package raft

import (
	"errors"
	"testing"
)

// removed makes a group of 4 without its fourth member, which goes on in the belief that it is one.
func removed(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t, 4, func(c *Config) { c.MaxEntryBytes, c.MaxUncommittedBytes = 100, 1000 })
	c.elect(1)
	if err := c.node(1).ProposeConfChange(ConfChange{Changes: []Change{{RemoveNode, 4}}}); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if conf := c.node(1).Conf(); conf.String() != "voters=(1 2 3)" {
		t.Fatal(conf)
	}
	return c
}

func TestARemovedMemberIsNotBelieved(t *testing.T) {
	for _, m := range []Message{
		{Type: MsgAppResp, Index: 2},
		{Type: MsgAppResp, Reject: true, Index: 2, Hint: 1, LogTerm: 1},
		{Type: MsgHeartbeatResp, Context: 1},
		{Type: MsgSnapRefused},
		{Type: MsgProp, Entries: []Entry{{Data: []byte("x")}}},
		{Type: MsgReadIndex, Context: 1},
		{Type: MsgTransferLeader, Context: 2},
	} {
		c := removed(t)
		l := c.node(1)
		m.From, m.To, m.Group = 4, 1, 7
		if m.Type < MsgProp {
			m.Term = l.Status().Hard.Term
		}
		before := l.Status()
		if err := l.Step(m); !errors.Is(err, ErrUnknownMember) {
			t.Errorf("%s: %v", m, err)
		}
		if after := l.Status(); after != before {
			t.Errorf("%s changed %+v to %+v", m, before, after)
		}
	}
}

func TestAStrangersVoteDoesNotCount(t *testing.T) {
	c := removed(t)
	n := c.node(2)
	if err := n.Campaign(); err != nil {
		t.Fatal(err)
	}
	rd := n.Ready()
	n.write(t, &rd)
	if err := n.Persisted(rd.Number); err != nil {
		t.Fatal(err)
	}
	for _, from := range []NodeID{4, 9} {
		if err := n.Step(Message{Type: MsgVoteResp, From: from, To: 2, Group: 7, Term: n.Status().Hard.Term}); !errors.Is(err, ErrUnknownMember) {
			t.Errorf("a vote of %d: %v", from, err)
		}
	}
	if s := n.Status(); s.Soft.Role != Candidate {
		t.Errorf("with its own vote and two of strangers it is %s", s.Soft.Role)
	}
}

// Only the leader of the term knows what is committed (thesis §6.4); whoever knows of none cannot tell who that is.
func TestReadIndexesAreTakenFromTheLeaderOnly(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.elect(1)
	n := c.node(2)
	answer := func(from NodeID) (int, error) {
		err := n.Step(Message{Type: MsgReadIndexResp, From: from, To: 2, Group: 7, Term: n.Status().Hard.Term, Index: 1, Context: 5})
		if !n.HasReady() {
			return 0, err
		}
		rd := n.Ready()
		if err := n.Advance(rd); err != nil {
			t.Fatal(err)
		}
		return len(rd.Reads), err
	}
	for _, from := range []NodeID{3, 9} {
		if k, err := answer(from); k > 0 || !errors.Is(err, ErrMalformed) {
			t.Errorf("%d, which does not lead, answers %d reads: %v", from, k, err)
		}
	}
	if k, err := answer(1); k != 1 || err != nil {
		t.Errorf("the leader answers %d reads: %v", k, err)
	}
	if err := n.ForgetLeader(); err != nil {
		t.Fatal(err)
	}
	for _, from := range []NodeID{1, 3} {
		if k, err := answer(from); k > 0 || err != nil {
			t.Errorf("without a leader, %d answers %d reads: %v", from, k, err)
		}
	}
}

// What a member hands on is held to the leader's limits like what the leader is told itself.
func TestForwardedProposalsAreHeldToTheLimits(t *testing.T) {
	c := newCluster(t, 3, func(c *Config) { c.MaxEntryBytes, c.MaxUncommittedBytes = 100, 300 })
	c.elect(1)
	l := c.node(1)
	before := l.Status()
	for what, x := range map[string]struct {
		entries []Entry
		want    error
	}{
		"too big":                  {[]Entry{{Data: make([]byte, 101)}}, ErrEntryTooBig},
		"one of two too big":       {[]Entry{{Data: []byte("x")}, {Data: make([]byte, 101)}}, ErrEntryTooBig},
		"of no known type":         {[]Entry{{Type: 7}}, ErrMalformed},
		"no membership change":     {[]Entry{{Type: EntryConfChange, Data: []byte{0xff}}}, ErrBadConfChange},
		"two membership changes":   {[]Entry{learner(8), learner(9)}, ErrConfChangePending},
		"the last voters' parting": {[]Entry{parting(1, 2, 3)}, ErrBadConfChange},
	} {
		if err := l.Step(Message{Type: MsgProp, From: 2, To: 1, Group: 7, Entries: x.entries}); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", what, err, x.want)
		}
		if after := l.Status(); after != before {
			t.Errorf("%s: changed %+v to %+v", what, before, after)
		}
	}
}

func learner(id NodeID) Entry {
	cc := ConfChange{Changes: []Change{{AddLearner, id}}}
	return Entry{Type: EntryConfChange, Data: cc.Append(nil)}
}

func parting(ids ...NodeID) Entry {
	cc := ConfChange{}
	for _, id := range ids {
		cc.Changes = append(cc.Changes, Change{RemoveNode, id})
	}
	return Entry{Type: EntryConfChange, Data: cc.Append(nil)}
}

// A term that only a liar can have reached is followed, as any higher one, but nothing overflows.
func TestTheLastTermEndsElections(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.elect(1)
	n := c.node(2)
	if err := n.Step(Message{Type: MsgHeartbeat, From: 3, To: 2, Group: 7, Term: maxTerm}); err != nil {
		t.Fatal(err)
	}
	if err := n.Campaign(); !errors.Is(err, ErrNotPromotable) {
		t.Errorf("a campaign after the last term: %v", err)
	}
	for range 100 {
		if err := n.Tick(); err != nil {
			t.Fatal(err)
		}
	}
	if s := n.Status(); s.Hard.Term != maxTerm || s.Soft.Role != Follower {
		t.Errorf("%+v", s)
	}
}

func TestAbsurdNumbersInAnswersAreRefused(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.elect(1)
	l := c.node(1)
	before, session := l.Status(), l.Members()[1].Session
	for what, edit := range map[string]func(*Message){
		"an acknowledgement at the end of the numbers": func(m *Message) { m.Index = maxIndex },
		"a hint beyond the log":                        func(m *Message) { m.Reject, m.Hint = true, 999 },
		"a hint beyond the numbers":                    func(m *Message) { m.Reject, m.Hint = true, 1<<63 },
		"a term of an entry beyond the numbers":        func(m *Message) { m.Reject, m.LogTerm = true, 1<<63 },
		"a commit index beyond the numbers":            func(m *Message) { m.Commit = 1 << 63 },
	} {
		m := Message{Type: MsgAppResp, From: 2, To: 1, Group: 7, Term: before.Hard.Term, Session: session}
		edit(&m)
		if err := l.Step(m); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
		if after := l.Status(); after != before {
			t.Errorf("%s: changed %+v to %+v", what, before, after)
		}
	}
}
