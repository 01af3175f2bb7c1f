package apply_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/internal/seedtest"
	"github.com/etalon-kv/etalon/raft"
)

const (
	extend = 1 * time.Second
	retry  = 3 * time.Second
	every  = 4 * time.Second
)

// leaseWorld is a group of members with one state and a log between them: leaders come and go, and
// what they propose is delayed, reordered, lost, or appended by the next leader.
type leaseWorld struct {
	t       *testing.T
	rng     *rand.Rand
	log     *log
	now     time.Time
	term    uint64
	leader  *apply.Lessor // of the newest term
	old     *apply.Lessor // of the term before, which may not know yet
	pending []proposal
	// promise is until when a client may count on its lease; ends is what the lessor of term should
	// take for its end, by the rules of its documentation; handed is when Expired last had it.
	promise, ends, handed map[apply.LeaseID]time.Time
	told                  map[apply.LeaseID]int64 // ttl
	revoked, renewed      int
}

// proposal is a command on its way; done is what happens when it was applied.
type proposal struct {
	term    uint64
	command apply.Command
	done    func(result any)
}

func newLessor(t *testing.T, m *apply.Machine) *apply.Lessor {
	l, err := apply.NewLessor(apply.LessorConfig{Table: m, Extend: extend, Retry: retry, Checkpoint: every, Most: 5})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestALeaseNeverEndsBeforeItsClientWasTold(t *testing.T) {
	revoked, renewed := 0, 0
	for range rounds(20, 100) {
		w := &leaseWorld{
			t: t, rng: seedtest.Rand(t), log: begin(t), now: time.Unix(1e9, 0),
			promise: map[apply.LeaseID]time.Time{}, told: map[apply.LeaseID]int64{},
		}
		w.elect()
		for range 2000 {
			w.step()
		}
		revoked, renewed = revoked+w.revoked, renewed+w.renewed
	}
	if revoked < 20 || renewed < 600 { // over all worlds: a single one may be unlucky
		t.Errorf("%d revocations and %d renewals: the test does too little", revoked, renewed)
	}
}

func (w *leaseWorld) step() {
	w.now = w.now.Add(time.Duration(w.rng.Int64N(int64(500 * time.Millisecond))))
	id := apply.LeaseID(1 + w.rng.Int64N(12))
	switch n := w.rng.IntN(100); {
	case n < 20:
		g := &apply.LeaseGrant{ID: id, TTL: 2 + w.rng.Int64N(12)}
		w.propose(g, func(r any) {
			if res := r.(*apply.LeaseGrantResult); res.Err == nil {
				w.promise[id], w.told[id] = w.now.Add(time.Duration(res.TTL)*time.Second), res.TTL
			}
		})
	case n < 50:
		w.renew(w.leader, id, w.term)
	case n < 60 && w.old != nil: // it thinks that it leads, but cannot prove it, so no client is told
		w.old.Renew(id, w.now)
	case n < 70:
		w.expire()
	case n < 75 && w.old != nil:
		for _, r := range w.old.Expired(w.now) {
			w.pending = append(w.pending, proposal{term: r.Term, command: &r})
		}
	case n < 80:
		if c := w.leader.Checkpoints(w.now); c != nil {
			w.propose(c, func(any) {})
		}
	case n < 82:
		w.elect()
	case n < 84:
		w.propose(&apply.LeaseRevoke{ID: id}, func(any) { delete(w.promise, id) })
	default:
		w.deliver()
	}
	w.check()
}

func (w *leaseWorld) propose(c apply.Command, done func(any)) {
	w.pending = append(w.pending, proposal{w.term, c, done})
}

// deliver applies one of what is under way, loses it, or has the newest leader append it.
func (w *leaseWorld) deliver() {
	if len(w.pending) == 0 {
		return
	}
	i := w.rng.IntN(len(w.pending))
	p := w.pending[i]
	w.pending = slices.Delete(w.pending, i, i+1)
	if w.rng.IntN(10) == 0 {
		return
	}
	w.apply(p, w.term)
}

func (w *leaseWorld) apply(p proposal, term uint64) {
	w.t.Helper()
	results := make([]any, 1)
	e := raft.Entry{Index: w.log.next, Term: raft.Term(term), Data: p.command.Append(nil)}
	if err := w.log.m.Apply([]raft.Entry{e}, results); err != nil {
		w.t.Fatal(err)
	}
	w.log.next++
	if r, ok := p.command.(*apply.LeaseRevoke); ok && r.Term != 0 && results[0].(*apply.Done).Err == nil {
		w.revoked++
		if until := w.promise[r.ID]; w.now.Before(until) {
			w.t.Fatalf("lease %d was revoked %v before the time that its client was told", r.ID, until.Sub(w.now))
		}
	}
	if p.done != nil {
		p.done(results[0])
	}
}

// elect makes a new leader. Some of what the old one proposed was appended in its term.
func (w *leaseWorld) elect() {
	for len(w.pending) > 0 && w.rng.IntN(3) > 0 {
		p := w.pending[0]
		w.pending = w.pending[1:]
		w.apply(p, w.term)
	}
	w.term++
	w.old, w.leader = w.leader, newLessor(w.t, w.log.m)
	w.apply(proposal{command: &apply.ClusterVersion{Version: "3.7.0"}}, w.term)
	w.leader.Promote(w.term, w.now)
	w.ends, w.handed = map[apply.LeaseID]time.Time{}, map[apply.LeaseID]time.Time{}
	for _, l := range w.log.m.Leases() {
		w.ends[l.ID] = w.now.Add(time.Duration(l.Remaining)*time.Second + extend)
	}
}

func (w *leaseWorld) renew(l *apply.Lessor, id apply.LeaseID, term uint64) {
	ttl, first, err := l.Renew(id, w.now)
	if err != nil {
		return
	}
	if ttl != w.told[id] {
		w.t.Fatalf("lease %d of %d s was renewed for %d s", id, w.told[id], ttl)
	}
	end := w.now.Add(time.Duration(ttl) * time.Second)
	w.ends[id] = end
	granted := w.grant(id)
	tell := func(r any) {
		if d, ok := r.(*apply.Done); (!ok || d.Err == nil) && term == w.term && w.grant(id) == granted {
			w.promise[id] = later(w.promise[id], end)
			w.renewed++
		}
	}
	if first == nil {
		tell(nil)
		return
	}
	w.propose(first, tell)
}

func (w *leaseWorld) grant(id apply.LeaseID) uint64 {
	l, _ := w.log.m.Lease(id)
	return l.Grant
}

// expire asks the leader, and compares its answer with a walk over all deadlines.
func (w *leaseWorld) expire() {
	w.check()
	for _, r := range w.leader.Expired(w.now) {
		if r.Term != w.term {
			w.t.Fatalf("revocation of term %d from the leader of %d", r.Term, w.term)
		}
		if w.now.Before(w.ends[r.ID]) || w.now.Before(w.handed[r.ID].Add(retry)) {
			w.t.Fatalf("lease %d ends %v, was handed out %v, and is again at %v", r.ID, w.ends[r.ID], w.handed[r.ID], w.now)
		}
		w.handed[r.ID] = w.now
		w.pending = append(w.pending, proposal{term: w.term, command: &r})
	}
	// Five come at once; those that remain are due now.
	late := 0
	for id, end := range w.ends {
		if _, there := w.log.m.Lease(id); there && !w.now.Before(end) && !w.now.Before(w.handed[id].Add(retry)) {
			late++
		}
	}
	if next, ok := w.leader.Next(); late > 0 && (!ok || next.After(w.now)) {
		w.t.Fatalf("%d leases are due, and next is %v", late, next)
	}
}

// check compares what is left of each lease; it also makes the lessor look at what has changed.
func (w *leaseWorld) check() {
	for id := range apply.LeaseID(13) {
		l, there := w.log.m.Lease(id)
		if !there {
			delete(w.ends, id)
			delete(w.handed, id)
		} else if _, known := w.ends[id]; !known {
			w.ends[id] = w.now.Add(time.Duration(l.Remaining) * time.Second)
		}
		left, ok := w.leader.Remaining(id, w.now)
		if ok != there || ok && left != max(w.ends[id].Sub(w.now), 0) {
			w.t.Fatalf("lease %d: there %v, ends %v; the lessor says %v %v at %v", id, there, w.ends[id], left, ok, w.now)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func TestALessorThatDoesNotLeadKnowsNothing(t *testing.T) {
	l := begin(t)
	l.do(&apply.LeaseGrant{ID: 1, TTL: 5})
	le := newLessor(t, l.m)
	now := time.Unix(0, 0)
	if _, _, err := le.Renew(1, now); !errors.Is(err, apply.ErrNotLeading) {
		t.Error(err)
	}
	le.Promote(1, now)
	if ttl, first, err := le.Renew(1, now); ttl != 5 || first != nil || err != nil {
		t.Error(ttl, first, err)
	}
	if _, _, err := le.Renew(2, now); !errors.Is(err, apply.ErrLeaseNotFound) {
		t.Error(err)
	}
	if _, _, err := le.Renew(1, now.Add(5*time.Second)); !errors.Is(err, apply.ErrLeaseExpired) {
		t.Error(err)
	}
	le.Demote()
	if _, ok := le.Remaining(1, now); ok || le.Expired(now.Add(time.Hour)) != nil || le.Checkpoints(now.Add(time.Hour)) != nil {
		t.Error("a demoted lessor has deadlines")
	}
}

func TestMoreChangesThanAreRememberedAreAllSeen(t *testing.T) {
	l := begin(t)
	le := newLessor(t, l.m)
	now := time.Unix(0, 0)
	le.Promote(1, now)
	for id := range apply.LeaseID(1500) {
		l.do(&apply.LeaseGrant{ID: id + 1, TTL: 5})
	}
	for id := range apply.LeaseID(1500) {
		if left, ok := le.Remaining(id+1, now); !ok || left != 5*time.Second {
			t.Fatal(id, left, ok)
		}
	}
	for id := range apply.LeaseID(1500) {
		l.do(&apply.LeaseRevoke{ID: id + 1})
	}
	if list := le.Expired(now.Add(time.Hour)); len(list) != 0 {
		t.Errorf("%d revoked leases expire", len(list))
	}
}
