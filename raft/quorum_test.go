package raft

import (
	"math/rand/v2"
	"testing"
)

// The twins decide by the definition: a value is reached by a majority if more than half of the
// voters have at least it.

func dumbMajorityMin(values []uint64) uint64 {
	if len(values) == 0 {
		return ^uint64(0)
	}
	best := uint64(0)
	for _, candidate := range values {
		n := 0
		for _, v := range values {
			if v >= candidate {
				n++
			}
		}
		if 2*n > len(values) {
			best = max(best, candidate)
		}
	}
	return best
}

// dumbVote tries all ways in which the missing votes can still fall.
func dumbVote(votes []vote) voteResult {
	if len(votes) == 0 {
		return voteWon
	}
	canWin, canLose := false, false
	missing := 0
	for _, v := range votes {
		if v == voteUnknown {
			missing++
		}
	}
	for ways := range 1 << missing {
		yes, k := 0, 0
		for _, v := range votes {
			if v == voteUnknown {
				if ways>>k&1 == 1 {
					yes++
				}
				k++
			} else if v == voteGranted {
				yes++
			}
		}
		if 2*yes > len(votes) {
			canWin = true
		} else {
			canLose = true
		}
	}
	switch {
	case canWin && canLose:
		return votePending
	case canWin:
		return voteWon
	}
	return voteLost
}

func TestQuorumAgreesWithItsTwinInEveryElectorate(t *testing.T) {
	rng := testRand(t)
	for in := 0; in <= 9; in++ {
		for out := 0; out <= 9; out++ {
			for range 60 {
				compareQuorum(t, rng, in, out)
			}
		}
	}
}

// compareQuorum makes an electorate of in incoming and out outgoing voters, which share some.
func compareQuorum(t *testing.T, rng *rand.Rand, in, out int) {
	t.Helper()
	m := members{incoming: in, outgoing: out}
	shared := rng.IntN(min(in, out) + 1)
	for i := range in + out - shared {
		p := progress{id: NodeID(i + 1), incoming: i < in, outgoing: i >= in-shared,
			match: Index(rng.IntN(6)), vote: vote(rng.IntN(3))}
		m.list = append(m.list, p)
	}
	m.list = append(m.list, progress{id: 99, learner: true, match: 100, vote: voteGranted}) // counts nowhere
	var values [2][]uint64
	var votes [2][]vote
	for _, p := range m.list {
		for e, member := range [2]bool{p.incoming, p.outgoing} {
			if member {
				values[e] = append(values[e], uint64(p.match))
				votes[e] = append(votes[e], p.vote)
			}
		}
	}
	want := min(dumbMajorityMin(values[0]), dumbMajorityMin(values[1]))
	if got := m.quorumMin(func(p *progress) uint64 { return uint64(p.match) }); got != want {
		t.Errorf("matches %d: quorum %d, twin %d", values, got, want)
	}
	wantVote := min(dumbVote(votes[0]), dumbVote(votes[1])) // pending < won
	if dumbVote(votes[0]) == voteLost || dumbVote(votes[1]) == voteLost {
		wantVote = voteLost
	}
	if got := m.tally(); got != wantVote {
		t.Errorf("votes %d: tally %d, twin %d", votes, got, wantVote)
	}
}
