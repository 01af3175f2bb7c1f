package engine

import (
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Policy says when a Buffered backend commits what it holds, whichever limit is met first. The
// zero value is etcd's: 10,000 operations or 100 ms, and 16 MiB.
type Policy struct {
	// Interval is the longest time from the first pending write to the start of its commit, and so
	// (with the time of the commit itself) what a crash may lose of writes nobody synced.
	// 0 = 100 ms.
	Interval time.Duration `json:"interval" yaml:"interval"`
	// Phase, if not 0, is the place in each Interval of the system's clock at which commits start, and less
	// than Interval: a pending write waits for the next such moment. Stores that take the same writes at the same
	// time, as the members of a group do, would else commit all at once, and those who wait for a
	// majority of them would feel it; with phases of their own most of them are always free.
	Phase time.Duration `json:"phase,omitempty" yaml:"phase,omitempty"`
	// MaxOps is how many operations are collected before they are committed; 0 = 10,000.
	MaxOps int `json:"maxOps" yaml:"maxOps"`
	// MaxBytes is the same for the bytes of their keys and values; 0 = 16 MiB.
	MaxBytes int64 `json:"maxBytes" yaml:"maxBytes"`
}

// Defaults that zero fields of Policy stand for.
const (
	DefaultInterval = 100 * time.Millisecond
	DefaultMaxOps   = 10_000
	DefaultMaxBytes = 16 << 20
)

// maxRanges is how many range deletions are pending before a commit starts early: every read goes
// through all of them.
const maxRanges = 64

// Validate puts defaults in the place of zero values and refuses negative ones.
func (p *Policy) Validate() error {
	if p.Interval < 0 || p.MaxOps < 0 || p.MaxBytes < 0 {
		return fmt.Errorf("engine: policy has interval %v, maxOps %d, maxBytes %d, want 0 (default) or more of each",
			p.Interval, p.MaxOps, p.MaxBytes)
	}
	if p.Interval == 0 {
		p.Interval = DefaultInterval
	}
	if p.Phase < 0 || p.Phase >= p.Interval {
		return fmt.Errorf("engine: policy has phase %v, want 0 (none) or more, and less than the interval %v", p.Phase, p.Interval)
	}
	if p.MaxOps == 0 {
		p.MaxOps = DefaultMaxOps
	}
	if p.MaxBytes == 0 {
		p.MaxBytes = DefaultMaxBytes
	}
	return nil
}

// due is when a group is committed whose first write came at now.
func (p *Policy) due(now time.Time) time.Time {
	wait := p.Interval
	if p.Phase > 0 {
		wait = (p.Phase - time.Duration(now.UnixNano()%int64(p.Interval))) % p.Interval
		if wait <= 0 {
			wait += p.Interval
		}
	}
	return now.Add(wait)
}

// Buffered returns a Backend that collects the batches applied to b and commits them in groups,
// each by one synced Apply of b: etcd's batch transaction and read buffer, over any engine. It
// owns b from then on and closes it. The error is Policy.Validate's, or b's first Snapshot's; b is
// then still the caller's.
//
// Apply makes its batch visible at once and returns; a commit starts in the background when the
// Policy says so. Apply with sync and Sync start one at once and return when it is durable. A
// group is whole batches in their order and goes into b as a whole, so a crash leaves a prefix.
// Of several writes to one key in a group only the last reaches b, and all reach it in key order.
//
// At most two groups are pending, one being committed and one being filled. A group takes no more
// batches once it has MaxOps operations or MaxBytes, so it exceeds them by less than its last
// batch; Apply waits when the second is full and the first not yet committed.
//
// A failed commit is final: every write and sync answers ErrFailed, one that waits for it
// included. Snapshots go on and show everything applied, what was not committed too.
//
// What b could not take at a commit is refused at Apply. A DeleteRange over a b without
// Caps.RangeDelete becomes deletions of the keys it covers, counted as such by ErrBatchTooBig. A b
// with it gets the DeleteRange itself; until that is committed, reads step over what it covers.
//
// Snapshots never wait for a commit or for the writer: they pin a Snapshot of b that all of them
// share and the groups after it, in which they see writes up to their own sequence number.
func Buffered(b Backend, p Policy) (Backend, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	snap, err := b.Snapshot()
	if err != nil {
		return nil, err
	}
	caps := b.Caps()
	u := &buffered{
		inner:  b,
		policy: p,
		caps:   caps,
		limit:  groupLimit(p, caps),
		out:    b.NewBatch(),
		seed:   maphash.MakeSeed(),
		wake:   make(chan struct{}, 1),
		quit:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	u.now = view{base: newBase(snap), filling: newGroup(0, 0)}
	u.moved = sync.NewCond(&u.mu)
	go u.run()
	return u, nil
}

// buffered is the Backend. Lock order: fill, mu.
type buffered struct {
	inner  Backend
	policy Policy
	caps   Caps
	limit  limit
	seed   maphash.Seed
	guard  Guard

	// fill is held while a group is filled (by Apply) or exchanged (by Apply and the committer).
	fill sync.Mutex

	// mu is held for moments only; it guards what Snapshots copy and the committer exchanges.
	mu    sync.Mutex
	moved *sync.Cond // a commit began or ended, in success or failure
	now   view
	err   error // of the failed commit
	stale error // of closing old bases; Close returns it

	wake chan struct{} // room for one: something for the committer to look at
	quit chan struct{}
	done chan struct{}
	out  Batch // of inner, the committer's

	merges sync.Pool // of *merge, what iterators use again

	batches, ops, syncs atomic.Int64
	taken, durable      atomic.Int64 // batches that went into a group, and those of committed groups
}

// view is what a Snapshot pins: inner's state, at most two groups above it, and how far into the
// newer one it sees.
type view struct {
	base       *base
	committing *group // older; nil if none
	filling    *group
	seq        uint64 // of the last visible operation; sequence numbers never start again
}

// limit is when a group is full: past ops, bytes or ranges a commit starts; hardOps and hardBytes
// are what inner can take in one batch (0 = anything).
type limit struct {
	ops, bytes         int64
	hardOps, hardBytes int64
}

func groupLimit(p Policy, c Caps) limit {
	return limit{ops: int64(p.MaxOps), bytes: p.MaxBytes, hardOps: c.MaxBatchOps, hardBytes: c.MaxBatchBytes}
}

// takes tells whether inner can take ops and bytes in one batch.
func (l limit) takes(ops, bytes int64) bool {
	return (l.hardOps == 0 || ops <= l.hardOps) && (l.hardBytes == 0 || bytes <= l.hardBytes)
}

// Caps are the inner backend's, without AlwaysSync.
func (u *buffered) Caps() Caps {
	c := u.caps
	c.AlwaysSync, c.Drain, c.Progress = false, true, c.Persistent
	return c
}

// Progress counts whole groups as durable when their commit has returned.
func (u *buffered) Progress() (applied, durable int64) {
	durable = u.durable.Load() // first, so that it is never the larger
	return u.taken.Load(), durable
}

// Options are the inner backend's and the policy.
func (u *buffered) Options() map[string]string {
	m := map[string]string{}
	if d, ok := u.inner.(Described); ok {
		maps.Copy(m, d.Options())
	}
	m["buffered.interval"] = u.policy.Interval.String()
	if u.policy.Phase > 0 {
		m["buffered.phase"] = u.policy.Phase.String()
	}
	m["buffered.maxOps"] = fmt.Sprint(u.policy.MaxOps)
	m["buffered.maxBytes"] = fmt.Sprint(u.policy.MaxBytes)
	return m
}

// Stats are the inner backend's, which knows only what was committed, except: Batches and Ops are
// what Apply took here, Syncs the calls of Apply and Sync that waited for a commit.
func (u *buffered) Stats() Stats {
	s := u.inner.Stats() // after Close: its last
	s.Batches, s.Ops, s.Syncs = u.batches.Load(), u.ops.Load(), u.syncs.Load()
	return s
}

// Close commits what is pending and closes the inner backend. Over a failed one it answers
// ErrFailed if something applied was lost, and closes it all the same.
func (u *buffered) Close() error {
	return u.guard.Close(func() error {
		lost := u.settle()
		close(u.quit)
		<-u.done
		return errors.Join(lost, u.stale, u.now.base.release(), u.inner.Close())
	})
}
