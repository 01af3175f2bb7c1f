package raft

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestStories plays the histories in testdata/stories. A command is one line; its output shows what
// members do (write, apply, become) and every message when it arrives:
//
//	group voters=3 [prevote] [checkquorum] [lease] [noforward] [small] [spare=1]   found a group; spares are no
//	                              members yet; small: one entry a message
//	campaign N | propose N TEXT | read N ID | transfer N TO | forget N | tick N [TICKS]
//	change N [explicit|implicit] [voter=ID] [learner=ID] [remove=ID] …     propose a membership change; nothing = leave
//	settle                        everybody does all there is to do, until nothing is left
//	take N                        N gives out a Ready: messages that need no disk leave
//	persist N                     what N gave out becomes durable: its promises leave, it applies
//	deliver [FROM TO]             messages under way (between the two) arrive
//	lose [FROM TO]                or do not
//	hold FROM TO | release        messages between the two wait until released
//	crash N | restart N           what is not durable is gone
//	cut N | heal                  nothing gets to N or away from it, until healed
//	compact N INDEX               N makes a snapshot and cuts its log
//	wipe N                        N comes back with an empty disk
//	refuse N                      N finds the snapshot that is under way to it damaged
//	status | members N | log N
//
// go test -run TestStories -rewrite writes the outputs anew.
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		s := &story{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			s.out.Reset()
			s.play(d)
			if s.out.Len() == 0 {
				return "ok\n"
			}
			return s.out.String()
		})
	})
}

type story struct {
	t     *testing.T
	nodes []*storyNode
	cfg   Config
	net   []Message
	cut   map[NodeID]bool
	held  map[[2]NodeID]bool
	out   strings.Builder
}

type storyNode struct {
	id   NodeID
	rn   *RawNode
	st   *MemoryStorage
	hot  []diskWrite
	conf ConfState
	at   Index
	wild uint64
}

func (s *story) say(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

// play runs one command. Its words are numbers, but for the text of a proposal.
func (s *story) play(d *datadriven.TestData) {
	words := []string{}
	pairs := map[string][]string{}
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 {
			words = append(words, a.Key)
		} else {
			pairs[a.Key] = a.Vals
		}
	}
	if d.Cmd == "group" {
		s.found(words, pairs)
		return
	}
	nums := make([]uint64, 2) // absent ones are 0
	for i := range min(2, len(words)) {
		nums[i], _ = strconv.ParseUint(words[i], 10, 64)
	}
	var n *storyNode
	if nums[0] > 0 {
		n = s.nodes[nums[0]-1]
	}
	if !s.playNetwork(d.Cmd, NodeID(nums[0]), NodeID(nums[1])) && !s.playCall(d, n, words, nums[1]) &&
		!s.playMachine(d.Cmd, n, nums[1]) {
		d.Fatalf(s.t, "unknown command %s", d.Cmd)
	}
}

// playNetwork runs the commands about messages under way.
func (s *story) playNetwork(cmd string, from, to NodeID) bool {
	switch cmd {
	case "settle":
		s.settle()
	case "deliver":
		s.deliver(from, to)
	case "lose":
		s.net = slices.DeleteFunc(s.net, func(m Message) bool { return from == None || m.From == from && m.To == to })
	case "hold":
		s.held[[2]NodeID{from, to}] = true
	case "release":
		clear(s.held)
	case "cut":
		s.cut[from] = true
	case "heal":
		clear(s.cut)
	case "status":
		s.status()
	default:
		return false
	}
	return true
}

