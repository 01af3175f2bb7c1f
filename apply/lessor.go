package apply

import (
	"container/heap"
	"errors"
	"fmt"
	"slices"
	"time"
)

// LeaseTable is what a Lessor asks of the state; a Machine is one.
type LeaseTable interface {
	Lease(id LeaseID) (Lease, bool)
	Leases() []Lease
	LeaseChanges(since uint64) (ids []LeaseID, now uint64, all bool)
}

// LessorConfig is what a Lessor is made of.
type LessorConfig struct {
	Table LeaseTable
	// Extend is added to the time of every lease at a promotion: about an election timeout, in which
	// clients could not renew.
	Extend time.Duration
	// Retry is after how long a lease that is still there after it was handed out by Expired is
	// handed out again. 0 = 3 s.
	Retry time.Duration
	// Checkpoint is how often what is left of longer leases is to be recorded. 0: never, and a new
	// leader gives every lease its whole time again.
	Checkpoint time.Duration
	// Most bounds what Expired and Checkpoints answer at once. 0 = 500.
	Most int
}

// Errors of a Lessor.
var (
	// ErrNotLeading: the lessor was not promoted, so it knows no deadlines.
	ErrNotLeading = errors.New("apply: lessor is not the leader's")
	// ErrLeaseExpired: the lease has expired and will be revoked, or another leader will decide: ask
	// again when one of them has happened.
	ErrLeaseExpired = errors.New("apply: lease has expired")
)

// Lessor keeps the deadlines of leases for the member that leads. It has no clock: every call names
// the time, which never goes back. It decides nothing by itself: who drives it proposes what it
// answers. It is not safe for concurrent use.
//
// No lease ends before the time that a client was told, counted from when it was told:
//   - a grant that the lessor learns of later counts from then;
//   - a new leader gives every lease its time anew, from its promotion on, which must come after
//     the state has applied an entry of its term, so that nothing of earlier terms is left to come;
//   - a revocation or checkpoint counts only in the term of the lessor that made it, and only for
//     the lease that it was made for, not for one granted later under its ID;
//   - a lease that was checkpointed is renewed only when the checkpoint is undone, and of two
//     checkpoints the later one counts, in whatever order they reach the log.
type Lessor struct {
	c       LessorConfig
	term    uint64 // 0: not leading
	seq     uint64 // of the last checkpoint in the term
	seen    uint64 // LeaseChanges
	entries map[LeaseID]*deadline
	expiry  deadlines // by when Expired hands them out
	checks  deadlines // by when they are to be checkpointed
}

// deadline is what the lessor knows of a lease.
type deadline struct {
	id     LeaseID
	ttl    int64
	grant  uint64
	ends   time.Time
	issued uint64       // seq of the last checkpoint of it in the term, 0 for none
	when   [2]time.Time // in the heaps
	at     [2]int       // place in the heaps, -1 for none
}

const (
	byExpiry = iota
	byCheck
)

// NewLessor makes a lessor that does not lead.
func NewLessor(c LessorConfig) (*Lessor, error) {
	if c.Table == nil || c.Extend < 0 || c.Retry < 0 || c.Checkpoint < 0 || c.Most < 0 {
		return nil, fmt.Errorf("apply: lessor with Table %v, Extend %v, Retry %v, Checkpoint %v, Most %d: want a table and nothing below 0",
			c.Table, c.Extend, c.Retry, c.Checkpoint, c.Most)
	}
	if c.Retry == 0 {
		c.Retry = 3 * time.Second
	}
	if c.Most == 0 {
		c.Most = 500
	}
	l := &Lessor{c: c}
	l.Demote()
	return l, nil
}

// Promote begins to keep deadlines for the leader of term, which is not 0. See Lessor for when it
// may be called. Every lease gets the time it has left by the state, and LessorConfig.Extend.
func (l *Lessor) Promote(term uint64, now time.Time) {
	l.Demote()
	l.term = term
	_, l.seen, _ = l.c.Table.LeaseChanges(0)
	for _, p := range l.c.Table.Leases() {
		l.add(p, now, l.c.Extend)
	}
}

