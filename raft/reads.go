package raft

import "fmt"

// readQueue is what a leader knows about who still follows it: heartbeat rounds, the reads that wait
// for one, and the lease that follows from them.
type readQueue struct {
	// round numbers the heartbeats of this term.
	round uint64
	// queue holds the reads in order of arrival; their rounds rise, and those with round 0, which
	// wait for the next one, come last.
	queue []pendingRead
	// beats tells when rounds began: one for the first round of each tick, oldest first.
	beats []beat
	// leaseFrom is when the last confirmed round began; leased says that there is one.
	leaseFrom uint64
	leased    bool
}

type pendingRead struct {
	id    uint64
	from  NodeID
	round uint64
	index Index
}

type beat struct{ round, tick uint64 }

// begin starts a round at the tick now. It remembers the last keep ticks; older ones are worth no lease.
func (q *readQueue) begin(now uint64, keep int) uint64 {
	q.round++
	if n := len(q.beats); n == 0 || q.beats[n-1].tick != now {
		if n >= keep {
			q.beats = append(q.beats[:0], q.beats[n-keep+1:]...)
		}
		q.beats = append(q.beats, beat{q.round, now})
	}
	return q.round
}

// confirmed notes that a majority answered the round: the lease runs from when it began. beats
// before it are forgotten.
func (q *readQueue) confirmed(round uint64) {
	n := 0
	for n < len(q.beats) && q.beats[n].round <= round {
		q.leaseFrom, q.leased = q.beats[n].tick, true
		n++
	}
	if n > 1 { // later rounds of the same tick may still be confirmed
		q.beats = append(q.beats[:0], q.beats[n-1:]...)
	}
}

// readIndex answers which index a read must wait for, or asks the leader.
func (r *core) readIndex(id uint64) error {
	if r.err != nil {
		return r.err
	}
	if r.role == Leader {
		return r.enqueueRead(id, r.id)
	}
	if r.leader == None {
		return ErrReadDropped
	}
	r.send(Message{Type: MsgReadIndex, To: r.leader, Context: id})
	return nil
}

// stepReadIndex takes a member's read. Only the leader can say; a request that went astray is
// dropped, its sender asks again.
func (r *core) stepReadIndex(m *Message) error {
	if r.role != Leader {
		return ErrReadDropped
	}
	return r.enqueueRead(m.Context, m.From)
}

// stepReadIndexResponse takes the answer to a read of this node, from the leader of its term only: nobody
// else knows. Who knows of no leader any more drops it, because it cannot tell.
func (r *core) stepReadIndexResponse(m *Message) error {
	switch r.leader {
	case m.From:
		r.out.reads = append(r.out.reads, ReadState{ID: m.Context, Index: m.Index})
		return nil
	case None:
		return nil
	}
	return fmt.Errorf("%w: %s from %d, term %d is led by %d", ErrMalformed, m.Type, m.From, m.Term, r.leader)
}

func (r *core) enqueueRead(id uint64, from NodeID) error {
	q := &r.leading.reads
	if len(q.queue) >= r.cfg.MaxPendingReads {
		return ErrReadDropped
	}
	if len(q.queue) == 0 && r.caughtUp() && (r.alone(r.id) || r.leased()) {
		r.answerRead(pendingRead{id: id, from: from, index: r.log.committed})
		return nil
	}
	q.queue = append(q.queue, pendingRead{id: id, from: from})
	return nil
}

// caughtUp reports whether an entry of this term is committed; before that the leader does not know
// what is (thesis §6.4, step 1).
func (r *core) caughtUp() bool { return r.log.committed >= r.leading.start }

// leased reports whether a majority has promised, recently enough, to elect nobody else.
func (r *core) leased() bool {
	q := &r.leading.reads
	return r.cfg.ReadMode == ReadLease && q.leased && !r.leading.abdicated &&
		r.now-q.leaseFrom < uint64(r.cfg.LeaseTicks)
}

// readsWaiting reports whether reads wait for a round that could begin now.
func (r *core) readsWaiting() bool {
	q := r.leading.reads.queue
	return len(q) > 0 && q[len(q)-1].round == 0 && r.caughtUp()
}

// beginReads begins one round for all reads that wait for one.
func (r *core) beginReads() {
	if !r.readsWaiting() {
		return
	}
	r.heartbeat()
	q := &r.leading.reads
	for i := len(q.queue) - 1; i >= 0 && q.queue[i].round == 0; i-- {
		q.queue[i].round, q.queue[i].index = q.round, r.log.committed
	}
	r.confirmRounds() // a lonely voter needs no answers
}

// confirmRounds answers the reads whose round a majority of each electorate has answered.
func (r *core) confirmRounds() {
	q := &r.leading.reads
	round := r.quorumMin(func(p *progress) uint64 {
		if p.id == r.id {
			return q.round
		}
		return p.round
	})
	q.confirmed(round)
	n := 0
	for n < len(q.queue) && q.queue[n].round > 0 && q.queue[n].round <= round {
		r.answerRead(q.queue[n])
		n++
	}
	q.queue = append(q.queue[:0], q.queue[n:]...)
}

func (r *core) answerRead(p pendingRead) {
	if p.from == r.id {
		r.out.reads = append(r.out.reads, ReadState{ID: p.id, Index: p.index})
		return
	}
	r.send(Message{Type: MsgReadIndexResp, To: p.from, Term: r.term, Index: p.index, Context: p.id})
}
