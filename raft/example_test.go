package raft_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/etalon-kv/etalon/raft"
)

// A group of one member: it elects itself, and what it is told comes back to be applied.
func ExampleRawNode() {
	storage := raft.NewMemoryStorage(raft.ConfState{Voters: []raft.NodeID{1}})
	node, err := raft.NewRawNode(&raft.Config{ID: 1, Storage: storage, Rand: rand.New(rand.NewPCG(1, 1))})
	if err != nil {
		fmt.Println(err)
		return
	}
	serve := func() {
		for node.HasReady() {
			rd := node.Ready()
			// Messages to other members would be sent here.
			if err := storage.Append(rd.Entries); err != nil {
				fmt.Println(err)
				return
			}
			if !rd.HardState.Empty() {
				storage.SetHardState(rd.HardState)
			}
			// A real log syncs here, if rd.MustSync; then rd.AfterPersist would be sent.
			for _, e := range rd.Committed {
				if len(e.Data) > 0 {
					fmt.Printf("apply %d/%d: %s\n", e.Term, e.Index, e.Data)
				}
			}
			if err := node.Advance(rd); err != nil {
				fmt.Println(err)
				return
			}
		}
	}
	if err := node.Campaign(); err != nil {
		fmt.Println(err)
	}
	serve()
	for _, text := range []string{"hello", "world"} {
		if err := node.Propose([]byte(text)); err != nil {
			fmt.Println(err)
		}
	}
	serve()
	fmt.Println(node.Status().Soft.Role, "at", node.Status().Applied)
	// Output:
	// apply 2/3: hello
	// apply 2/4: world
	// leader at 4
}
