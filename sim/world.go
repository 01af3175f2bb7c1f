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
	queue  []due // a binary heap
	events []event
	free   []int32 // places in events
	seq    uint64
	count  uint64 // of events that happened
	trace  uint64
	points map[string]int
}

// event is a function to be called. With a host it is of the process that was the host's life-th, and
// happens only to that one.
type event struct {
	fn   func()
	host *Host
	life uint64
}

// due is when the event at a place in World.events is to happen. seq orders those of the same time. It holds no
// pointer, so that the heap moves it cheaply.
type due struct {
	at    time.Duration
	seq   uint64
	place int32
}

func (d *due) before(o *due) bool { return d.at < o.at || d.at == o.at && d.seq < o.seq }

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
func (w *World) After(d time.Duration, fn func()) { w.push(d, event{fn: fn}) }

func (w *World) push(after time.Duration, e event) {
	w.seq++
	place := int32(len(w.events))
	if n := len(w.free); n > 0 {
		place, w.free = w.free[n-1], w.free[:n-1]
		w.events[place] = e
	} else {
		w.events = append(w.events, e)
	}
	w.queue = append(w.queue, due{w.now + max(after, 0), w.seq, place})
	q, i := w.queue, len(w.queue)-1
	d := q[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !d.before(&q[parent]) {
			break
		}
		q[i] = q[parent]
		i = parent
	}
	q[i] = d
}

// Step lets the next event happen. False: nothing will ever happen again.
func (w *World) Step() bool {
	if len(w.queue) == 0 {
		return false
	}
	d := w.pop()
	e := w.events[d.place]
	w.events[d.place] = event{}
	w.free = append(w.free, d.place)
	w.now = d.at
	w.count++
	w.mix(uint64(d.at))
	w.mix(d.seq)
	switch {
	case e.host == nil:
		e.fn()
	case e.host.life == e.life:
		e.host.do(e.fn)
	}
	return true
}

func (w *World) pop() due {
	q := w.queue
	top, last := q[0], len(q)-1
	d := q[last]
	w.queue = q[:last]
	i := 0
	for {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && q[child+1].before(&q[child]) {
			child++
		}
		if !q[child].before(&d) {
			break
		}
		q[i] = q[child]
		i = child
	}
	q[i] = d
	return top
}

// RunUntil lets everything happen that is due up to t, and then it is t.
func (w *World) RunUntil(t time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= t {
		w.Step()
	}
	w.now = max(w.now, t)
}

// Events returns how many events happened.
func (w *World) Events() uint64 { return w.count }

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
