package raft

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nodeGroup runs Nodes with a consumer each, which hands messages over by call.
type nodeGroup struct {
	nodes   []*Node
	storage []*MemoryStorage
	applied []chan string
	wg      sync.WaitGroup
}

func startNodes(t *testing.T, n int) *nodeGroup {
	g := &nodeGroup{}
	for _, id := range ids(n) {
		st := NewMemoryStorage(ConfState{Voters: ids(n)})
		node, err := StartNode(&Config{ID: id, Storage: st, Rand: rand.New(rand.NewPCG(2, uint64(id)))})
		if err != nil {
			t.Fatal(err)
		}
		g.nodes, g.storage = append(g.nodes, node), append(g.storage, st)
		g.applied = append(g.applied, make(chan string, 1000))
	}
	for i := range g.nodes {
		g.wg.Add(1)
		go g.consume(i)
	}
	t.Cleanup(func() {
		for _, n := range g.nodes {
			n.Stop()
		}
		g.wg.Wait()
	})
	return g
}

func (g *nodeGroup) consume(i int) {
	defer g.wg.Done()
	n := g.nodes[i]
	send := func(ms []Message) {
		for _, m := range ms {
			_ = g.nodes[m.To-1].Step(context.Background(), m)
		}
	}
	for {
		select {
		case rd := <-n.Ready():
			send(rd.Messages)
			_ = g.storage[i].Append(rd.Entries)
			if !rd.HardState.Empty() {
				g.storage[i].SetHardState(rd.HardState)
			}
			send(rd.AfterPersist)
			for _, e := range rd.Committed {
				if e.Type == EntryConfChange {
					_, _ = n.ApplyConfChange(e)
				}
				if len(e.Data) > 0 {
					g.applied[i] <- string(e.Data)
				}
			}
			_ = n.Advance(rd)
		case <-n.Done():
			return
		}
	}
}

func TestNodesReplicateOverChannels(t *testing.T) {
	g := startNodes(t, 3)
	ctx := context.Background()
	if err := g.nodes[0].Campaign(ctx); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprint("c", i))
		for errors.Is(g.nodes[0].Propose(ctx, []byte(want[i])), ErrNoLeader) { // until it is elected
			g.nodes[0].Tick()
		}
	}
	for i := range g.nodes {
		var got []string
		for range want {
			got = append(got, <-g.applied[i])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d applied %q", i+1, got)
		}
	}
}

func TestAStoppedNodeAnswersEveryCallWithErrStopped(t *testing.T) {
	g := startNodes(t, 1)
	n := g.nodes[0]
	n.Stop()
	n.Stop()
	_, _, err := n.Status()
	_, errApply := n.ApplyConfChange(Entry{Type: EntryConfChange})
	for _, err := range []error{err, errApply, n.Propose(context.Background(), nil), n.Step(context.Background(), Message{}),
		n.Persisted(1), n.Applied(1), n.Advance(Ready{}), n.Err()} {
		if !errors.Is(err, ErrStopped) {
			t.Errorf("%v", err)
		}
	}
}

func TestACallGivesUpWhenItsContextEnds(t *testing.T) {
	n := &Node{calls: make(chan nodeCall), done: make(chan struct{})} // nobody serves it
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := n.Propose(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestFirstStartsAndRestartsAreToldApart(t *testing.T) {
	cfg := func(st Storage) *Config { return &Config{ID: 1, Storage: st, Rand: rand.New(rand.NewPCG(1, 1))} }
	if _, err := RestartNode(cfg(NewMemoryStorage(ConfState{}))); !errors.Is(err, ErrLogLost) {
		t.Errorf("restart on an empty storage: %v", err)
	}
	used := NewMemoryStorage(ConfState{Voters: ids(3)})
	used.SetHardState(HardState{Term: 4, Commit: 1})
	if _, err := StartNode(cfg(used)); !errors.Is(err, ErrConfig) {
		t.Errorf("first start on a used storage: %v", err)
	}
	n, err := RestartNode(cfg(used))
	if err != nil {
		t.Fatal(err)
	}
	n.Stop()
}

func TestAStorageErrorStopsTheNode(t *testing.T) {
	st := &failingStorage{Storage: NewMemoryStorage(ConfState{Voters: ids(1)})}
	n, err := StartNode(&Config{ID: 1, Storage: st, Rand: rand.New(rand.NewPCG(1, 1))})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	if err := n.call(context.Background(), func(rn *RawNode) error { return rn.r.fail("reading", errDisk) }); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
	if err := n.Err(); !errors.Is(err, ErrStopped) || !errors.Is(err, errDisk) {
		t.Errorf("stopped with %v", err)
	}
}