// Demote forgets all deadlines.
func (l *Lessor) Demote() {
	l.term, l.seq = 0, 0
	l.entries = map[LeaseID]*deadline{}
	l.expiry, l.checks = deadlines{kind: byExpiry}, deadlines{kind: byCheck}
}

// Leading returns the term of the last Promote, 0 after Demote.
func (l *Lessor) Leading() uint64 { return l.term }

// Renew gives the lease all its time again and returns that in seconds, which is what the client is
// told. If first is not nil it must be committed before the client is told. Errors: ErrNotLeading,
// ErrLeaseNotFound, ErrLeaseExpired.
func (l *Lessor) Renew(id LeaseID, now time.Time) (ttl int64, first *LeaseCheckpoint, err error) {
	if l.term == 0 {
		return 0, nil, ErrNotLeading
	}
	l.follow(now)
	e := l.entries[id]
	switch {
	case e == nil:
		return 0, nil, ErrLeaseNotFound
	case !now.Before(e.ends):
		return 0, nil, ErrLeaseExpired
	}
	p, ok := l.c.Table.Lease(id)
	if !ok {
		return 0, nil, ErrLeaseNotFound
	}
	e.ends = now.Add(seconds(e.ttl))
	l.expiry.set(e, e.ends)
	if p.Remaining < p.TTL || e.issued > 0 && (p.CheckTerm != l.term || p.CheckSeq < e.issued) {
		l.seq++
		first = &LeaseCheckpoint{Term: l.term, Seq: l.seq, Leases: []LeaseRemaining{{ID: id, Grant: e.grant}}}
	}
	return e.ttl, first, nil
}

// Remaining is how long the lease has, 0 if it has expired; false if it does not exist or the lessor
// does not lead.
func (l *Lessor) Remaining(id LeaseID, now time.Time) (time.Duration, bool) {
	if l.term == 0 {
		return 0, false
	}
	l.follow(now)
	e := l.entries[id]
	if e == nil {
		return 0, false
	}
	return max(e.ends.Sub(now), 0), true
}

// Expired returns the commands that revoke leases whose time is over, those first that have waited
// longest. From then on they cannot be renewed. One that is not revoked comes again.
func (l *Lessor) Expired(now time.Time) []LeaseRevoke {
	if l.term == 0 {
		return nil
	}
	l.follow(now)
	var list []LeaseRevoke
	for len(list) < l.c.Most && l.expiry.due(now) {
		e := l.expiry.list[0]
		list = append(list, LeaseRevoke{ID: e.id, Term: l.term, Grant: e.grant})
		l.expiry.set(e, now.Add(l.c.Retry))
	}
	return list
}

// Checkpoints returns the command that records what is left of leases for which that is due, nil if
// there are none.
func (l *Lessor) Checkpoints(now time.Time) *LeaseCheckpoint {
	if l.term == 0 {
		return nil
	}
	l.follow(now)
	c := &LeaseCheckpoint{Term: l.term, Seq: l.seq + 1}
	for len(c.Leases) < l.c.Most && l.checks.due(now) {
		e := l.checks.list[0]
		l.checks.set(e, now.Add(l.c.Checkpoint))
		left := int64((e.ends.Sub(now) + time.Second - 1) / time.Second) // a part of one counts whole
		if left > 0 && left < e.ttl {
			e.issued = c.Seq
			c.Leases = append(c.Leases, LeaseRemaining{ID: e.id, Grant: e.grant, Remaining: left})
		}
	}
	if len(c.Leases) == 0 {
		return nil
	}
	l.seq++
	return c
}

