package raft

import "errors"

// replicate sends every member what it should be sent now. It runs once per Ready, so that all
// proposals since the last one travel in one append, and commit indexes with them.
func (r *core) replicate() {
	if r.role != Leader {
		return
	}
	r.beginReads()
	for i := range r.list {
		p := &r.list[i]
		for p.id != r.id && r.err == nil && p.wants(r.log.last(), r.log.committed) {
			r.sendAppend(p)
		}
	}
}

// hasAppends reports whether replicate would send something.
func (r *core) hasAppends() bool {
	if r.role != Leader {
		return false
	}
	for i := range r.list {
		if p := &r.list[i]; p.id != r.id && p.wants(r.log.last(), r.log.committed) {
			return true
		}
	}
	return r.readsWaiting()
}

// sendAppend sends the entries that follow what p has, as many as one message may carry; none when
// the window is full and only an acknowledgement is asked for. What is compacted away is replaced by
// a snapshot.
func (r *core) sendAppend(p *progress) {
	l := r.log
	t, err := l.term(p.next - 1)
	var entries []Entry
	if err == nil && !(p.state == Replicate && p.inflight.full()) {
		entries, err = l.read(p.next, l.last()+1, r.cfg.MaxMessageBytes)
	}
	switch {
	case errors.Is(err, ErrCompacted):
		r.sendSnapshot(p)
		return
	case err != nil:
		r.fail("reading entries to replicate", err)
		return
	}
	r.send(Message{Type: MsgApp, To: p.id, Term: r.term, Index: p.next - 1, LogTerm: t, Entries: entries, Commit: l.committed, Session: p.session})
	var bytes uint64
	for i := range entries {
		bytes += entries[i].size()
	}
	p.sent(entries, bytes, l.committed)
}

// sendSnapshot sends the stored snapshot to a member that lives; otherwise, and while there is none,
// it waits for the member's next sign of life.
func (r *core) sendSnapshot(p *progress) {
	var s *Snapshot
	if p.active {
		var err error
		s, err = r.cfg.Storage.Snapshot()
		if err != nil && !errors.Is(err, ErrSnapshotUnavailable) {
			r.fail("reading the snapshot", err)
			return
		}
	}
	if s == nil || s.Index == 0 {
		p.becomeProbe()
		p.paused = true
		return
	}
	p.becomeAwaitSnapshot(s.Index)
	r.send(Message{Type: MsgSnap, To: p.id, Term: r.term, Snapshot: s, Session: p.session})
}

// snapshotFailed begins again with a member that did not get its snapshot, after its next sign of life: a
// snapshot is big, and one that is down, or cannot be reached, is not sent it again and again.
func (r *core) snapshotFailed(p *progress) {
	if p.state == AwaitSnapshot {
		p.becomeProbe()
		p.paused = true
	}
}

// reportSnapshot is what the transport knows about a snapshot. A successful one still waits for the
// member's acknowledgement.
func (r *core) reportSnapshot(id NodeID, ok bool) {
	if p := r.find(id); p != nil && r.role == Leader && !ok {
		r.snapshotFailed(p)
	}
}

// reportUnreachable notes that messages to id are being lost: streaming on would be in vain.
func (r *core) reportUnreachable(id NodeID) {
	if p := r.find(id); p != nil && r.role == Leader && p.state == Replicate {
		p.becomeProbe()
	}
}
