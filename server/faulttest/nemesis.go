package faulttest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// nemesis makes faults, one after the other, from a seed.
type nemesis struct {
	c     *cluster
	r     *rand.Rand
	deck  []fault        // those that were not made since all were
	done  map[string]int // faults by name
	trace func(format string, args ...any)
}

// fault is one thing that can go wrong; it lasts until the cluster is healed.
type fault struct {
	name string
	do   func(n *nemesis)
	// with, in place of do, is done until ctx ends or there is an error.
	with func(ctx context.Context, n *nemesis) error
	// long: it lasts until the others have cut their logs, so that only a snapshot helps.
	long bool
	// group: it takes several members.
	group bool
}

var faults = []fault{
	{name: "kill one", do: func(n *nemesis) { n.any().kill() }},
	{name: "kill one for long", long: true, group: true, do: func(n *nemesis) { n.any().kill() }},
	{name: "replace one", group: true, with: func(ctx context.Context, n *nemesis) error { return n.c.replace(ctx, n.any()) }},
	{name: "kill a majority", do: func(n *nemesis) {
		for _, i := range n.r.Perm(len(n.c.members))[:len(n.c.members)/2+1] {
			n.c.members[i].kill()
		}
	}},
	{name: "kill all", do: func(n *nemesis) {
		for _, m := range n.c.members {
			m.kill()
		}
	}},
	{name: "pause one", do: func(n *nemesis) { n.any().pause() }},
	{name: "isolate one", group: true, do: func(n *nemesis) {
		lone := n.any().index
		n.c.links.sever(n.r.IntN(2) == 0, func(i, j int) bool { return i == lone || j == lone })
	}},
	{name: "cut one pair", group: true, do: func(n *nemesis) {
		p := n.r.Perm(len(n.c.members))
		a, b := p[0], p[len(p)-1]
		n.c.links.sever(n.r.IntN(2) == 0, func(i, j int) bool { return i == a && j == b || i == b && j == a })
	}},
	{name: "cut one way", group: true, do: func(n *nemesis) {
		lone, out := n.any().index, n.r.IntN(2) == 0
		n.c.links.sever(n.r.IntN(2) == 0, func(i, j int) bool { return out && i == lone || !out && j == lone })
	}},
	{name: "pause one and kill another", group: true, do: func(n *nemesis) {
		p := n.r.Perm(len(n.c.members))
		n.c.members[p[0]].pause()
		n.c.members[p[len(p)-1]].kill()
	}},
}

// longFault is how long a long one lasts: clients make some hundred entries in it.
const longFault = 4 * time.Second

// draw takes the next fault, so that each comes before one comes again.
func (n *nemesis) draw() fault {
	if len(n.deck) == 0 {
		for _, i := range n.r.Perm(len(faults)) {
			if len(n.c.members) > 1 || !faults[i].group {
				n.deck = append(n.deck, faults[i])
			}
		}
	}
	f := n.deck[0]
	n.deck = n.deck[1:]
	return f
}

func (n *nemesis) any() *member { return n.c.members[n.r.IntN(len(n.c.members))] }

// run makes faults until ctx ends, and heals. Its pauses are what the test takes its time for.
func (n *nemesis) run(ctx context.Context) error {
	for pause(ctx, n.between(500, 1500)) {
		f := n.draw()
		n.trace("fault: %s", f.name)
		n.done[f.name]++
		if f.with == nil {
			f.do(n)
		} else if err := f.with(ctx, n); err != nil && ctx.Err() == nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if f.long {
			pause(ctx, longFault)
		} else {
			pause(ctx, n.between(300, 2500))
		}
		if err := n.c.died(); err != nil {
			return err
		}
		if err := n.c.heal(); err != nil {
			return fmt.Errorf("healing: %w", err)
		}
	}
	return n.c.heal()
}

func (n *nemesis) between(loMS, hiMS int) time.Duration {
	return time.Duration(loMS+n.r.IntN(hiMS-loMS)) * time.Millisecond
}

// pause waits for d; false if ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
