package raft

import (
	"fmt"
	"slices"
)

// changed returns the membership that cc makes of c, or ErrBadConfChange. It is a pure function of
// its arguments, so every member comes to the same result.
func changed(c *ConfState, cc *ConfChange) (ConfState, error) {
	if err := cc.check(); err != nil {
		return ConfState{}, err
	}
	switch {
	case cc.Leave() && !c.Joint():
		return ConfState{}, fmt.Errorf("%w: no joint change to end: %s", ErrBadConfChange, c)
	case cc.Leave():
		return left(c), nil
	case c.Joint():
		return ConfState{}, fmt.Errorf("%w: the joint change under way must end first: %s", ErrBadConfChange, c)
	}
	next := c.Clone()
	next.applyChanges(cc.Changes)
	if len(next.Voters) == 0 {
		return ConfState{}, fmt.Errorf("%w: it would remove the last voter", ErrBadConfChange)
	}
	if cc.Transition == TransitionAuto && votersApart(c.Voters, next.Voters) <= 1 {
		return next, nil
	}
	joint := c.Clone()
	joint.VotersOutgoing = slices.Clone(c.Voters)
	joint.AutoLeave = cc.Transition != TransitionExplicit
	joint.applyChanges(cc.Changes)
	return joint, nil
}

// check refuses what makes sense for no membership.
func (c *ConfChange) check() error {
	if c.Transition > TransitionExplicit {
		return fmt.Errorf("%w: transition %d", ErrBadConfChange, c.Transition)
	}
	if len(c.Changes) > maxChanges {
		return fmt.Errorf("%w: %d steps, at most %d are accepted", ErrBadConfChange, len(c.Changes), maxChanges)
	}
	for _, ch := range c.Changes {
		if ch.Type < AddVoter || ch.Type > RemoveNode {
			return fmt.Errorf("%w: %s of node %d", ErrBadConfChange, ch.Type, ch.Node)
		}
		if ch.Node == None {
			return fmt.Errorf("%w: %s of node 0", ErrBadConfChange, ch.Type)
		}
	}
	return nil
}

// applyChanges makes the steps in order. A voter of the outgoing electorate that becomes a learner
// waits in LearnersNext, because it still votes there.
func (c *ConfState) applyChanges(changes []Change) {
	for _, ch := range changes {
		id := ch.Node
		switch ch.Type {
		case AddVoter:
			c.Voters = with(c.Voters, id)
			c.Learners = without(c.Learners, id)
			c.LearnersNext = without(c.LearnersNext, id)
		case AddLearner:
			c.Voters = without(c.Voters, id)
			if slices.Contains(c.VotersOutgoing, id) {
				c.LearnersNext = with(c.LearnersNext, id)
			} else {
				c.Learners = with(c.Learners, id)
			}
		case RemoveNode:
			c.Voters = without(c.Voters, id)
			c.Learners = without(c.Learners, id)
			c.LearnersNext = without(c.LearnersNext, id)
		}
	}
}

// left ends a joint change.
func left(c *ConfState) ConfState {
	next := c.Clone()
	for _, id := range c.LearnersNext {
		next.Learners = with(next.Learners, id)
	}
	next.VotersOutgoing, next.LearnersNext, next.AutoLeave = nil, nil, false
	return next
}

// check refuses a membership that changed could not have made.
func (c *ConfState) check() error {
	if len(c.Voters) == 0 {
		if len(c.VotersOutgoing)+len(c.Learners)+len(c.LearnersNext) > 0 || c.AutoLeave {
			return fmt.Errorf("%w: membership without voters: %s", ErrMalformed, c)
		}
		return nil
	}
	for _, ids := range [][]NodeID{c.Voters, c.VotersOutgoing, c.Learners, c.LearnersNext} {
		if len(ids) > maxMembers {
			return fmt.Errorf("%w: membership of %d, at most %d are accepted", ErrMalformed, len(ids), maxMembers)
		}
		for i, id := range ids {
			if id == None || i > 0 && id <= ids[i-1] {
				return fmt.Errorf("%w: membership list is not sorted, unique and without 0: %s", ErrMalformed, c)
			}
		}
	}
	for _, id := range c.Learners {
		if slices.Contains(c.Voters, id) || slices.Contains(c.VotersOutgoing, id) {
			return fmt.Errorf("%w: %d is voter and learner: %s", ErrMalformed, id, c)
		}
	}
	for _, id := range c.LearnersNext {
		if !slices.Contains(c.VotersOutgoing, id) || slices.Contains(c.Voters, id) {
			return fmt.Errorf("%w: %d becomes a learner but is no outgoing voter: %s", ErrMalformed, id, c)
		}
	}
	if c.AutoLeave && !c.Joint() {
		return fmt.Errorf("%w: autoleave without a joint change: %s", ErrMalformed, c)
	}
	return nil
}

func with(ids []NodeID, id NodeID) []NodeID {
	i, found := slices.BinarySearch(ids, id)
	if found {
		return ids
	}
	return slices.Insert(ids, i, id)
}

func without(ids []NodeID, id NodeID) []NodeID {
	i, found := slices.BinarySearch(ids, id)
	if !found {
		return ids
	}
	return slices.Delete(ids, i, i+1)
}

// votersApart returns how many voters are in one of the electorates only.
func votersApart(a, b []NodeID) int {
	n := 0
	for _, id := range a {
		if !slices.Contains(b, id) {
			n++
		}
	}
	for _, id := range b {
		if !slices.Contains(a, id) {
			n++
		}
	}
	return n
}
