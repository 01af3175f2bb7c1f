package sim

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// World is virtual time and what will happen in it. It must be used by one goroutine.
type World struct {
	seed   uint64
	now    time.Duration
	queue  []event // a binary heap
	seq    uint64
	events uint64
	trace  uint64
	points map[string]int
}

// event is a function to be called at a time. seq orders those of the same time. With a host it is of
// the process that was the host's life-th, and happens only to that one.
type event struct {
	at   time.Duration
	seq  uint64
	fn   func()
	host *Host
	life uint64
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// New returns an empty world at time 0.
func New(seed uint64) *World {
	return &World{seed: seed, trace: 14695981039346656037, points: map[string]int{}}
}

// Seed returns what the world was made with.
func (w *World) Seed() uint64 { return w.seed }

// Now returns the time since the beginning, of the world and not of any host's clock.
func (w *World) Now() time.Duration { return w.now }

// Rand returns a new stream of random numbers that depends on the seed and the purpose only. Two calls
// with the same purpose return equal streams.
func (w *World) Rand(purpose string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

// After schedules fn; a negative d counts as 0.
func (w *World) After(d time.Duration, fn func()) { w.push(event{at: w.now + max(d, 0), fn: fn}) }

func (w *World) push(e event) {
	w.seq++
	e.seq = w.seq
	w.queue = append(w.queue, e)
	for i := len(w.queue) - 1; i > 0; {
		parent := (i - 1) / 2
		if !w.queue[i].before(&w.queue[parent]) {
			break
		}
		w.queue[i], w.queue[parent] = w.queue[parent], w.queue[i]
		i = parent
	}
}

// Step lets the next event happen. False: nothing will ever happen again.
func (w *World) Step() bool {
	if len(w.queue) == 0 {
		return false
	}
	e := w.pop()
	w.now = e.at
	w.events++
	w.mix(uint64(e.at))
	w.mix(e.seq)
	switch {
	case e.host == nil:
		e.fn()
	case e.host.life == e.life:
		e.host.do(e.fn)
	}
	return true
}

func (w *World) pop() event {
	q := w.queue
	top, last := q[0], len(q)-1
	q[0], q[last] = q[last], event{}
	w.queue = q[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return top
		}
		if child+1 < last && q[child+1].before(&q[child]) {
			child++
		}
		if !q[child].before(&q[i]) {
			return top
		}
		q[i], q[child] = q[child], q[i]
		i = child
	}
}

// RunUntil lets everything happen that is due up to t, and then it is t.
func (w *World) RunUntil(t time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= t {
		w.Step()
	}
	w.now = max(w.now, t)
}

// Events returns how many events happened.
func (w *World) Events() uint64 { return w.events }

// Pending returns how many are scheduled.
func (w *World) Pending() int { return len(w.queue) }

// Note makes what happened part of the trace.
func (w *World) Note(what string, values ...uint64) {
	for i := range len(what) {
		w.trace = (w.trace ^ uint64(what[i])) * 1099511628211
	}
	for _, v := range values {
		w.mix(v)
	}
}

func (w *World) mix(v uint64) {
	w.trace = (w.trace ^ v) * 1099511628211
	w.trace ^= w.trace >> 29
}

// Trace returns a hash over all events and notes so far. Runs with equal traces did the same.
func (w *World) Trace() uint64 { return w.trace }

// Sometimes counts that a situation was met which should be met now and then over many seeds.
func (w *World) Sometimes(situation string) { w.points[situation]++ }

// Points returns how often each situation was met. The map is the world's own.
func (w *World) Points() map[string]int { return w.points }
