// Command etcdraft does the work of package consensus on go.etcd.io/raft: the loop of its README, with
// its MemoryStorage.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"os"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/etalon-kv/etalon/scripts/peers/consensus"
)

func main() {
	var plan consensus.Plan
	plan.Flags(flag.CommandLine)
	flag.Parse()
	raft.SetLogger(&raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)})
	if err := run(plan); err != nil {
		fmt.Fprintln(os.Stderr, "etcdraft:", err)
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
	cut     uint64
}

type group []*node

func newGroup(voters int) (group, error) {
	var ids []uint64
	for i := range voters {
		ids = append(ids, uint64(i+1))
	}
	var g group
	for _, id := range ids {
		storage := raft.NewMemoryStorage()
		founding := &pb.Snapshot{Metadata: &pb.SnapshotMetadata{
			Index: new(uint64(1)), Term: new(uint64(1)), ConfState: &pb.ConfState{Voters: ids}}}
		if err := storage.ApplySnapshot(founding); err != nil {
			return nil, err
		}
		n, err := raft.NewRawNode(&raft.Config{
			ID: id, Storage: storage, Applied: 1, PreVote: true, CheckQuorum: true,
			ElectionTick: consensus.ElectionTick, HeartbeatTick: consensus.HeartbeatTick,
			MaxSizePerMsg: consensus.MaxMessageBytes, MaxInflightMsgs: consensus.MaxInflight,
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
	if !raft.IsEmptyHardState(rd.HardState) {
		if err := n.storage.SetHardState(rd.HardState); err != nil {
			return err
		}
	}
	if err := n.storage.Append(rd.Entries); err != nil {
		return err
	}
	for _, m := range rd.Messages {
		if err := g[m.GetTo()-1].Step(m); err != nil {
			return err
		}
	}
	for i := range rd.CommittedEntries {
		if len(rd.CommittedEntries[i].Data) > 0 {
			n.applied++
		}
	}
	k := len(rd.CommittedEntries)
	var last uint64
	if k > 0 {
		last = rd.CommittedEntries[k-1].GetIndex()
	}
	n.Advance(rd)
	if last < n.cut+consensus.CutEvery+consensus.Keep {
		return nil
	}
	n.cut = last - consensus.Keep
	return n.storage.Compact(n.cut)
}
