package raft

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

var errDisk = errors.New("input/output error")

// failingStorage fails the n-th call from now, if n > 0, and every one after it.
type failingStorage struct {
	Storage
	n     int
	calls int
}

func (s *failingStorage) fails() bool {
	s.calls++
	return s.n > 0 && s.calls >= s.n
}

func (s *failingStorage) InitialState() (StoredState, error) {
	if s.fails() {
		return StoredState{}, errDisk
	}
	return s.Storage.InitialState()
}

func (s *failingStorage) Entries(dst []Entry, lo, hi Index, maxBytes uint64) ([]Entry, error) {
	if s.fails() {
		return nil, errDisk
	}
	return s.Storage.Entries(dst, lo, hi, maxBytes)
}

func (s *failingStorage) Term(i Index) (Term, error) {
	if s.fails() {
		return 0, errDisk
	}
	return s.Storage.Term(i)
}

func (s *failingStorage) FirstIndex() (Index, error) {
	if s.fails() {
		return 0, errDisk
	}
	return s.Storage.FirstIndex()
}

func (s *failingStorage) LastIndex() (Index, error) {
	if s.fails() {
		return 0, errDisk
	}
	return s.Storage.LastIndex()
}

func (s *failingStorage) Snapshot() (*Snapshot, error) {
	if s.fails() {
		return nil, errDisk
	}
	return s.Storage.Snapshot()
}

// TestAStorageErrorAtAnyCallStopsTheMemberAndNobodyElse replays one story, which makes the leader read
// all it can from storage, with the k-th call failing, for every k.
func TestAStorageErrorAtAnyCallStopsTheMemberAndNobodyElse(t *testing.T) {
	total := storageStory(t, 0)
	if total < 12 {
		t.Fatalf("the story makes %d calls only", total)
	}
	for k := 1; k <= total; k++ {
		storageStory(t, k)
	}
}

// storageStory restarts member 1, makes it lead and catch up member 3, which was away: entries from
// storage first, a snapshot then. It returns how many storage calls there were.
func storageStory(t *testing.T, failAt int) int {
	c := newCluster(t, 3, func(c *Config) { c.CacheBytes = 1 })
	c.elect(2)
	c.drop = func(m Message) bool { return m.To == 3 || m.From == 3 }
	for i := range 20 {
		_ = c.node(2).Propose(fmt.Append(nil, i))
		c.settle()
	}
	n := c.node(1)
	st := &failingStorage{Storage: n.st, n: failAt}
	cfg := n.cfg
	cfg.Storage, cfg.Applied, cfg.Rand = st, 10, rand.New(rand.NewPCG(9, 9))
	conf := n.Conf()
	cfg.Conf = &conf
	rn, err := NewRawNode(&cfg)
	if err != nil {
		if failAt == 0 || !errors.Is(err, errDisk) {
			t.Fatalf("call %d: start: %v", failAt, err)
		}
		return st.calls
	}
	n.RawNode, n.applied = rn, n.applied[:10]
	run := func() bool {
		for range 200 {
			for _, x := range c.nodes {
				if x.HasReady() {
					c.serveUnlessStopped(x)
				}
			}
		}
		return rn.Err() == nil
	}
	_ = rn.Campaign()
	run()
	c.drop = nil
	for range 3 {
		_ = rn.Tick()
		run()
	}
	if rn.Err() == nil { // and once more through a snapshot
		c.drop = func(m Message) bool { return m.To == 3 || m.From == 3 }
		for i := range 5 {
			_ = rn.Propose(fmt.Append(nil, "more", i))
			run()
		}
		if s := rn.Status(); s.Err == nil {
			_, _ = n.st.CreateSnapshot(s.Applied, rn.Conf(), nil)
			_ = n.st.Compact(s.Applied)
		}
		rn.ReportUnreachable(3)
		c.drop = nil
		for range 3 {
			_ = rn.Tick()
			run()
		}
	}
	checkStory(t, c, rn, failAt)
	return st.calls
}

