package raft

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// Each test here takes a sentence of the paper (§) or the thesis and shows that the core keeps it.

// message steps a message from another member, as the third of three.
func (c *cluster) message(to NodeID, m Message) error {
	m.To, m.Group = to, 7
	return c.node(to).Step(m)
}

// outbox takes one Ready of n, acknowledges it, and returns all messages.
func (c *cluster) outbox(n *testNode) []Message {
	c.t.Helper()
	rd := n.Ready()
	n.write(c.t, &rd)
	out := append(slices.Clone(rd.Messages), rd.AfterPersist...)
	n.apply(c.t, rd.Committed)
	if err := n.Advance(rd); err != nil {
		c.t.Fatal(err)
	}
	return out
}

// §5.1: "If a candidate or leader discovers that its term is out of date, it immediately reverts to
// follower state."
func TestAHigherTermMakesEverybodyAFollower(t *testing.T) {
	for _, typ := range []MessageType{MsgApp, MsgHeartbeat, MsgVote, MsgVoteResp, MsgAppResp} {
		c := newCluster(t, 3, nil)
		c.elect(1)
		m := Message{Type: typ, From: 2, Term: 9, Index: 1, LogTerm: 1}
		if err := c.message(1, m); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
		if s := c.node(1).Status(); s.Soft.Role != Follower || s.Hard.Term != 9 {
			t.Errorf("after %s of term 9: %s in term %d", typ, s.Soft.Role, s.Hard.Term)
		}
	}
}

// §5.1: "If a server receives a request with a stale term number, it rejects the request."
func TestAStaleTermIsRefusedWithTheNewOne(t *testing.T) {
	for typ, want := range map[MessageType]MessageType{MsgApp: MsgAppResp, MsgHeartbeat: MsgAppResp, MsgVote: MsgVoteResp, MsgPreVote: MsgPreVoteResp} {
		c := newCluster(t, 3, nil)
		c.elect(1) // term 2
		before := c.node(2).Status()
		if err := c.message(2, Message{Type: typ, From: 3, Term: 1, Index: 9, LogTerm: 1}); err != nil {
			t.Error(err)
		}
		out := c.outbox(c.node(2))
		if len(out) != 1 || out[0].Type != want || !out[0].Reject || out[0].Term != 2 || c.node(2).Status() != before {
			t.Errorf("%s of term 1 is answered with %v", typ, out)
		}
	}
}

// §5.2: "election timeouts are chosen randomly from a fixed interval", which lies above the minimum.
func TestElectionTimeoutsAreSpreadOverTheInterval(t *testing.T) {
	seen := map[int]int{}
	for seed := range uint64(300) {
		c := newCluster(t, 3, func(c *Config) { c.Rand = rand.New(rand.NewPCG(seed, 1)) })
		n := c.node(1)
		ticks := 0
		for n.Status().Soft.Role == Follower {
			ticks++
			_ = n.Tick()
		}
		seen[ticks]++
	}
	for ticks := 10; ticks < 20; ticks++ {
		if seen[ticks] < 10 {
			t.Errorf("timeout %d was drawn %d times of 300", ticks, seen[ticks])
		}
		delete(seen, ticks)
	}
	if len(seen) > 0 {
		t.Errorf("outside of [10, 20): %v", seen)
	}
}

// §5.2: "Each server will vote for at most one candidate in a given term, on a first-come-first-served
// basis", and the answer may be repeated.
func TestOneVoteATerm(t *testing.T) {
	c := newCluster(t, 3, nil)
	n := c.node(3)
	ask := Message{Type: MsgVote, Term: 5, Index: 1, LogTerm: 1}
	for _, x := range []struct {
		from NodeID
		yes  bool
	}{{1, true}, {2, false}, {1, true}} {
		ask.From = x.from
		if err := c.message(3, ask); err != nil {
			t.Fatal(err)
		}
		out := c.outbox(n)
		if len(out) != 1 || out[0].Reject == x.yes || out[0].To != x.from {
			t.Errorf("%d asks: %v", x.from, out)
		}
	}
	conf := n.Conf()
	cfg := n.cfg
	cfg.Conf, cfg.Rand = &conf, rand.New(rand.NewPCG(1, 1))
	again, err := NewRawNode(&cfg) // §5.2 with figure 2: votedFor is persistent
	if err != nil {
		t.Fatal(err)
	}
	n.RawNode = again
	ask.From = 2
	_ = c.message(3, ask)
	if out := c.outbox(n); len(out) != 1 || !out[0].Reject {
		t.Errorf("after a restart it votes again: %v", out)
	}
}

