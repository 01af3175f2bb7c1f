package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// worker sends operations, one at a time. It lives for the whole run; a phase has one goroutine
// for each.
type worker struct {
	session Session
	load    Workload
	rand    *rand.Rand
	op      Op
	outcome Outcome

	issued  *issueLog // nil if nobody watches
	janitor *janitor  // nil if nothing is compacted

	// Of the phase under way.
	rec  *Recorder
	free time.Duration // since when it has had nothing to do
	idle time.Duration // sum of the time outside Do
	life time.Duration // from the start of the phase until it returned
}

// pace is one phase of sending, shared by its workers.
type pace struct {
	clock  clock
	start  time.Duration
	length time.Duration // 0 = until quota
	quota  uint64        // operations a worker in a closed loop, 0 = no limit
	stop   atomic.Bool   // no operation is sent any more

	opTimeout time.Duration
	class     func(error) uint8

	// Open loop: whoever holds the token takes the next operation, waits until it is due, passes the
	// token on and sends. So a single worker waits by the clock and all others are parked, and the
	// worker that is parked longest comes next. What is due already is passed through at once.
	at    func(n uint64) (time.Duration, bool)
	next  uint64        // guarded by the token
	token chan struct{} // capacity 1
}

// newPace prepares a phase; s = nil is a closed loop.
func newPace(c clock, s Schedule, length time.Duration) *pace {
	p := &pace{clock: c, length: length}
	if s != nil {
		p.at = s.At
		if o, ok := s.(interface {
			inOrder() func(uint64) (time.Duration, bool)
		}); ok {
			p.at = o.inOrder()
		}
		p.token = make(chan struct{}, 1)
		p.token <- struct{}{}
	}
	return p
}

// run sends operations until the phase ends.
func (w *worker) run(ctx context.Context, p *pace) {
	w.free, w.idle = p.start, 0
	if p.at == nil {
		w.closedLoop(ctx, p)
	} else {
		w.openLoop(ctx, p)
	}
	now := p.clock.now()
	w.idle += now - w.free
	w.life = now - p.start
}

func (w *worker) closedLoop(ctx context.Context, p *pace) {
	end := p.start + p.length
	for n := uint64(0); !p.stop.Load(); n++ {
		if p.length > 0 && w.free >= end || p.quota > 0 && n >= p.quota {
			return
		}
		w.load.Next(w.rand, &w.op)
		w.send(ctx, p, -1)
	}
}

func (w *worker) openLoop(ctx context.Context, p *pace) {
	for {
		<-p.token
		due, ok := p.at(p.next)
		if p.length > 0 && due >= p.length {
			p.clock.waitUntil(ctx, p.start+p.length)
			p.stop.Store(true)
		}
		if !ok || p.stop.Load() || p.length > 0 && p.clock.now() >= p.start+p.length {
			p.token <- struct{}{}
			return
		}
		p.next++
		due += p.start
		if p.clock.now() >= due {
			p.token <- struct{}{}
			w.load.Next(w.rand, &w.op)
		} else {
			w.load.Next(w.rand, &w.op)
			p.clock.waitUntil(ctx, due)
			p.token <- struct{}{}
		}
		w.send(ctx, p, due)
	}
}

// send does the operation in w.op and records it. due < 0 is a closed loop.
func (w *worker) send(ctx context.Context, p *pace, due time.Duration) {
	op, o := &w.op, &w.outcome
	*o = Outcome{Kind: op.Kind}
	var update int64 // what a read-modify-write writes
	if op.Kind == ReadModifyWrite {
		update = int64(len(op.Key) + len(op.Value))
	}
	op.Items, op.Bytes = 0, 0
	var epoch uint64
	if w.janitor != nil {
		epoch = w.janitor.epoch.Load()
	}
	if w.issued != nil {
		w.issued.prepare(op)
	}

	var err error
	op.Sent = p.clock.now()
	if w.issued != nil {
		w.issued.publish(op.Sent, due)
	}
	if p.opTimeout > 0 {
		err = w.doWithin(ctx, p.opTimeout)
	} else {
		err = w.session.Do(ctx, op)
	}
	op.Done = p.clock.now()

	o.Service = op.Done - op.Sent
	if due >= 0 {
		o.Response = op.Done - due
		o.Late = op.Sent-due > LateAfter
		o.Idle = o.Late && w.free <= due
	}
	w.idle += op.Sent - w.free
	w.free = op.Done
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		o.Class = p.class(err)
	case op.Kind == ReadModifyWrite:
		o.Items, o.Read, o.Written = op.Items, op.Bytes-update, update
	case op.Kind.Writes():
		o.Items, o.Written = op.Items, op.Bytes
	default:
		o.Items, o.Read = op.Items, op.Bytes
	}
	if w.janitor != nil {
		o.Compacting = epoch%2 == 1 || w.janitor.epoch.Load() != epoch
	}
	w.rec.Record(o)
	if w.issued != nil {
		w.issued.settle(err)
	}
	w.load.Acknowledged(op, err)
}

func (w *worker) doWithin(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return w.session.Do(ctx, &w.op)
}

// unsent counts the operations of a schedule from the n-th on that were due before the end.
func unsent(s Schedule, n uint64, end time.Duration) int64 {
	due := func(i uint64) bool {
		at, ok := s.At(i)
		return ok && at < end
	}
	if !due(n) {
		return 0
	}
	// The first not due lies in (low, high]: double the step, then halve it.
	low, step := n, uint64(1)
	for due(low + step) {
		low += step
		step *= 2
	}
	high := low + step
	for high-low > 1 {
		if middle := low + (high-low)/2; due(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return int64(high - n)
}
