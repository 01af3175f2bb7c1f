package targets

import (
	"sync"

	"github.com/etalon-kv/etalon/engine"
)

// commitFunc applies the writes that fill puts into a batch, and returns when they are as durable
// as the target promises. Safe for concurrent use.
type commitFunc func(fill func(engine.Batch)) error

// single commits every call by an Apply of its own, one after the other.
func single(b engine.Backend, durable bool) commitFunc {
	var mu sync.Mutex
	batch := b.NewBatch()
	return func(fill func(engine.Batch)) error {
		mu.Lock()
		defer mu.Unlock()
		batch.Reset()
		fill(batch)
		return b.Apply(batch, durable)
	}
}

// grouped lets calls that wait at the same time share one synced Apply.
func grouped(b engine.Backend) commitFunc {
	g := &grouper{backend: b, caps: b.Caps(), applying: make(chan struct{}, 1)}
	g.open = g.newGroup()
	return g.commit
}

// grouper collects writes into the open group while the one before it is being synced. The first
// writer of a group leads it: it waits for its turn at the backend, closes the group and applies
// it; the others wait for the leader. No goroutine of its own, and no delay when nobody else writes.
type grouper struct {
	backend engine.Backend
	caps    engine.Caps

	// applying holds one value while a group is applied; taken before mu. A channel and not a mutex,
	// so that a test can see who waits (testing/synctest).
	applying chan struct{}

	mu   sync.Mutex // guards open, free and the batch of the open group
	open *group
	free []engine.Batch // batches of groups that are done
}

type group struct {
	batch   engine.Batch
	writers int
	done    chan struct{} // closed when err is final
	err     error
}

func (g *grouper) newGroup() *group {
	next := &group{done: make(chan struct{})}
	if n := len(g.free); n > 0 {
		next.batch, g.free = g.free[n-1], g.free[:n-1]
		next.batch.Reset()
	} else {
		next.batch = g.backend.NewBatch()
	}
	return next
}

func (g *grouper) commit(fill func(engine.Batch)) error {
	g.mu.Lock()
	mine := g.open
	leads := mine.writers == 0
	mine.writers++
	fill(mine.batch)
	if g.full(mine.batch) {
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
	mine.err = g.backend.Apply(mine.batch, true)
	<-g.applying
	close(mine.done)

	g.mu.Lock()
	g.free = append(g.free, mine.batch)
	g.mu.Unlock()
	return mine.err
}

// full reports whether a batch has reached half of what the backend takes at once: the next
// writer's share may be as large as all that is in it.
func (g *grouper) full(b engine.Batch) bool {
	return g.caps.MaxBatchBytes > 0 && int64(b.SizeBytes()) >= g.caps.MaxBatchBytes/2 ||
		g.caps.MaxBatchOps > 0 && int64(b.Len()) >= g.caps.MaxBatchOps/2
}
