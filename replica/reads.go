package replica

import "github.com/etalon-kv/etalon/raft"

// maxRounds is how many rounds of reads are under way at once. With two, a read that comes in during
// one need not wait for its end before its own begins.
const maxRounds = 2

// reads are the reads of a member. All that wait share the next round.
type reads struct {
	queue  []*Request
	rounds []round
	// ready are confirmed and wait to be applied, by rising index.
	ready []round
}

// round is one question to the leader.
type round struct {
	id       uint64
	leader   raft.NodeID // who was asked
	requests []*Request
	age      int
	index    raft.Index
}

// ask begins a round for everything that waits. Without a leader it goes on waiting.
func (r *reads) ask(m *Member) {
	if len(r.queue) == 0 || len(r.rounds) >= maxRounds {
		return
	}
	id := m.number()
	if m.node.ReadIndex(id) != nil {
		return
	}
	r.rounds = append(r.rounds, round{id: id, leader: m.node.Status().Soft.Leader, requests: r.queue})
	r.queue = nil
}

// tick asks again where an answer is overdue: question or answer may be lost.
func (r *reads) tick(m *Member) {
	for i := range r.rounds {
		q := &r.rounds[i]
		if q.age++; q.age < m.cfg.ReadTicks {
			continue
		}
		if id := m.number(); m.node.ReadIndex(id) == nil {
			q.id, q.age, q.leader = id, 0, m.node.Status().Soft.Leader
		}
	}
}

// confirmed takes answers in.
func (r *reads) confirmed(states []raft.ReadState) {
	for _, s := range states {
		for i := range r.rounds {
			if q := r.rounds[i]; q.id == s.ID {
				q.index = s.Index
				r.rounds = append(r.rounds[:i], r.rounds[i+1:]...)
				r.insert(q)
				break
			}
		}
	}
}

func (r *reads) insert(q round) {
	at := len(r.ready)
	for at > 0 && r.ready[at-1].index > q.index {
		at--
	}
	r.ready = append(r.ready, round{})
	copy(r.ready[at+1:], r.ready[at:])
	r.ready[at] = q
}

// serve answers what is applied.
func (r *reads) serve(m *Member) {
	n := 0
	for n < len(r.ready) && r.ready[n].index <= m.applied {
		m.answered = append(m.answered, r.ready[n].requests...)
		n++
	}
	if n > 0 {
		rest := copy(r.ready, r.ready[n:])
		clear(r.ready[rest:])
		r.ready = r.ready[:rest]
	}
}

// dropped takes back the reads whose question went to another than leader.
func (r *reads) dropped(leader raft.NodeID, err error) []*Request {
	var all []*Request
	kept := r.rounds[:0]
	for _, q := range r.rounds {
		if q.leader == leader {
			kept = append(kept, q)
		} else {
			all = append(all, q.requests...)
		}
	}
	clear(r.rounds[len(kept):])
	r.rounds = kept
	for _, q := range all {
		q.Err = err
	}
	return all
}

// fail takes all of them back.
func (r *reads) fail(err error) []*Request {
	all := r.dropped(raft.None, err) // a question always goes to somebody
	for _, q := range r.ready {
		all = append(all, q.requests...)
	}
	all = append(all, r.queue...)
	for _, q := range all {
		q.Err = err
	}
	r.queue, r.ready = nil, nil
	return all
}

// sweep drops reads that nobody waits for, or whose time is over.
func (r *reads) sweep(s *sweep) {
	r.queue = s.keep(r.queue)
	for _, rounds := range [][]round{r.rounds, r.ready} {
		for i := range rounds {
			rounds[i].requests = s.keep(rounds[i].requests)
		}
	}
}