// playCall runs the commands that are calls of a RawNode.
func (s *story) playCall(d *datadriven.TestData, n *storyNode, words []string, arg uint64) bool {
	switch d.Cmd {
	case "campaign":
		s.refused(n.rn.Campaign())
	case "propose":
		s.refused(n.rn.Propose([]byte(strings.Join(words[1:], " "))))
	case "read":
		s.refused(n.rn.ReadIndex(arg))
	case "transfer":
		s.refused(n.rn.TransferLeader(NodeID(arg)))
	case "forget":
		s.refused(n.rn.ForgetLeader())
	case "tick":
		for range max(1, arg) {
			s.refused(n.rn.Tick())
		}
	case "change":
		s.change(n, d)
	case "refuse":
		i := slices.IndexFunc(s.net, func(m Message) bool { return m.Type == MsgSnap && m.To == n.id })
		s.refused(n.rn.RefuseSnapshot(s.net[i]))
		s.net = slices.Delete(s.net, i, i+1)
	default:
		return false
	}
	return true
}

// playMachine runs the commands about what a member runs on.
func (s *story) playMachine(cmd string, n *storyNode, arg uint64) bool {
	switch cmd {
	case "take":
		s.take(n)
	case "persist":
		s.persist(n)
	case "crash":
		n.rn, n.hot = nil, nil
	case "restart":
		s.start(n)
	case "compact":
		_, err := n.st.CreateSnapshot(Index(arg), n.conf, nil)
		s.refused(err)
		s.refused(n.st.Compact(Index(arg)))
	case "wipe":
		n.st, n.hot, n.at, n.conf = NewMemoryStorage(ConfState{}), nil, 0, ConfState{}
		s.start(n)
	case "members":
		for _, m := range n.rn.Members() {
			s.say("%d %s match=%d next=%d paused=%t session=%d", m.ID, m.State, m.Match, m.Next, m.Paused, m.Session)
		}
	case "log":
		s.log(n)
	default:
		return false
	}
	return true
}

func (s *story) refused(err error) {
	if err != nil {
		s.say("%v", err)
	}
}

func (s *story) found(words []string, pairs map[string][]string) {
	voters, _ := strconv.Atoi(pairs["voters"][0])
	spare := 0
	if v := pairs["spare"]; v != nil {
		spare, _ = strconv.Atoi(v[0])
	}
	*s = story{t: s.t, cut: map[NodeID]bool{}, held: map[[2]NodeID]bool{}}
	s.cfg = Config{Group: 1, PreVote: slices.Contains(words, "prevote"), CheckQuorum: slices.Contains(words, "checkquorum"),
		NoForward: slices.Contains(words, "noforward")}
	if slices.Contains(words, "small") {
		s.cfg.MaxMessageBytes = 1
	}
	if slices.Contains(words, "lease") {
		s.cfg.CheckQuorum, s.cfg.ReadMode = true, ReadLease
	}
	for i := range voters + spare {
		n := &storyNode{id: NodeID(i + 1)}
		if i < voters {
			n.conf, n.at = ConfState{Voters: ids(voters)}, 1
		}
		n.st = NewMemoryStorage(n.conf)
		s.nodes = append(s.nodes, n)
		s.start(n)
	}
}

// start runs n on what is durable. Its state machine is in memory: it applies the log anew.
func (s *story) start(n *storyNode) {
	stored, _ := n.st.InitialState()
	n.at, n.conf = stored.SnapshotIndex, stored.Conf
	n.wild++
	cfg := s.cfg
	cfg.ID, cfg.Storage, cfg.Rand = n.id, n.st, rand.New(rand.NewPCG(n.wild, uint64(n.id)))
	rn, err := NewRawNode(&cfg)
	if err != nil {
		s.say("%v", err)
		return
	}
	n.rn = rn
}

func (s *story) change(n *storyNode, d *datadriven.TestData) {
	var cc ConfChange
	for _, a := range d.CmdArgs[1:] {
		t := map[string]ChangeType{"voter": AddVoter, "learner": AddLearner, "remove": RemoveNode}[a.Key]
		for _, v := range a.Vals {
			id, _ := strconv.ParseUint(v, 10, 64)
			cc.Changes = append(cc.Changes, Change{t, NodeID(id)})
		}
		switch a.Key {
		case "explicit":
			cc.Transition = TransitionExplicit
		case "implicit":
			cc.Transition = TransitionImplicit
		}
	}
	s.refused(n.rn.ProposeConfChange(cc))
}