// §5.4.1: "the voter denies its vote if its own log is more up-to-date than that of the candidate."
func TestVotesGoToLogsThatAreUpToDate(t *testing.T) {
	for _, x := range []struct {
		term  Term
		index Index
		yes   bool
	}{{2, 4, true}, {2, 5, true}, {3, 1, true}, {2, 3, false}, {1, 9, false}} {
		c := newCluster(t, 3, nil)
		c.elect(1) // term 2, entry 2
		_ = c.node(1).Propose([]byte("a"))
		_ = c.node(1).Propose([]byte("b"))
		c.settle() // log ends with 2/4
		for _, typ := range []MessageType{MsgPreVote, MsgVote} {
			_ = c.message(3, Message{Type: typ, From: 2, Term: 7, LogTerm: x.term, Index: x.index})
			if out := c.outbox(c.node(3)); len(out) != 1 || out[0].Reject == x.yes {
				t.Errorf("%s with log %d/%d: %v", typ, x.term, x.index, out)
			}
		}
	}
}

// §5.4.2: "Raft never commits log entries from previous terms by counting replicas."
func TestOnlyEntriesOfTheOwnTermAreCounted(t *testing.T) {
	c := newCluster(t, 3, nil)
	n := c.node(1)
	if err := n.st.Append([]Entry{{Term: 1, Index: 2}}); err != nil {
		t.Fatal(err)
	}
	cfg := n.cfg
	cfg.Rand = rand.New(rand.NewPCG(1, 1))
	n.RawNode, _ = NewRawNode(&cfg)
	_ = n.Campaign()
	c.outbox(n)
	_ = c.message(1, Message{Type: MsgVoteResp, From: 2, Term: 2})
	c.outbox(n)
	c.outbox(n)
	session := n.Members()[1].Session
	_ = c.message(1, Message{Type: MsgAppResp, From: 2, Term: 2, Index: 2, Session: session})
	if got := n.Status().Hard.Commit; got != 1 {
		t.Errorf("the old entry is on a majority; committed is %d", got)
	}
	_ = c.message(1, Message{Type: MsgAppResp, From: 2, Term: 2, Index: 3, Session: session})
	if got := n.Status().Hard.Commit; got != 3 {
		t.Errorf("its own entry is on a majority; committed is %d", got)
	}
}

