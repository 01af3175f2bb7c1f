package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/replica"
)

// lessor keeps the deadlines of leases while this member leads.
type lessor struct {
	now func() time.Time

	mu   sync.Mutex
	keep *apply.Lessor
	last time.Time // the latest moment that keep was told
}

// lessorPause is the longest time between two looks at the deadlines.
const lessorPause = 500 * time.Millisecond

// revoking is how many revocations are under way at once.
const revoking = 32

func newLessor(c Config) (*lessor, error) {
	keep, err := apply.NewLessor(apply.LessorConfig{Table: c.State, Extend: c.ElectionTimeout, Checkpoint: c.LeaseCheckpoint})
	if err != nil {
		return nil, err
	}
	return &lessor{now: c.Now, keep: keep}, nil
}

// with calls f with the keeper and a moment not before now, and not before that of any other call.
func (l *lessor) with(now time.Time, f func(keep *apply.Lessor, now time.Time)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.After(l.last) {
		l.last = now
	}
	f(l.keep, l.last)
}

// answerHere answers a question if this member leads, ErrNotLeader otherwise.
func (s *Server) answerHere(ctx context.Context, q lessorQuestion) (lessorAnswer, error) {
	now := s.lessor.now() // before the proof of leadership: whoever leads later counts from later
	before, _ := s.replica.Leadership()
	if err := s.replica.ReadIndex(ctx); err != nil {
		if errors.Is(err, replica.ErrLeaderChanged) {
			err = replica.ErrNotLeader
		}
		return lessorAnswer{}, err
	}
	a, err := s.answerNow(ctx, q, now)
	if after, _ := s.replica.Leadership(); err == nil && (!after.Leads || after.Term != before.Term) {
		return a, replica.ErrNotLeader
	}
	return a, err
}

func (s *Server) answerNow(ctx context.Context, q lessorQuestion, now time.Time) (a lessorAnswer, err error) {
	lease, ok := s.state.Lease(q.id)
	if !ok {
		return a, apply.ErrLeaseNotFound
	}
	a.granted = lease.TTL
	if q.kind == questionTimeToLive {
		var left time.Duration
		s.lessor.with(now, func(keep *apply.Lessor, now time.Time) { left, ok = keep.Remaining(q.id, now) })
		if !ok {
			return a, replica.ErrNotLeader // not yet, or not any more: ask again
		}
		a.ttl = int64(left.Seconds())
		if q.keys {
			a.keys = s.state.LeaseKeys(q.id)
		}
		return a, nil
	}
	var first *apply.LeaseCheckpoint
	s.lessor.with(now, func(keep *apply.Lessor, now time.Time) { a.ttl, first, err = keep.Renew(q.id, now) })
	switch {
	case errors.Is(err, apply.ErrNotLeading), errors.Is(err, apply.ErrLeaseExpired):
		return a, replica.ErrNotLeader // as above; an expired one will be gone soon
	case err != nil || first == nil:
		return a, err
	}
	_, err = propose[*apply.Done](ctx, s, first, 0)
	return a, err
}

// runLessor lets leases expire while this member leads. It ends with the server.
func (s *Server) runLessor() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.running.Go(func() {
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	})
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		_, changed := s.replica.Leadership()
		select {
		case <-s.stopping:
			return
		case <-changed:
		case <-pause.C:
		}
		pause.Reset(s.expire(ctx))
	}
}

// expire follows the leadership, proposes what is due, and tells how long there is nothing to do.
func (s *Server) expire(ctx context.Context) time.Duration {
	l, _ := s.replica.Leadership()
	var leading uint64
	s.lessor.with(s.lessor.now(), func(keep *apply.Lessor, _ time.Time) {
		if !l.Leads {
			keep.Demote()
		}
		leading = keep.Leading()
	})
	if !l.Leads {
		return lessorPause
	}
	if leading != uint64(l.Term) && !s.promote(ctx, l) {
		return lessorPause / 10
	}
	var revokes []apply.LeaseRevoke
	var check *apply.LeaseCheckpoint
	wait := lessorPause
	s.lessor.with(s.lessor.now(), func(keep *apply.Lessor, now time.Time) {
		revokes, check = keep.Expired(now), keep.Checkpoints(now)
		if next, ok := keep.Next(); ok {
			wait = min(wait, max(next.Sub(now), time.Millisecond))
		}
	})
	s.revoke(ctx, revokes)
	if check != nil {
		s.logged("recording what leases have left", func() error {
			_, err := propose[*apply.Done](ctx, s, check, 0)
			return err
		})
	}
	return wait
}

// promote makes the lessor that of the leader, once the state has an entry of its term: a read
// index says so.
func (s *Server) promote(ctx context.Context, l replica.Leadership) bool {
	if err := s.replica.ReadIndex(ctx); err != nil {
		return false
	}
	if now, _ := s.replica.Leadership(); now != l {
		return false
	}
	s.lessor.with(s.lessor.now(), func(keep *apply.Lessor, now time.Time) { keep.Promote(uint64(l.Term), now) })
	return true
}

// revoke proposes revocations, some at a time, and waits for them.
func (s *Server) revoke(ctx context.Context, list []apply.LeaseRevoke) {
	var group sync.WaitGroup
	room := make(chan struct{}, revoking)
	for i := range list {
		room <- struct{}{}
		group.Go(func() {
			defer func() { <-room }()
			s.logged("revoking an expired lease", func() error {
				_, err := propose[*apply.Done](ctx, s, &list[i], 0)
				return err
			})
		})
	}
	group.Wait()
}

// logged tells of an error of f, unless the server stops; what f does is tried again later.
func (s *Server) logged(what string, f func() error) {
	err := f()
	select {
	case <-s.stopping:
	default:
		if err != nil {
			s.config.Logger.Warn("server: "+what, "error", err)
		}
	}
}
