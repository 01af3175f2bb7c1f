package replica

import (
	"errors"
	"fmt"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// loop is the one goroutine that has the Member. In each turn it takes in everything that came, and gives
// out what is to be done.
func (r *Replica) loop(m *Member) {
	defer r.looping.Done()
	ticker := time.NewTicker(r.cfg.TickInterval)
	defer ticker.Stop()
	l := &turns{r: r, m: m}
	var t turn
	for {
		select {
		case <-r.in.wake:
			t = r.in.take(t)
			if err := l.take(&t); err != nil {
				r.stop(fmt.Errorf("%w: %w", ErrStopped, err))
			}
		case <-ticker.C:
			if err := l.tick(); err != nil {
				r.stop(fmt.Errorf("%w: %w", ErrStopped, err))
			}
		}
		if err := r.in.stopped(); err != nil {
			r.answer(m.Abort(err))
			r.answerAll(r.in.take(t), err)
			return
		}
		l.work()
		if err := m.Err(); err != nil {
			r.stop(fmt.Errorf("%w: %w", ErrStopped, err))
		}
	}
}

// turns is what the loop keeps between turns.
type turns struct {
	r     *Replica
	m     *Member
	ticks uint64
	// oldest is when the first of the proposals came that were not given out.
	oldest time.Time
	// given tells when entries were given out, for StageReplicate.
	given []givenAt
	lost  int // ticks since raft.ErrLogLost was seen first
}

type givenAt struct {
	last    raft.Index
	entries int
	at      time.Time
}

// take gives what came to the Member.
func (l *turns) take(t *turn) error {
	m := l.m
	if w := t.written; w != nil {
		if err := m.Persisted(w); err != nil {
			return err
		}
	}
	if t.applied > 0 || t.written != nil {
		if err := m.Applied(t.applied, l.r.cfg.State.Durable()); err != nil {
			return err
		}
	}
	for _, b := range t.batches {
		m.Recycle(b)
	}
	for i := range t.messages {
		if err := l.step(t.messages[i]); err != nil {
			return err
		}
	}
	if len(t.proposals) > 0 {
		if l.oldest.IsZero() {
			l.oldest = t.oldest
		}
		m.Propose(t.proposals...)
	}
	m.ReadIndex(t.reads...)
	for _, f := range t.calls {
		if err := f(m); err != nil {
			return err
		}
	}
	return nil
}

// step takes in a message. What the core refuses is dropped, but not in silence.
func (l *turns) step(msg raft.Message) error {
	err := l.m.Step(msg)
	switch {
	case err == nil || errors.Is(err, raft.ErrProposalDropped) || errors.Is(err, raft.ErrReadDropped):
		if msg.Type == raft.MsgHeartbeat {
			l.lost = 0
		}
	case errors.Is(err, raft.ErrStopped):
		return err
	case errors.Is(err, raft.ErrLogLost):
		if l.lost++; l.lost >= maxLost {
			return err
		}
	default:
		l.r.cfg.Logger.Debug("message refused", "from", uint64(msg.From), "type", msg.Type.String(), "error", err)
	}
	return nil
}

// maxLost is how many heartbeats in a row must show a log that is shorter than it was acknowledged. One
// alone may be a late one.
const maxLost = 3

// sweepTicks is how often requests are looked through.
const sweepTicks = 5

func (l *turns) tick() error {
	l.ticks++
	if err := l.m.Tick(); err != nil {
		return err
	}
	if err := l.m.Applied(0, l.r.cfg.State.Durable()); err != nil {
		return err
	}
	if l.ticks%sweepTicks == 0 {
		l.r.release(l.m.Sweep())
		if err := l.r.spool.drop(l.m.applied); err != nil {
			l.r.cfg.Logger.Warn("removing snapshots", "error", err)
		}
	}
	if l.m.Removed() {
		return ErrRemoved
	}
	return nil
}

// work gives out everything that is to be done.
func (l *turns) work() {
	r, m := l.r, l.m
	for {
		w, ok := m.Work()
		l.publish()
		if !ok {
			return
		}
		r.send(w.Messages)
		now := r.stamp.now()
		if w.Write != nil {
			l.stampWrite(w.Write, now)
			r.writes.put(writeJob{write: w.Write, given: now})
		}
		if w.Cut != nil {
			r.writes.put(writeJob{cut: w.Cut})
		}
		if w.Batch != nil {
			l.stampBatch(w.Batch, now)
			r.batches.put(applyJob{batch: w.Batch, given: now})
		}
		r.answer(w.Answered)
	}
}

func (l *turns) stampWrite(w *Write, now time.Time) {
	if l.r.stamp.tell == nil || len(w.Entries) == 0 {
		return
	}
	if !l.oldest.IsZero() {
		l.r.stamp.tell(StageQueue, now.Sub(l.oldest), len(w.Entries))
		l.oldest = time.Time{}
	}
	if l.m.Soft().Role == raft.Leader {
		l.given = append(l.given, givenAt{w.Entries[len(w.Entries)-1].Index, len(w.Entries), now})
	}
}

func (l *turns) stampBatch(b *Batch, now time.Time) {
	last := b.Entries[len(b.Entries)-1].Index
	n := 0
	for n < len(l.given) && l.given[n].last <= last {
		l.r.stamp.tell(StageReplicate, now.Sub(l.given[n].at), l.given[n].entries)
		n++
	}
	l.given = append(l.given[:0], l.given[n:]...)
}

// publish lets everybody know who leads.
func (l *turns) publish() {
	soft, hard := l.m.Soft(), l.m.node.Status().Hard
	l.r.committed.Store(uint64(hard.Commit))
	l.r.applied.Store(uint64(l.m.applied))
	term := hard.Term
	now := l.r.leadership.Load()
	if now.Leader == soft.Leader && now.Term == term && now.Leads == (soft.Role == raft.Leader) {
		return
	}
	next := &leadership{Leadership: Leadership{Leader: soft.Leader, Term: term, Leads: soft.Role == raft.Leader}, changed: make(chan struct{})}
	l.r.leadership.Store(next)
	close(now.changed)
	l.r.cfg.Logger.Info("leadership", "role", soft.Role.String(), "leader", uint64(soft.Leader), "term", uint64(term))
}

// answer wakes those whose requests are done.
func (r *Replica) answer(requests []*Request) {
	r.release(requests)
	for _, q := range requests {
		r.pool.answer(q)
	}
}

// release makes room for as many requests. It comes before they are answered, because then they are
// not ours any more.
func (r *Replica) release(requests []*Request) {
	if len(requests) == 0 {
		return
	}
	bytes := 0
	for _, q := range requests {
		bytes += len(q.Command)
	}
	r.in.answered(len(requests), bytes)
}

// answerAll ends a turn that will not be taken.
func (r *Replica) answerAll(t turn, err error) {
	for _, list := range [][]*Request{t.proposals, t.reads} {
		for _, q := range list {
			q.Err = err
		}
		r.answer(list)
	}
	for _, f := range t.calls {
		_ = f(nil)
	}
}