func checkStory(t *testing.T, c *cluster, rn *RawNode, failAt int) {
	t.Helper()
	if failAt == 0 {
		if got := c.node(3).Status(); rn.Err() != nil || got.Applied != rn.Status().Applied {
			t.Fatalf("without a failure: %v, member 3 %+v", rn.Err(), got)
		}
		return
	}
	if err := rn.Err(); !errors.Is(err, ErrStopped) || !errors.Is(err, errDisk) {
		t.Fatalf("call %d failed and the member says %v", failAt, err)
	}
	if rn.HasReady() || rn.Ready().Number != 0 {
		t.Errorf("call %d: a stopped member has something to do", failAt)
	}
	for what, err := range map[string]error{"Tick": rn.Tick(), "Propose": rn.Propose(nil), "Step": rn.Step(Message{}),
		"Campaign": rn.Campaign(), "ReadIndex": rn.ReadIndex(1), "Persisted": rn.Persisted(1), "Applied": rn.Applied(1),
		"Transfer": rn.TransferLeader(2), "ForgetLeader": rn.ForgetLeader()} {
		if !errors.Is(err, ErrStopped) {
			t.Errorf("call %d: %s on a stopped member: %v", failAt, what, err)
		}
	}
	for _, other := range c.nodes[1:] {
		if err := other.Err(); err != nil {
			t.Errorf("call %d: member %d stopped too: %v", failAt, other.Status().ID, err)
		}
	}
}

func (c *cluster) serveUnlessStopped(n *testNode) {
	rd := n.Ready()
	if rd.Number == 0 {
		return
	}
	n.write(c.t, &rd)
	for _, m := range append(append([]Message{}, rd.Messages...), rd.AfterPersist...) {
		c.deliver(m)
	}
	if n.Err() == nil {
		_ = n.Advance(rd)
	}
}