// §5.3: logs of figure 7: whatever a follower's log looks like, the leader makes it its own.
func TestEveryLogOfFigure7BecomesTheLeaders(t *testing.T) {
	terms := func(ts ...Term) (es []Entry) {
		for i, x := range ts {
			es = append(es, Entry{Term: x, Index: Index(i + 2)})
		}
		return es
	}
	leader := terms(1, 1, 1, 4, 4, 5, 5, 6, 6, 6)
	for name, log := range map[string][]Entry{
		"a": terms(1, 1, 1, 4, 4, 5, 5, 6, 6),
		"b": terms(1, 1, 1, 4),
		"c": terms(1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
		"d": terms(1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
		"e": terms(1, 1, 1, 4, 4, 4, 4),
		"f": terms(1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
	} {
		for _, restarted := range []bool{true, false} {
			c := &cluster{t: t}
			conf := ConfState{Voters: ids(3)}
			for i, l := range [][]Entry{leader, log, leader} {
				st := NewMemoryStorage(conf)
				_ = st.Append(l)
				st.SetHardState(HardState{Term: 7, Commit: 1})
				cfg := Config{ID: NodeID(i + 1), Group: 7, Storage: st, Rand: rand.New(rand.NewPCG(1, uint64(i)))}
				if !restarted {
					cfg.MaxMessageBytes = 1
				}
				rn, err := NewRawNode(&cfg)
				if err != nil {
					t.Fatal(err)
				}
				c.nodes = append(c.nodes, &testNode{RawNode: rn, st: st, cfg: cfg})
			}
			c.elect(1)
			a, _ := c.node(1).st.Entries(nil, 2, 13, 1<<20)
			b, err := c.node(2).st.Entries(nil, 2, 13, 1<<20)
			if err != nil || !slices.EqualFunc(a, b, func(x, y Entry) bool { return x.Term == y.Term && x.Index == y.Index }) || c.node(2).Status().Last != 12 {
				t.Errorf("log %s became %v (%v)", name, b, err)
			}
		}
	}
}

// Thesis §10.2.1: the leader may commit before its own write is done, if a majority of the others is.
func TestTheLeadersOwnDiskIsOneVoteLikeAnyOther(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.elect(1)
	n := c.node(1)
	_ = n.Propose([]byte("x"))
	rd := n.Ready() // its write takes long
	for _, m := range rd.Messages {
		_ = c.node(m.To).Step(m)
	}
	for _, f := range c.nodes[1:] {
		for _, m := range c.outbox(f) {
			_ = n.Step(m)
		}
	}
	s := n.Status()
	if s.Stable != 2 || s.Hard.Commit != 3 {
		t.Errorf("stable %d, committed %d", s.Stable, s.Hard.Commit)
	}
	next := n.Ready()
	if len(next.Committed) > 0 {
		t.Error("an entry is given out to be applied that the own log does not have durably")
	}
	n.write(t, &rd)
	n.write(t, &next)
	if err := n.Persisted(next.Number); err != nil {
		t.Fatal(err)
	}
	if rd = n.Ready(); len(rd.Committed) != 1 {
		t.Errorf("afterwards it is not: %+v", rd)
	}
	alone := newCluster(t, 1, nil)
	alone.elect(1)
	_ = alone.node(1).Propose([]byte("x"))
	_ = alone.node(1).Ready()
	if s := alone.node(1).Status(); s.Hard.Commit != 2 {
		t.Errorf("a lonely voter committed %d before its log was durable", s.Hard.Commit)
	}
}

// Thesis §3.10: "If the target server has not caught up, the leader brings it up to date first", and
// the vote is asked for with a mark that overrides the defence of the leader (§4.2.3).
func TestAForcedElectionOverridesTheDefenceOfALeader(t *testing.T) {
	c := newCluster(t, 3, func(c *Config) { c.CheckQuorum = true })
	c.elect(1)
	ask := Message{Type: MsgVote, From: 2, Term: 3, Index: 2, LogTerm: 2}
	_ = c.message(3, ask)
	if s := c.node(3).Status(); s.Hard.Term != 2 {
		t.Errorf("it does not defend its leader: term %d", s.Hard.Term)
	}
	ask.Force = true
	_ = c.message(3, ask)
	if s := c.node(3).Status(); s.Hard.Vote != 2 {
		t.Errorf("it does not obey: %+v", s.Hard)
	}
}

// Thesis §4.2.1: learners receive the log and decide nothing.
func TestLearnersDecideNothing(t *testing.T) {
	c := newCluster(t, 1, nil)
	c.elect(1)
	c.add(2, ConfState{}, nil)
	if err := c.node(1).ProposeConfChange(ConfChange{Changes: []Change{{AddLearner, 2}}}); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if err := c.node(2).Campaign(); !errors.Is(err, ErrNotPromotable) {
		t.Errorf("a learner campaigns: %v", err)
	}
	if err := c.node(1).TransferLeader(2); !errors.Is(err, ErrBadTransferee) {
		t.Errorf("leadership goes to a learner: %v", err)
	}
	c.drop = func(m Message) bool { return m.To == 2 }
	_ = c.node(1).Propose([]byte("x"))
	c.settle()
	if got := c.node(1).commands(); len(got) != 1 {
		t.Error("the leader waits for a learner")
	}
}

// A log that knows two membership changes knows that the first is committed; see core.inferCommit.
func TestASecondMembershipChangeProvesTheFirst(t *testing.T) {
	st := NewMemoryStorage(ConfState{Voters: ids(3)})
	cc := ConfChange{Changes: []Change{{AddLearner, 4}}}
	_ = st.Append([]Entry{{Term: 1, Index: 2}, {Term: 1, Index: 3, Type: EntryConfChange, Data: cc.Append(nil)},
		{Term: 1, Index: 4}, {Term: 1, Index: 5, Type: EntryConfChange, Data: cc.Append(nil)}, {Term: 1, Index: 6}})
	rn, err := NewRawNode(&Config{ID: 1, Storage: st, Rand: rand.New(rand.NewPCG(1, 1))})
	if err != nil {
		t.Fatal(err)
	}
	if got := rn.Status().Hard.Commit; got != 3 {
		t.Errorf("committed is %d, not 3", got)
	}
	if err := rn.Campaign(); !errors.Is(err, ErrNotPromotable) {
		t.Errorf("it campaigns before it has applied it: %v", err)
	}
}

// Figure 2, AppendEntries 5: "set commitIndex = min(leaderCommit, index of last new entry)": what
// follows it in the log may be foreign.
func TestTheCommitIndexStopsAtTheLastEntryTheLeaderVouchedFor(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.elect(1) // entry 2/2
	c.drop = func(Message) bool { return true }
	for range 3 {
		_ = c.node(1).Propose([]byte("foreign"))
	}
	c.settle() // member 1 has 2/3..2/5 alone
	if err := c.message(1, Message{Type: MsgApp, From: 2, Term: 3, Index: 2, LogTerm: 2, Commit: 5}); err != nil {
		t.Fatal(err)
	}
	if got := c.node(1).Status().Hard.Commit; got != 2 {
		t.Errorf("committed is %d: foreign entries are taken for the leader's", got)
	}
}

// Thesis §4.1: a new leader does not know whether the changes in its log are committed, so they are
// under way for it.
func TestANewLeaderWaitsForTheChangesInItsLog(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.elect(1)
	held := c.node(2)
	c.drop = func(m Message) bool { return m.From == 2 || m.To == 3 }
	if err := c.node(1).ProposeConfChange(ConfChange{Changes: []Change{{AddLearner, 4}}}); err != nil {
		t.Fatal(err)
	}
	c.settle() // 2 has the change and nobody knows it committed
	c.drop = func(m Message) bool { return m.To == 1 || m.Type == MsgApp }
	c.elect(2)
	if err := held.ProposeConfChange(ConfChange{Changes: []Change{{AddLearner, 5}}}); !errors.Is(err, ErrConfChangePending) {
		t.Errorf("a second change is admitted: %v", err)
	}
}

// What another member knows to be committed counts here only if this log has that entry.
func TestCommitmentIsLearntOnlyForEntriesThatMatch(t *testing.T) {
	for _, x := range []struct {
		term Term
		want Index
	}{{2, 3}, {3, 2}} {
		c := newCluster(t, 3, nil)
		c.elect(1)
		c.drop = func(m Message) bool { return m.From == 1 && len(m.Entries) == 0 || m.From != 1 }
		_ = c.node(1).Propose([]byte("x"))
		c.settle() // 2 has 2/3 and does not know it committed
		c.drop = func(Message) bool { return true }
		_ = c.node(2).Campaign()
		c.settle()
		refusal := Message{Type: MsgVoteResp, Reject: true, From: 3, Term: 3, Commit: 3, Context: uint64(x.term)}
		if err := c.message(2, refusal); err != nil {
			t.Fatal(err)
		}
		if got := c.node(2).Status().Hard.Commit; got != x.want {
			t.Errorf("told that %d/3 is committed, with 2/3 in its log: commit %d, want %d", x.term, got, x.want)
		}
	}
}
