package raft

import (
	"fmt"
	"slices"
	"testing"
)

func TestEveryMemberAppliesWhatTheLeaderWasTold(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 7} {
		c := newCluster(t, n, nil)
		c.elect(1)
		var want []string
		for i := range 10 {
			want = append(want, fmt.Sprint("command ", i))
			if err := c.node(1).Propose([]byte(want[i])); err != nil {
				t.Fatal(err)
			}
		}
		c.settle()
		for _, node := range c.nodes {
			if got := node.commands(); !slices.Equal(got, want) {
				t.Errorf("%d members: %d applied %q, want %q", n, node.Status().ID, got, want)
			}
		}
	}
}
