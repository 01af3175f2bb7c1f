package raft

import "slices"

// voteResult is what an electorate has decided so far.
type voteResult uint8

const (
	votePending voteResult = iota
	voteWon
	voteLost
)

// majorityOf returns how many of n voters decide.
func majorityOf(n int) int { return n/2 + 1 }

// majorityMin returns the highest value that a majority has reached: values[k] after sorting, such
// that a majority of the values is at least as high. It reorders values. An empty electorate agrees
// with anything: it returns the highest value there is, so that it never decides in a joint quorum.
func majorityMin(values []uint64) uint64 {
	n := len(values)
	if n == 0 {
		return ^uint64(0)
	}
	if n <= 8 { // insertion sort: no call, no allocation
		for i := 1; i < n; i++ {
			for j := i; j > 0 && values[j] < values[j-1]; j-- {
				values[j], values[j-1] = values[j-1], values[j]
			}
		}
	} else {
		slices.Sort(values)
	}
	return values[n-majorityOf(n)]
}

// majorityVote counts an electorate of n voters of which granted said yes and rejected said no. An
// empty electorate has won.
func majorityVote(n, granted, rejected int) voteResult {
	switch {
	case n == 0 || granted >= majorityOf(n):
		return voteWon
	case n-rejected < majorityOf(n):
		return voteLost
	}
	return votePending
}

// bothVote joins the decisions of the two electorates of a joint configuration: both must be won,
// and one lost is enough to lose (thesis §4.3).
func bothVote(a, b voteResult) voteResult {
	switch {
	case a == voteLost || b == voteLost:
		return voteLost
	case a == voteWon && b == voteWon:
		return voteWon
	}
	return votePending
}
