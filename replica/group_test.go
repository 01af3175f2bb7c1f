package replica_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/replica"
	"github.com/etalon-kv/etalon/replica/peers"
)

// group is a number of members in this process.
type group struct {
	t       testing.TB
	dir     string
	local   *peers.Net // nil: over TCP
	addrs   map[raft.NodeID]string
	tune    func(*replica.Config)
	members map[raft.NodeID]*running
}

type running struct {
	*replica.Replica
	log   *wal.Log
	state *list
}

func newGroup(t testing.TB, voters int, tcp bool, tune func(*replica.Config)) *group {
	g := &group{t: t, dir: t.TempDir(), tune: tune, members: map[raft.NodeID]*running{}, addrs: map[raft.NodeID]string{}}
	if !tcp {
		g.local = peers.NewNet()
	}
	var founders []raft.NodeID
	for i := range voters {
		founders = append(founders, raft.NodeID(i+1))
	}
	t.Cleanup(func() {
		for _, id := range g.ids() {
			g.stop(id)
		}
	})
	for _, id := range founders {
		g.start(id, newList(founders...), true)
	}
	return g
}

func (g *group) ids() []raft.NodeID {
	var ids []raft.NodeID
	for id := range g.members {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// start starts a member, whose log is where it was when it ran before.
func (g *group) start(id raft.NodeID, state *list, found bool) *running {
	g.t.Helper()
	dir := filepath.Join(g.dir, fmt.Sprint(id))
	cfg := replica.Config{ID: id, Group: 77, Log: openLog(g.t, filepath.Join(dir, "log")), State: state, Found: found,
		Dir: filepath.Join(dir, "images"), TickInterval: 10 * time.Millisecond}
	if g.local == nil { // in real time: leaders must stay leaders on a slow machine
		cfg.TickInterval = 100 * time.Millisecond
	}
	cfg.Transport = g.transport(id)
	if g.tune != nil {
		g.tune(&cfg)
	}
	r, err := replica.Open(cfg)
	must(g.t, err)
	m := &running{r, cfg.Log.(*wal.Log), state}
	g.members[id] = m
	g.setPeers()
	return m
}

func (g *group) transport(id raft.NodeID) replica.Transport {
	if g.local != nil {
		return g.local.Member(id)
	}
	addr := g.addrs[id]
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	must(g.t, err)
	g.addrs[id] = l.Addr().String()
	t, err := peers.NewTCP(peers.Config{ID: id, Group: 77, Listeners: []net.Listener{l}, Addrs: []string{g.addrs[id]}})
	must(g.t, err)
	return t
}

func (g *group) setPeers() {
	var all []peers.Peer
	for id, addr := range g.addrs {
		all = append(all, peers.Peer{ID: id, Addrs: []string{addr}})
	}
	for _, m := range g.members {
		m.SetPeers(all)
	}
}

// stop stops a member and returns its state machine.
func (g *group) stop(id raft.NodeID) *list {
	m := g.members[id]
	delete(g.members, id)
	if err := m.Close(); err != nil && !errors.Is(err, replica.ErrRemoved) {
		g.t.Errorf("member %d: %v", id, err)
	}
	must(g.t, m.log.Close())
	return m.state
}

// leader waits for a leader that knows so.
func (g *group) leader() *running {
	g.t.Helper()
	for {
		for _, id := range g.ids() {
			if l, _ := g.members[id].Leadership(); l.Leads {
				return g.members[id]
			}
		}
		l, changed := g.members[g.ids()[0]].Leadership()
		if m := g.members[l.Leader]; m != nil {
			_, changed = m.Leadership()
		}
		select {
		case <-changed:
		case <-time.After(time.Minute):
			g.t.Fatal("no leader")
		}
	}
}

// put proposes n commands at a member.
func (g *group) put(m *running, name string, n int) {
	g.t.Helper()
	for i := range n {
		_, err := m.Propose(ctx(g.t), fmt.Appendf(nil, "%s %d", name, i))
		must(g.t, err)
	}
}

// equal waits until all members have the same, and checks that it is.
func (g *group) equal() {
	g.t.Helper()
	var n, chain uint64
	for i, id := range g.ids() {
		must(g.t, retry(g.members[id]))
		m, c := g.members[id].state.last()
		if i > 0 && (m != n || c != chain) {
			g.t.Fatalf("member %d has %d commands, hash %x; others %d, %x", id, m, c, n, chain)
		}
		n, chain = m, c
	}
}

// retry reads where leaders change.
func retry(m *running) error {
	for {
		err := m.ReadIndex(context.Background())
		if !errors.Is(err, replica.ErrLeaderChanged) {
			return err
		}
	}
}

func ctx(t testing.TB) context.Context {
	c, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return c
}

func TestThreeMembersAgree(t *testing.T) {
	agree := func(t *testing.T, tcp bool) {
		g := newGroup(t, 3, tcp, nil)
		g.leader()
		var wg sync.WaitGroup
		for _, m := range g.members {
			for c := range 4 {
				wg.Go(func() { g.put(m, fmt.Sprint(c), 50) })
			}
		}
		wg.Wait()
		g.equal()
		if n, _ := g.members[1].state.last(); n != 600 {
			t.Fatalf("%d commands, 600 were acknowledged", n)
		}
	}
	t.Run("tcp=false", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { agree(t, false) }) })
	t.Run("tcp=true", func(t *testing.T) { agree(t, true) })
}
