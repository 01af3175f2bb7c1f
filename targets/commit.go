package targets

import "sync"

// committer carries out the writes that fill adds to a B, and returns when they are as durable as
// the target promises. B is a batch of an engine, or the transactions of a group. Safe for
// concurrent use.
type committer[B any] func(fill func(B)) error

// batching is what a committer needs to know of its B.
type batching[B any] struct {
	make  func() B
	reset func(B)
	// apply carries out what is in a B. One goroutine at a time.
	apply func(B) error
	// full reports that a group takes no more. nil: never.
	full func(B) bool
}

// single carries out every call by an apply of its own, one after the other.
func single[B any](how batching[B]) committer[B] {
	var mu sync.Mutex
	batch := how.make()
	return func(fill func(B)) error {
		mu.Lock()
		defer mu.Unlock()
		how.reset(batch)
		fill(batch)
		return how.apply(batch)
	}
}

// grouped lets calls that wait at the same time share one apply.
func grouped[B any](how batching[B]) committer[B] {
	g := &grouper[B]{how: how, applying: make(chan struct{}, 1)}
	g.open = g.newGroup()
	return g.commit
}

// grouper collects writes into the open group while the one before it is being synced. The first
// writer of a group leads it: it waits for its turn at the backend, closes the group and applies
// it; the others wait for the leader. No goroutine of its own, and no delay when nobody else writes.
type grouper[B any] struct {
	how batching[B]

	// applying holds one value while a group is applied; taken before mu. A channel and not a mutex,
	// so that a test can see who waits (testing/synctest).
	applying chan struct{}

	mu   sync.Mutex // guards open, free and the batch of the open group
	open *group[B]
	free []B // batches of groups that are done
}

type group[B any] struct {
	batch   B
	writers int
	done    chan struct{} // closed when err is final
	err     error
}

func (g *grouper[B]) newGroup() *group[B] {
	next := &group[B]{done: make(chan struct{})}
	if n := len(g.free); n > 0 {
		next.batch, g.free = g.free[n-1], g.free[:n-1]
		g.how.reset(next.batch)
	} else {
		next.batch = g.how.make()
	}
	return next
}

func (g *grouper[B]) commit(fill func(B)) error {
	g.mu.Lock()
	mine := g.open
	leads := mine.writers == 0
	mine.writers++
	fill(mine.batch)
	if g.how.full != nil && g.how.full(mine.batch) {
		g.open = g.newGroup() // what comes next goes into a group of its own
	}
	g.mu.Unlock()

	if !leads {
		<-mine.done
		return mine.err
	}
	g.applying <- struct{}{}
	g.mu.Lock()
	if g.open == mine {
		g.open = g.newGroup()
	}
	g.mu.Unlock()
	mine.err = g.how.apply(mine.batch)
	<-g.applying
	close(mine.done)

	g.mu.Lock()
	g.free = append(g.free, mine.batch)
	g.mu.Unlock()
	return mine.err
}