// Next is when Expired or Checkpoints will have something to answer; false if nothing is known of.
func (l *Lessor) Next() (time.Time, bool) {
	var next time.Time
	for _, h := range []*deadlines{&l.expiry, &l.checks} {
		if len(h.list) > 0 && (next.IsZero() || h.list[0].when[h.kind].Before(next)) {
			next = h.list[0].when[h.kind]
		}
	}
	return next, !next.IsZero()
}

// follow takes over what has changed in the table.
func (l *Lessor) follow(now time.Time) {
	ids, seen, all := l.c.Table.LeaseChanges(l.seen)
	l.seen = seen
	if !all {
		for _, id := range ids {
			p, ok := l.c.Table.Lease(id)
			l.refresh(id, p, ok, now)
		}
		return
	}
	there := map[LeaseID]bool{}
	for _, p := range l.c.Table.Leases() {
		there[p.ID] = true
		l.refresh(p.ID, p, true, now)
	}
	var gone []LeaseID
	for id := range l.entries {
		if !there[id] {
			gone = append(gone, id)
		}
	}
	slices.Sort(gone) // the order in which they leave the heaps shows in the order of equal deadlines
	for _, id := range gone {
		l.refresh(id, Lease{}, false, now)
	}
}

// refresh brings the entry of a lease in line with the table.
func (l *Lessor) refresh(id LeaseID, p Lease, exists bool, now time.Time) {
	e := l.entries[id]
	if e != nil && exists && e.grant == p.Grant {
		return
	}
	if e != nil {
		l.expiry.remove(e)
		l.checks.remove(e)
		delete(l.entries, id)
	}
	if exists {
		l.add(p, now, 0)
	}
}

func (l *Lessor) add(p Lease, now time.Time, extend time.Duration) {
	e := &deadline{id: p.ID, ttl: p.TTL, grant: p.Grant, at: [2]int{-1, -1}}
	e.ends = now.Add(seconds(p.Remaining)).Add(extend)
	l.entries[p.ID] = e
	l.expiry.set(e, e.ends)
	if l.c.Checkpoint > 0 && seconds(p.TTL) > l.c.Checkpoint {
		l.checks.set(e, now.Add(l.c.Checkpoint))
	}
}

// seconds is n seconds, or as many as a Duration holds with room to add to.
func seconds(n int64) time.Duration {
	return time.Duration(min(n, MaxLeaseTTL)) * time.Second
}

// deadlines is a heap: the first one is due first, of equal ones that with the lowest ID.
type deadlines struct {
	kind int
	list []*deadline
}

func (h *deadlines) due(now time.Time) bool {
	return len(h.list) > 0 && !now.Before(h.list[0].when[h.kind])
}

// set puts e into the heap, or moves it.
func (h *deadlines) set(e *deadline, when time.Time) {
	e.when[h.kind] = when
	if e.at[h.kind] < 0 {
		heap.Push(h, e)
	} else {
		heap.Fix(h, e.at[h.kind])
	}
}

func (h *deadlines) remove(e *deadline) {
	if e.at[h.kind] >= 0 {
		heap.Remove(h, e.at[h.kind])
	}
}

// The methods of heap.Interface.

func (h *deadlines) Len() int { return len(h.list) }

func (h *deadlines) Less(i, j int) bool {
	a, b := h.list[i], h.list[j]
	if x, y := a.when[h.kind], b.when[h.kind]; !x.Equal(y) {
		return x.Before(y)
	}
	return a.id < b.id
}

func (h *deadlines) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.list[i].at[h.kind], h.list[j].at[h.kind] = i, j
}

func (h *deadlines) Push(x any) {
	e := x.(*deadline)
	e.at[h.kind] = len(h.list)
	h.list = append(h.list, e)
}

func (h *deadlines) Pop() any {
	last := len(h.list) - 1
	e := h.list[last]
	h.list[last] = nil
	h.list = h.list[:last]
	e.at[h.kind] = -1
	return e
}