func TestMisuseIsAnErrorThatNamesTheRule(t *testing.T) {
	c := newCluster(t, 1, nil)
	n := c.node(1)
	if err := n.Campaign(); err != nil {
		t.Fatal(err)
	}
	rd := n.Ready()
	n.write(t, &rd)
	for what, err := range map[string]error{
		"acknowledging a Ready to come":        n.Persisted(rd.Number + 1),
		"applying what was not given out":      n.Applied(99),
		"a normal entry as membership change":  second(n.ApplyConfChange(Entry{Index: 9})),
		"a membership change never given out":  second(n.ApplyConfChange(Entry{Type: EntryConfChange, Index: 9})),
		"skipping a normal entry":              n.SkipConfChange(Entry{Index: 9}),
		"skipping one that was not given out":  n.SkipConfChange(Entry{Type: EntryConfChange, Index: 9}),
		"an empty batch":                       n.ProposeBatch(nil),
		"a membership change in a batch":       n.ProposeBatch([]Entry{{Type: EntryConfChange}}),
		"refusing what is no snapshot message": n.RefuseSnapshot(Message{Type: MsgApp, To: 1, Group: 7}),
	} {
		if !errors.Is(err, ErrMisuse) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := n.Advance(rd); err != nil {
		t.Fatal(err)
	}
	if err := n.Persisted(rd.Number); !errors.Is(err, ErrMisuse) {
		t.Errorf("acknowledging twice: %v", err)
	}
	if err := n.Applied(0); !errors.Is(err, ErrMisuse) {
		t.Errorf("applying backwards: %v", err)
	}
	c.settle()
	if err := n.ProposeConfChange(ConfChange{Changes: []Change{{AddLearner, 2}}}); err != nil {
		t.Fatal(err)
	}
	for len(rd.Committed) == 0 {
		rd = n.Ready()
		n.write(t, &rd)
		if err := n.Persisted(rd.Number); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Applied(rd.Committed[0].Index); !errors.Is(err, ErrMisuse) {
		t.Errorf("passing a membership change by: %v", err)
	}
	if err := n.SkipConfChange(Entry{Index: rd.Committed[0].Index}); !errors.Is(err, ErrMisuse) {
		t.Errorf("refusing it as a normal entry: %v", err)
	}
	if err := n.SkipConfChange(rd.Committed[0]); err != nil {
		t.Error(err)
	}
	if err := n.SkipConfChange(rd.Committed[0]); !errors.Is(err, ErrMisuse) {
		t.Errorf("refusing it twice: %v", err)
	}
	if err := n.Applied(rd.Committed[0].Index); err != nil || len(n.Conf().Learners) > 0 {
		t.Errorf("after refusing it: %v, %s", err, n.Conf())
	}
}

func second[T any](_ T, err error) error { return err }

func TestConfigurationsThatMakeNoSenseAreRefused(t *testing.T) {
	good := func() *Config {
		return &Config{ID: 1, Storage: NewMemoryStorage(ConfState{Voters: ids(1)}), Rand: rand.New(rand.NewPCG(1, 1))}
	}
	if _, err := NewRawNode(good()); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*Config){
		"no id":                        func(c *Config) { c.ID = 0 },
		"no storage":                   func(c *Config) { c.Storage = nil },
		"no randomness":                func(c *Config) { c.Rand = nil },
		"negative heartbeat":           func(c *Config) { c.HeartbeatTicks = -1 },
		"heartbeat as long as timeout": func(c *Config) { c.HeartbeatTicks = 10 },
		"negative snapshot wait":       func(c *Config) { c.SnapshotTicks = -5 },
		"giant messages":               func(c *Config) { c.MaxMessageBytes = 1 << 40 },
		"negative window":              func(c *Config) { c.MaxInflightMessages = -1 },
		"negative entries":             func(c *Config) { c.MaxEntryBytes = -1 },
		"negative reads":               func(c *Config) { c.MaxPendingReads = -1 },
		"unknown read mode":            func(c *Config) { c.ReadMode = 9 },
		"lease without a promise":      func(c *Config) { c.ReadMode = ReadLease },
		"lease as long as the promise": func(c *Config) { c.ReadMode, c.CheckQuorum, c.LeaseTicks = ReadLease, true, 9 },
		"applied beyond the snapshot":  func(c *Config) { longer(c.Storage); c.Applied = 2 },
		"unsorted membership":          func(c *Config) { c.Conf = &ConfState{Voters: []NodeID{2, 1}} },
		"learner who votes":            func(c *Config) { c.Conf = &ConfState{Voters: ids(2), Learners: ids(1)} },
		"membership without a snapshot": func(c *Config) {
			c.Storage, c.Conf = NewMemoryStorage(ConfState{}), &ConfState{Voters: ids(1)}
		},
	} {
		c := good()
		change(c)
		if _, err := NewRawNode(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func longer(s Storage) { _ = s.(*MemoryStorage).Append([]Entry{{Term: 1, Index: 2}}) }

func TestALogThatLostAcknowledgedEntriesIsRefused(t *testing.T) {
	start := func(hard HardState, applied Index) error {
		st := NewMemoryStorage(ConfState{Voters: ids(1)})
		st.SetHardState(hard)
		conf := ConfState{Voters: ids(1)}
		_, err := NewRawNode(&Config{ID: 1, Storage: st, Rand: rand.New(rand.NewPCG(1, 1)), Applied: applied, Conf: &conf})
		return err
	}
	if err := start(HardState{Term: 3, Commit: 5}, 0); !errors.Is(err, ErrLogLost) {
		t.Errorf("a commit index beyond the log: %v", err)
	}
	if err := start(HardState{Term: 3, Commit: 1}, 5); !errors.Is(err, ErrLogLost) {
		t.Errorf("an applied index beyond the log: %v", err)
	}
	if err := start(HardState{Term: maxTerm + 1}, 0); !errors.Is(err, ErrLogLost) {
		t.Errorf("an absurd term: %v", err)
	}
}

func TestMessagesThatNoHonestMemberSendsAreRefused(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.elect(1)
	n := c.node(2)
	before := n.Status()
	good := Message{Type: MsgApp, To: 2, From: 1, Group: 7, Term: 2, LogTerm: 2, Index: 2}
	entry := func(t Term, i Index) []Entry { return []Entry{{Term: t, Index: i}} }
	for what, x := range map[string]struct {
		edit func(*Message)
		want error
	}{
		"another group":               {func(m *Message) { m.Group = 8 }, ErrWrongGroup},
		"another member":              {func(m *Message) { m.To = 3 }, ErrWrongMember},
		"an unknown type":             {func(m *Message) { m.Type = 99 }, ErrMalformed},
		"nobody":                      {func(m *Message) { m.From = 0 }, ErrMalformed},
		"oneself":                     {func(m *Message) { m.From = 2 }, ErrMalformed},
		"no term":                     {func(m *Message) { m.Term = 0 }, ErrMalformed},
		"an absurd term":              {func(m *Message) { m.Term = 1 << 63 }, ErrMalformed},
		"an absurd index":             {func(m *Message) { m.Index = 1 << 63 }, ErrMalformed},
		"an absurd commit":            {func(m *Message) { m.Commit = 1 << 63 }, ErrMalformed},
		"an entry of the future":      {func(m *Message) { m.Entries = entry(9, 3) }, ErrMalformed},
		"a gap":                       {func(m *Message) { m.Entries = entry(2, 4) }, ErrMalformed},
		"falling terms":               {func(m *Message) { m.Entries = entry(1, 3) }, ErrMalformed},
		"an unknown entry type":       {func(m *Message) { m.Entries = []Entry{{Term: 2, Index: 3, Type: 7}} }, ErrMalformed},
		"a second leader":             {func(m *Message) { m.From = 3 }, ErrMalformed},
		"a snapshot of nothing":       {func(m *Message) { m.Type = MsgSnap }, ErrMalformed},
		"a snapshot without voters":   {func(m *Message) { m.Type, m.Snapshot = MsgSnap, &Snapshot{Index: 9, Term: 2} }, ErrMalformed},
		"a heartbeat beyond the log":  {func(m *Message) { m.Type, m.Commit = MsgHeartbeat, 99 }, ErrLogLost},
		"a proposal that has a term":  {func(m *Message) { m.Type = MsgProp }, ErrMalformed},
		"a proposal of nothing":       {func(m *Message) { m.Type, m.Term = MsgProp, 0 }, ErrMalformed},
		"a read by one who asks none": {func(m *Message) { m.Type, m.Term = MsgReadIndex, 0 }, ErrReadDropped},
	} {
		m := good
		x.edit(&m)
		if err := n.Step(m); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", what, err, x.want)
		}
	}
	if after := n.Status(); after != before {
		t.Errorf("they changed %+v to %+v", before, after)
	}
	answer := Message{Type: MsgAppResp, To: 1, From: 9, Group: 7, Term: 2, Index: 2}
	if err := c.node(1).Step(answer); !errors.Is(err, ErrUnknownMember) {
		t.Errorf("an answer from a stranger: %v", err)
	}
	for _, typ := range []MessageType{MsgProp, MsgReadIndex, MsgTransferLeader} {
		ask := Message{Type: typ, To: 1, From: 9, Group: 7, Context: 2, Entries: []Entry{{Data: []byte("x")}}}
		if err := c.node(1).Step(ask); !errors.Is(err, ErrUnknownMember) {
			t.Errorf("%s from a stranger: %v", typ, err)
		}
	}
	answer.From, answer.Index, answer.Session = 2, 1000, c.node(1).Members()[1].Session
	if err := c.node(1).Step(answer); !errors.Is(err, ErrMalformed) {
		t.Errorf("an acknowledgement beyond the log: %v", err)
	}
}

func TestProposalsOverALimitAreRefused(t *testing.T) {
	c := newCluster(t, 3, func(c *Config) { c.MaxEntryBytes, c.MaxUncommittedBytes = 100, 300 })
	n := c.node(1)
	if err := n.Propose(nil); !errors.Is(err, ErrNoLeader) || !errors.Is(err, ErrProposalDropped) {
		t.Errorf("without a leader: %v", err)
	}
	c.elect(1)
	if err := n.Propose(make([]byte, 101)); !errors.Is(err, ErrEntryTooBig) {
		t.Errorf("too big an entry: %v", err)
	}
	c.drop = func(m Message) bool { return m.To != 1 }
	for range 2 {
		if err := n.Propose(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	c.settle()
	if err := n.Propose(make([]byte, 100)); !errors.Is(err, ErrUncommittedFull) {
		t.Errorf("over the limit of uncommitted bytes: %v", err)
	}
	c.drop = nil
	for range 3 {
		_ = n.Tick()
		c.settle()
	}
	if err := n.Propose(make([]byte, 100)); err != nil {
		t.Errorf("after commitment: %v", err)
	}
	if got := n.Status().UncommittedBytes; got != 124 {
		t.Errorf("uncommitted: %d bytes", got)
	}
}
