package raft

import (
	"fmt"
	"slices"
)

// admitConfChange refuses a membership change while an earlier one may be under way (thesis §4.1),
// and one that the present membership cannot make, so that every change in the log can be applied.
func (r *core) admitConfChange(data []byte, pending Index) error {
	if r.log.applied < pending {
		return fmt.Errorf("%w: at or below %d, applied is %d", ErrConfChangePending, pending, r.log.applied)
	}
	var cc ConfChange
	if err := cc.Decode(data); err != nil {
		return fmt.Errorf("%w: %w", ErrBadConfChange, err)
	}
	conf := r.conf()
	_, err := changed(&conf, &cc)
	return err
}

// applyConfChange puts a committed membership change in force.
func (r *core) applyConfChange(e *Entry) (ConfState, error) {
	if r.err != nil {
		return ConfState{}, r.err
	}
	conf := r.conf()
	overtaken := r.overtook(e.Index)
	if overtaken {
		conf = r.overtaken
	} else if err := r.takeConfEntry(e.Index); err != nil {
		return ConfState{}, err
	}
	var cc ConfChange
	if err := cc.Decode(e.Data); err != nil {
		return conf, err
	}
	next, err := changed(&conf, &cc)
	if err != nil {
		return conf, err
	}
	if overtaken {
		r.overtaken = next
		return next, nil
	}
	r.confIndex = e.Index
	r.members.load(&next, func(p *progress) {
		p.restart(0, r.log.last()+1)
		if r.role == Leader {
			r.newSession(p)
		}
	})
	if r.role == Leader {
		r.leadNewMembership()
	}
	return next, r.err
}

// overtook reports whether a snapshot that waits to be written has the membership change at i, which was handed
// out before it came.
func (r *core) overtook(i Index) bool { return r.log.snapshot != nil && i <= r.confIndex }

// leadNewMembership is what a leader does when the electorate has changed: decide anew what the new
// electorate has decided.
func (r *core) leadNewMembership() {
	q := &r.leading.reads
	q.beats, q.leased = q.beats[:0], false // a lease rests on the electorate that gave it
	if t := r.leading.transferee; t != None {
		if p := r.find(t); p == nil || !p.voter() {
			r.leading.transferee = None
		}
	}
	r.maybeCommit()
	r.confirmRounds()
	r.leaveOffice()
}

// leaveOffice makes a leader step down that is no voter any more (thesis §4.2.2), but not before a
// majority of the others knows that the change is committed: until then they would ask it for votes.
func (r *core) leaveOffice() {
	if r.role != Leader || r.err != nil {
		return
	}
	if p := r.find(r.id); p != nil && p.voter() {
		return
	}
	if Index(r.quorumMin(func(p *progress) uint64 { return uint64(p.knownCommit) })) >= r.confIndex {
		r.becomeFollower(r.term, None)
	}
}

// takeConfEntry notes that the membership change at i, the oldest handed out, was dealt with.
func (r *core) takeConfEntry(i Index) error {
	h := r.out.confHanded
	if len(h) == 0 || h[0] != i {
		return fmt.Errorf("%w: ApplyConfChange or SkipConfChange for %d; due is the oldest membership change in Ready.Committed not dealt with: %d", ErrMisuse, i, h)
	}
	r.out.confHanded = slices.Delete(h, 0, 1)
	return nil
}

// maybeLeaveJoint ends a joint change that is to end by itself, once it is applied.
func (r *core) maybeLeaveJoint() {
	if r.role != Leader || !r.joint() || !r.autoLeave || r.log.applied < r.leading.pendingConf {
		return
	}
	cc := ConfChange{}
	e := Entry{Type: EntryConfChange, Term: r.term, Index: r.log.last() + 1, Data: cc.Append(nil)}
	r.leading.pendingConf = e.Index
	r.leading.uncommitted += e.size()
	r.log.append(e)
}
