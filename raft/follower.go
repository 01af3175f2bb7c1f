package raft

import "fmt"

// handleAppend appends the leader's entries after the one they follow, or says where to look for it
// (Raft §5.3). The answer to a success is a promise and waits until the entries are durable.
func (r *core) handleAppend(m *Message) error {
	l := r.log
	if m.Index < l.committed { // late: what is committed here is equal there
		r.promise(Message{Type: MsgAppResp, To: m.From, Term: r.term, Index: l.committed, Commit: l.committed, Session: m.Session})
		return nil
	}
	ok, err := l.matches(m.Index, m.LogTerm)
	if err != nil {
		return r.fail("matching the log", err)
	}
	if !ok {
		return r.rejectAppend(m)
	}
	end := m.Index + Index(len(m.Entries))
	if err := r.appendNew(m.Entries); err != nil {
		return err
	}
	r.commitTo(min(m.Commit, end))
	r.promise(Message{Type: MsgAppResp, To: m.From, Term: r.term, Index: end, Commit: l.committed, Session: m.Session})
	return nil
}

// appendNew appends those entries that the log does not have yet. The first one with another term
// ends the present log. All of them lie above committed.
func (r *core) appendNew(entries []Entry) error {
	for i := range entries {
		e := &entries[i]
		if e.Index > r.log.last() {
			r.log.append(entries[i:]...)
			return nil
		}
		ok, err := r.log.matches(e.Index, e.Term)
		if err != nil {
			return r.fail("matching the log", err)
		}
		if ok {
			continue
		}
		if err := r.log.truncate(e.Index); err != nil {
			return r.fail("truncating the log", err)
		}
		r.out.truncated(e.Index - 1)
		r.log.append(entries[i:]...)
		return nil
	}
	return nil
}

// rejectAppend tells the leader the highest entry that can agree: none of a term above the one it
// asked for, so that a whole term of a foreign log is skipped in one round trip.
func (r *core) rejectAppend(m *Message) error {
	hint, t, err := r.log.lastAgreeing(min(m.Index, r.log.last()), m.LogTerm)
	if err != nil {
		return r.fail("searching the log", err)
	}
	r.send(Message{Type: MsgAppResp, To: m.From, Term: r.term, Reject: true, Index: m.Index, Hint: hint, LogTerm: t, Session: m.Session})
	return nil
}

// handleHeartbeat learns the commit index, which the leader bounds by what this node has
// acknowledged, and answers at once: the answer promises nothing about stored state.
func (r *core) handleHeartbeat(m *Message) error {
	if m.Commit > r.log.last() {
		return fmt.Errorf("%w: the leader has seen %d acknowledged, the log ends at %d", ErrLogLost, m.Commit, r.log.last())
	}
	r.commitTo(m.Commit)
	r.send(Message{Type: MsgHeartbeatResp, To: m.From, Term: r.term, Commit: r.log.committed, Context: m.Context, Session: m.Session})
	return nil
}

// handleSnapshot replaces the log by the snapshot (Raft §7), unless the log has as much.
func (r *core) handleSnapshot(m *Message) error {
	s := m.Snapshot
	answer := Message{Type: MsgAppResp, To: m.From, Term: r.term, Index: r.log.committed, Session: m.Session}
	if s.Index <= r.log.committed {
		r.promise(answer)
		return nil
	}
	ok, err := r.log.matches(s.Index, s.Term)
	if err != nil {
		return r.fail("matching the log", err)
	}
	if ok { // only the news that it is committed was missing
		r.commitTo(s.Index)
	} else {
		if r.log.snapshot == nil {
			r.overtaken = r.conf()
		}
		r.log.restore(s)
		r.out.truncated(r.log.stable)
		r.confIndex = s.Index
		r.out.confHanded = r.out.confHanded[:0]
		r.members.load(&s.Conf, func(*progress) {})
	}
	answer.Index = s.Index
	r.promise(answer)
	return nil
}

// refuseSnapshot answers a MsgSnap whose data the caller found damaged.
func (r *core) refuseSnapshot(m *Message) error {
	if r.err != nil {
		return r.err
	}
	if m.Type != MsgSnap || m.To != r.id || m.Group != r.cfg.Group {
		return fmt.Errorf("%w: RefuseSnapshot takes a MsgSnap to this member, not %s", ErrMisuse, m.String())
	}
	if m.Term == r.term {
		r.send(Message{Type: MsgSnapRefused, To: m.From, Term: r.term, Session: m.Session})
	}
	return nil
}
