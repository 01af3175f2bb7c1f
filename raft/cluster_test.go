package raft

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// cluster is a few members in one place, with a network that loses nothing unless told to.
type cluster struct {
	t     testing.TB
	nodes []*testNode // nodes[i] has id i+1
	// drop, when not nil, says which messages are lost.
	drop func(m Message) bool
	// sent is every message that was delivered or dropped, when trace is set.
	trace bool
	sent  []Message
}

type testNode struct {
	*RawNode
	st      *MemoryStorage
	cfg     Config
	applied []Entry
	reads   []ReadState
}

func ids(n int) []NodeID {
	out := make([]NodeID, n)
	for i := range out {
		out[i] = NodeID(i + 1)
	}
	return out
}

// newCluster founds a group of n voters. change, when not nil, edits every member's Config.
func newCluster(t testing.TB, n int, change func(*Config)) *cluster {
	c := &cluster{t: t}
	for _, id := range ids(n) {
		c.add(id, ConfState{Voters: ids(n)}, change)
	}
	return c
}

func (c *cluster) add(id NodeID, conf ConfState, change func(*Config)) *testNode {
	c.t.Helper()
	st := NewMemoryStorage(conf)
	cfg := Config{ID: id, Group: 7, Storage: st, Rand: rand.New(rand.NewPCG(1, uint64(id)))}
	if change != nil {
		change(&cfg)
	}
	rn, err := NewRawNode(&cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	n := &testNode{RawNode: rn, st: st, cfg: cfg}
	c.nodes = append(c.nodes, n)
	return n
}

func (c *cluster) node(id NodeID) *testNode { return c.nodes[id-1] }

// serve does everything n wants done, once, the way the package comment says.
func (c *cluster) serve(n *testNode) {
	c.t.Helper()
	rd := n.Ready()
	n.write(c.t, &rd)
	for _, m := range rd.Messages {
		c.deliver(m)
	}
	for _, m := range rd.AfterPersist {
		c.deliver(m)
	}
	n.apply(c.t, rd.Committed)
	n.reads = append(n.reads, rd.Reads...)
	if err := n.Advance(rd); err != nil {
		c.t.Fatal(err)
	}
}

// write does not call t.Helper, which would be most of its cost in benchmarks.
func (n *testNode) write(t testing.TB, rd *Ready) {
	if rd.Snapshot != nil {
		if err := n.st.ApplySnapshot(rd.Snapshot); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.st.Append(rd.Entries); err != nil {
		t.Fatal(err)
	}
	if !rd.HardState.Empty() {
		n.st.SetHardState(rd.HardState)
	}
}

func (n *testNode) apply(t testing.TB, entries []Entry) {
	t.Helper()
	for _, e := range entries {
		if e.Type == EntryConfChange {
			if _, err := n.ApplyConfChange(e); err != nil {
				t.Fatal(err)
			}
		}
		n.applied = append(n.applied, e)
	}
}

func (c *cluster) deliver(m Message) {
	if c.trace {
		c.sent = append(c.sent, m)
	}
	if c.drop != nil && c.drop(m) || m.To > NodeID(len(c.nodes)) {
		return
	}
	_ = c.node(m.To).Step(m) // refusals are the receiver's business
}

// settle serves everybody until nobody wants anything.
func (c *cluster) settle() {
	c.t.Helper()
	for range 10_000 {
		busy := false
		for _, n := range c.nodes {
			if n.HasReady() {
				c.serve(n)
				busy = true
			}
		}
		if !busy {
			return
		}
	}
	c.t.Fatal("the cluster does not come to rest")
}

func (c *cluster) elect(id NodeID) {
	c.t.Helper()
	if err := c.node(id).Campaign(); err != nil {
		c.t.Fatal(err)
	}
	c.settle()
	if s := c.node(id).Status(); s.Soft.Role != Leader {
		c.t.Fatalf("%d is %s in term %d, not leader", id, s.Soft.Role, s.Hard.Term)
	}
}

// commands returns what a member applied, without the entries that leaders begin with.
func (n *testNode) commands() []string {
	var out []string
	for _, e := range n.applied {
		if e.Type == EntryNormal && len(e.Data) > 0 {
			out = append(out, string(e.Data))
		}
	}
	return out
}

// testRand returns a source whose seed is printed when the test fails; ETALON_SEED repeats it.
func testRand(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	if s := os.Getenv("ETALON_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("repeat with ETALON_SEED=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}