func (s *story) settle() {
	for range 100 {
		busy := len(s.net) > 0
		for _, n := range s.nodes {
			if n.rn != nil && (n.rn.HasReady() || len(n.hot) > 0) {
				s.take(n)
				s.persist(n)
				busy = true
			}
		}
		before := len(s.net)
		s.deliver(None, None)
		if !busy || before > 0 && before == len(s.net) {
			return
		}
	}
	s.say("no rest")
}

func (s *story) take(n *storyNode) {
	if !n.rn.HasReady() {
		return
	}
	rd := n.rn.Ready()
	if rd.SoftChanged {
		s.say("%d is %s in term %d, leader %d", n.id, rd.Soft.Role, n.rn.Status().Hard.Term, rd.Soft.Leader)
	}
	for _, r := range rd.Reads {
		s.say("%d may serve read %d at %d", n.id, r.ID, r.Index)
	}
	s.net = append(s.net, rd.Messages...)
	n.hot = append(n.hot, diskWrite{rd, slices.Clone(rd.AfterPersist)})
}

func (s *story) persist(n *storyNode) {
	for _, d := range n.hot {
		rd := d.rd
		if sn := rd.Snapshot; sn != nil {
			s.say("%d installs snapshot %d/%d", n.id, sn.Term, sn.Index)
			s.refused(n.st.ApplySnapshot(sn))
			n.at, n.conf = sn.Index, sn.Conf
		}
		s.refused(n.st.Append(rd.Entries))
		if k := len(rd.Entries); k > 0 {
			s.say("%d writes entries [%d, %d]", n.id, rd.Entries[0].Index, rd.Entries[k-1].Index)
		}
		if h := rd.HardState; !h.Empty() {
			n.st.SetHardState(h)
			if rd.MustSync {
				s.say("%d writes term=%d vote=%d commit=%d", n.id, h.Term, h.Vote, h.Commit)
			}
		}
		s.net = append(s.net, d.after...)
		s.refused(n.rn.Persisted(rd.Number))
		for _, e := range rd.Committed {
			s.apply(n, e)
		}
	}
	n.hot = nil
}

func (s *story) apply(n *storyNode, e Entry) {
	n.at = e.Index
	switch {
	case e.Type == EntryConfChange:
		conf, err := n.rn.ApplyConfChange(e)
		s.refused(err)
		n.conf = conf
		s.say("%d applies %d/%d: %s", n.id, e.Term, e.Index, conf)
	case len(e.Data) > 0:
		s.say("%d applies %d/%d %q", n.id, e.Term, e.Index, e.Data)
	}
	s.refused(n.rn.Applied(e.Index))
}

func (s *story) deliver(from, to NodeID) {
	net := s.net
	s.net = nil
	for _, m := range net {
		if s.held[[2]NodeID{m.From, m.To}] || from != None && (m.From != from || m.To != to) {
			s.net = append(s.net, m)
			continue
		}
		if s.cut[m.From] || s.cut[m.To] || s.nodes[m.To-1].rn == nil {
			continue
		}
		s.say("%s", m)
		if err := s.nodes[m.To-1].rn.Step(m); err != nil {
			s.say("  %v", err)
		}
	}
}

func (s *story) status() {
	for _, n := range s.nodes {
		if n.rn == nil {
			s.say("%d is down", n.id)
			continue
		}
		st := n.rn.Status()
		s.say("%d %s term=%d vote=%d leader=%d last=%d stable=%d commit=%d applied=%d %s", n.id, st.Soft.Role, st.Hard.Term,
			st.Hard.Vote, st.Soft.Leader, st.Last, st.Stable, st.Hard.Commit, st.Applied, n.rn.Conf())
	}
}

func (s *story) log(n *storyNode) {
	for i := Index(1); i <= n.rn.Status().Last; i++ {
		if es, err := n.rn.r.log.read(i, i+1, 1); err == nil {
			s.say("%d/%d %s %q", es[0].Term, i, es[0].Type, es[0].Data)
		}
	}
}
