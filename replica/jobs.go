package replica

import "sync"

// jobs is a queue from one goroutine to another, who takes all that waits at once. It is not bounded
// here: what the core gives out before it is acknowledged is.
type jobs[T any] struct {
	mu     sync.Mutex
	some   sync.Cond
	list   []T
	closed bool
}

func newJobs[T any]() *jobs[T] {
	j := &jobs[T]{}
	j.some.L = &j.mu
	return j
}

func (j *jobs[T]) put(job T) {
	j.mu.Lock()
	j.list = append(j.list, job)
	j.mu.Unlock()
	j.some.Signal()
}

// take waits for jobs, or the end. It returns what there is in place of used.
func (j *jobs[T]) take(used []T) []T {
	clear(used)
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.list) == 0 && !j.closed {
		j.some.Wait()
	}
	all := j.list
	j.list = used[:0]
	return all
}

// close lets take return nothing once the queue is empty.
func (j *jobs[T]) close() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.some.Broadcast()
}
