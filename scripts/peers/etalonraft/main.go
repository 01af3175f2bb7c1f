// Command etalonraft does the work of package consensus on Etalon's raft: the simple loop of its
// package comment, with its MemoryStorage.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/scripts/peers/consensus"
)

func main() {
	var plan consensus.Plan
	plan.Flags(flag.CommandLine)
	flag.Parse()
	if err := run(plan); err != nil {
		fmt.Fprintln(os.Stderr, "etalonraft:", err)
		os.Exit(1)
	}
}

func run(plan consensus.Plan) error {
	if err := plan.Validate(); err != nil {
		return err
	}
	g, err := newGroup(plan.Voters)
	if err != nil {
		return err
	}
	return consensus.Run(plan, g, os.Stdout)
}

type node struct {
	*raft.RawNode
	storage *raft.MemoryStorage
	applied int
	cut     raft.Index
}

type group []*node

func newGroup(voters int) (group, error) {
	var conf raft.ConfState
	for i := range voters {
		conf.Voters = append(conf.Voters, raft.NodeID(i+1))
	}
	var g group
	for _, id := range conf.Voters {
		storage := raft.NewMemoryStorage(conf)
		n, err := raft.NewRawNode(&raft.Config{
			ID: id, Storage: storage, Rand: rand.New(rand.NewPCG(1, uint64(id))), PreVote: true, CheckQuorum: true,
			ElectionTicks: consensus.ElectionTick, HeartbeatTicks: consensus.HeartbeatTick,
			MaxMessageBytes: consensus.MaxMessageBytes, MaxInflightMessages: consensus.MaxInflight,
		})
		if err != nil {
			return nil, err
		}
		g = append(g, &node{RawNode: n, storage: storage, cut: 1})
	}
	return g, nil
}

func (g group) Elect() error {
	if err := g[0].Campaign(); err != nil {
		return err
	}
	return g.Pump()
}

func (g group) Propose(data []byte) error { return g[0].Propose(data) }

func (g group) Applied(node int) int { return g[node].applied }

func (g group) Pump() error {
	for busy := true; busy; {
		busy = false
		for _, n := range g {
			if n.HasReady() {
				busy = true
				if err := g.serve(n); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (g group) serve(n *node) error {
	rd := n.Ready()
	if err := g.send(rd.Messages); err != nil {
		return err
	}
	if err := n.storage.Append(rd.Entries); err != nil {
		return err
	}
	if !rd.HardState.Empty() {
		n.storage.SetHardState(rd.HardState)
	}
	if err := g.send(rd.AfterPersist); err != nil {
		return err
	}
	for i := range rd.Committed {
		if len(rd.Committed[i].Data) > 0 {
			n.applied++
		}
	}
	k := len(rd.Committed)
	var last raft.Index
	if k > 0 {
		last = rd.Committed[k-1].Index
	}
	if err := n.Advance(rd); err != nil {
		return err
	}
	if last < n.cut+consensus.CutEvery+consensus.Keep {
		return nil
	}
	n.cut = last - consensus.Keep
	if _, err := n.storage.CreateSnapshot(n.cut, n.Conf(), nil); err != nil {
		return err
	}
	return n.storage.Compact(n.cut)
}

func (g group) send(messages []raft.Message) error {
	for _, m := range messages {
		if err := g[m.To-1].Step(m); err != nil {
			return err
		}
	}
	return nil
}
