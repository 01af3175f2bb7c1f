package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Apply puts b into the group being filled and publishes it.
func (u *buffered) Apply(b Batch, sync bool) error {
	if err := u.guard.EnterWrite(); err != nil {
		return err
	}
	defer u.guard.Exit()
	own, ok := b.(*pendingBatch)
	if !ok || own.owner != u {
		return ErrForeignBatch
	}
	ops, err := u.prepare(own)
	if err != nil {
		return err
	}
	if len(ops) > 0 {
		if err := u.add(ops); err != nil {
			return err
		}
	}
	u.batches.Add(1)
	u.ops.Add(int64(own.Len()))
	if !sync {
		return nil
	}
	return u.settle()
}

// Sync commits what is pending.
func (u *buffered) Sync() error {
	if err := u.guard.EnterWrite(); err != nil {
		return err
	}
	defer u.guard.Exit()
	return u.settle()
}

// Drain commits what is pending and then drains the inner backend, if that is a Drainer.
func (u *buffered) Drain(ctx context.Context) error {
	if err := u.guard.EnterWrite(); err != nil {
		return err
	}
	defer u.guard.Exit()
	if err := u.settle(); err != nil {
		return err
	}
	if d, ok := u.inner.(Drainer); ok && u.caps.Drain {
		return d.Drain(ctx)
	}
	return nil
}

// prepare returns what goes into the group for b, or why inner could not take it.
func (u *buffered) prepare(b *pendingBatch) ([]pendingOp, error) {
	if b.err != nil {
		return nil, b.err
	}
	if b.ranges > 0 && !u.caps.RangeDelete {
		// Apply has one caller, so nothing comes between this view and the group.
		return b.expand(u.pin(), u.limit)
	}
	if !u.limit.takes(int64(len(b.ops)), int64(len(b.data))) {
		return nil, fmt.Errorf("%w: %d operations, %d bytes; the engine takes %d and %d (0: any)",
			ErrBatchTooBig, len(b.ops), len(b.data), u.limit.hardOps, u.limit.hardBytes)
	}
	return b.ops, nil
}

// add puts ops into a group with room for all of them.
func (u *buffered) add(ops []pendingOp) error {
	var bytes int64
	for i := range ops {
		bytes += int64(len(ops[i].key) + len(ops[i].value))
	}
	err := u.lockFill(func(g *group) bool {
		return !g.empty() && (g.full(u.limit) || !u.limit.takes(g.ops+int64(len(ops)), g.bytes+bytes))
	})
	if err != nil {
		return err
	}
	defer u.fill.Unlock()
	g := u.now.filling
	first := g.empty()
	seq := u.now.seq
	for i := range ops {
		seq++
		g.put(&ops[i], u.hash(ops[i].space, ops[i].key), seq)
	}
	g.ops, g.bytes, g.batches = g.ops+int64(len(ops)), g.bytes+bytes, g.batches+1
	u.taken.Add(1)
	if first {
		g.due = u.policy.due(time.Now())
	}
	u.mu.Lock()
	u.now.seq = seq
	u.mu.Unlock()
	if first || g.full(u.limit) {
		u.poke()
	}
	return nil
}

// lockFill takes fill, with the filling group exchanged for a new one if handOver wants that. It
// waits for the commit before, and not with fill held: the committer takes it too.
func (u *buffered) lockFill(handOver func(*group) bool) error {
	for {
		u.fill.Lock()
		if !handOver(u.now.filling) {
			return nil
		}
		u.mu.Lock()
		if u.now.committing == nil && u.err == nil {
			u.exchange()
			u.mu.Unlock()
			u.poke()
			return nil
		}
		u.fill.Unlock()
		if u.err == nil {
			u.moved.Wait() // then look again: the committer may have taken the full group itself
		}
		failed := u.err != nil
		u.mu.Unlock()
		if failed {
			return u.guard.Failure()
		}
	}
}

// exchange makes the filling group the committing one, of which there is none. fill and mu are held.
func (u *buffered) exchange() {
	u.now.committing = u.now.filling
	u.now.filling = newGroup(u.now.seq, u.now.committing.nodes)
}

// settle returns when everything applied before it is durable.
func (u *buffered) settle() error {
	if err := u.lockFill(func(g *group) bool { return !g.empty() }); err != nil {
		return err
	}
	u.fill.Unlock()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.now.committing != nil {
		u.syncs.Add(1)
	}
	for u.now.committing != nil && u.err == nil {
		u.moved.Wait()
	}
	return u.err
}

// poke makes the committer look.
func (u *buffered) poke() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// run is the committer, the only one that writes to inner. It ends with quit or the first failure.
func (u *buffered) run() {
	defer close(u.done)
	timer := time.NewTimer(u.policy.Interval)
	defer timer.Stop()
	for {
		select {
		case <-u.quit:
			return
		case <-u.wake:
		case <-timer.C:
		}
		for u.commitNext() {
		}
		if u.guard.Failure() != nil {
			return
		}
		timer.Reset(u.untilDue())
	}
}

// untilDue is the time until the filling group must be committed; long if it is empty, since its
// first write pokes.
func (u *buffered) untilDue() time.Duration {
	u.fill.Lock()
	defer u.fill.Unlock()
	if u.now.filling.empty() {
		return time.Hour
	}
	return time.Until(u.now.filling.due)
}

// commitNext commits the group that was handed over, or the one being filled if it is full or its
// time has come. It tells whether to look again.
func (u *buffered) commitNext() bool {
	u.mu.Lock()
	g := u.now.committing
	u.mu.Unlock()
	if g == nil {
		u.fill.Lock()
		f := u.now.filling
		// Apply may have handed one over in the meantime; then the next look finds it.
		u.mu.Lock()
		if u.now.committing == nil && !f.empty() && (f.full(u.limit) || time.Until(f.due) <= 0) {
			u.exchange()
			u.moved.Broadcast() // there is room
		}
		g = u.now.committing
		u.mu.Unlock()
		u.fill.Unlock()
		if g == nil {
			return false
		}
	}
	b, err := u.commit(g)
	u.mu.Lock()
	old := u.now.base
	if err != nil {
		u.err = u.guard.Fail(err)
	} else {
		u.now.base, u.now.committing = b, nil
		u.durable.Add(g.batches)
	}
	u.moved.Broadcast()
	u.mu.Unlock()
	if err != nil {
		return false
	}
	u.stale = errors.Join(u.stale, old.release())
	return true
}

// commit writes g into inner, durable, and pins the state with it.
func (u *buffered) commit(g *group) (*base, error) {
	u.out.Reset()
	g.emit(u.out)
	if err := u.inner.Apply(u.out, true); err != nil {
		return nil, err
	}
	s, err := u.inner.Snapshot()
	if err != nil {
		return nil, err
	}
	return newBase(s), nil
}
