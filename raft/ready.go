package raft

import "fmt"

// Ready is what the core wants done. Its parts are independent unless said otherwise; the package
// comment says in which order a simple caller does them. Slices belong to the caller until it
// acknowledges the Ready with Persisted; what they point to is never modified by anybody.
type Ready struct {
	// Number counts Readies from 1. It names this one in Persisted.
	Number uint64

	// Snapshot, Entries and HardState are to be written, in this order and in one batch, after those
	// of every Ready before. A write may still be under way when the next Ready is taken.
	//
	// Snapshot, if not nil, replaces the whole stored log and the state machine; the caller installs
	// both before it acknowledges. It is given out only when all earlier Committed were applied, and
	// none follow until it is acknowledged.
	Snapshot *Snapshot
	// Entries replace those stored with the same and higher indexes.
	Entries []Entry
	// HardState, if not empty, replaces the stored one.
	HardState HardState
	// MustSync says that the write must be durable before the Ready is acknowledged. Otherwise it
	// only changes the commit index, or nothing, and may be lost in a crash.
	MustSync bool

	// Messages may be sent at once, before or beside the write. A leader's appends are here: it
	// replicates while it writes (thesis §10.2.1).
	Messages []Message
	// AfterPersist may be sent only when this Ready's write and all before are durable: votes,
	// requests for votes, acknowledgements.
	AfterPersist []Message

	// Committed are to be applied to the state machine in order. They are durable in this member's
	// log already.
	Committed []Entry
	// Reads may be served as soon as their Index is applied.
	Reads []ReadState

	// Soft is who leads now; SoftChanged says that it differs from the last Ready's.
	Soft        SoftState
	SoftChanged bool
}

// ReadState answers a ReadIndex: the read with this ID is linearizable when it sees the state machine
// with Index, or more, applied.
type ReadState struct {
	ID    uint64
	Index Index
}

// outbox is what waits for the next Ready, and what was given out and not yet acknowledged.
type outbox struct {
	messages []Message
	promises []Message
	reads    []ReadState
	// hard and soft are as last given out.
	hard HardState
	soft SoftState
	// number is that of the last Ready; flights are those not yet acknowledged, oldest first.
	number  uint64
	flights []flight
	// durableTerm is the term of the last acknowledged HardState.
	durableTerm Term
	// confHanded are the indexes of membership changes given out and not yet dealt with, and
	// applying the batches given out and not yet applied.
	confHanded    []Index
	applying      []applyBatch
	applyingBytes uint64
	// Buffers to use again.
	spareMessages [][]Message
	spareReads    [][]ReadState
}

// flight is a Ready that is being written.
type flight struct {
	number   uint64
	last     Index // the log is durable up to here when it is acknowledged
	term     Term
	snapshot *Snapshot
	messages []Message
	promises []Message
	reads    []ReadState
}

type applyBatch struct {
	last  Index
	bytes uint64
}

// truncated notes that what is being written beyond i no longer counts.
func (o *outbox) truncated(i Index) {
	for j := range o.flights {
		o.flights[j].last = min(o.flights[j].last, i)
	}
}

// discard drops everything that was prepared.
func (o *outbox) discard() {
	o.messages, o.promises, o.reads = nil, nil, nil
}

func (r *core) hard() HardState {
	return HardState{Term: r.term, Vote: r.vote, Commit: r.log.committed}
}

func (r *core) soft() SoftState { return SoftState{Role: r.role, Leader: r.leader} }

// writable reports whether the stored state may be touched now: not while a snapshot is to replace a
// state machine that is busy.
func (r *core) writable() bool {
	return r.log.snapshot == nil || r.log.snapshotHanded || r.log.applying == r.log.applied
}

// committable returns the range of entries that can be given out as committed.
func (r *core) committable() (lo, hi Index) {
	l := r.log
	if l.snapshot != nil || r.out.applyingBytes >= r.cfg.MaxCommittedBytes {
		return 0, 0
	}
	return l.applying + 1, min(l.committed, l.stable) + 1
}

// hasReady reports whether ready would give out anything.
func (r *core) hasReady() bool {
	if r.err != nil {
		return false
	}
	if len(r.out.messages) > 0 || len(r.out.reads) > 0 || r.soft() != r.out.soft || r.hasAppends() {
		return true
	}
	if lo, hi := r.committable(); lo < hi {
		return true
	}
	return r.writable() && (len(r.out.promises) > 0 || r.hard() != r.out.hard ||
		r.log.snapshot != nil && !r.log.snapshotHanded || r.log.handed < r.log.last())
}

// ready gives out everything there is.
func (r *core) ready() Ready {
	if r.err == nil {
		r.replicate()
	}
	committed := r.takeCommitted()
	if r.err != nil {
		return Ready{Soft: r.soft()}
	}
	o := &r.out
	o.number++
	rd := Ready{Number: o.number, Committed: committed, Messages: o.messages, Reads: o.reads, Soft: r.soft()}
	rd.SoftChanged, o.soft = rd.Soft != o.soft, rd.Soft
	o.messages, o.reads = pop(&o.spareMessages), pop(&o.spareReads)
	if r.writable() {
		r.takeWrites(&rd)
	}
	f := flight{number: rd.Number, term: o.hard.Term, snapshot: rd.Snapshot,
		messages: rd.Messages, promises: rd.AfterPersist, reads: rd.Reads}
	if r.writable() { // otherwise handed is that of a snapshot which is still held back
		f.last = r.log.handed
	}
	o.flights = append(o.flights, f)
	return rd
}

// takeWrites moves what is to be written, and what waits for it, into rd.
func (r *core) takeWrites(rd *Ready) {
	o, l := &r.out, r.log
	if l.snapshot != nil && !l.snapshotHanded {
		rd.Snapshot, l.snapshotHanded = l.snapshot, true
	}
	if l.handed < l.last() {
		from := l.handed + 1 - l.tailFirst
		rd.Entries = l.tail[from:len(l.tail):len(l.tail)]
		l.handed = l.last()
	}
	if h := r.hard(); h != o.hard {
		rd.HardState = h
		rd.MustSync = h.Term != o.hard.Term || h.Vote != o.hard.Vote
		o.hard = h
	}
	rd.MustSync = rd.MustSync || rd.Snapshot != nil || len(rd.Entries) > 0
	rd.AfterPersist, o.promises = o.promises, pop(&o.spareMessages)
}

// takeCommitted gives out the next entries to apply.
func (r *core) takeCommitted() []Entry {
	lo, hi := r.committable()
	if r.err != nil || lo >= hi {
		return nil
	}
	entries, err := r.log.read(lo, hi, r.cfg.MaxCommittedBytes-r.out.applyingBytes)
	if err != nil {
		r.fail("reading committed entries", err)
		return nil
	}
	var bytes uint64
	for i := range entries {
		bytes += entries[i].size()
		if entries[i].Type == EntryConfChange && entries[i].Index > r.confIndex {
			r.out.confHanded = append(r.out.confHanded, entries[i].Index)
		}
	}
	last := entries[len(entries)-1].Index
	r.log.applying = last
	r.out.applyingBytes += bytes
	r.out.applying = append(r.out.applying, applyBatch{last, bytes})
	return entries
}

// persisted acknowledges the writes of all Readies up to number.
func (r *core) persisted(number uint64) error {
	if r.err != nil {
		return r.err
	}
	o, l := &r.out, r.log
	if number > o.number {
		return fmt.Errorf("%w: Persisted(%d), the last Ready was %d", ErrMisuse, number, o.number)
	}
	if len(o.flights) == 0 || o.flights[0].number > number {
		return fmt.Errorf("%w: Persisted(%d) a second time; Readies are acknowledged once and in order", ErrMisuse, number)
	}
	n := 0
	for n < len(o.flights) && o.flights[n].number <= number {
		f := &o.flights[n]
		if s := f.snapshot; s != nil {
			l.applied, l.applying = max(l.applied, s.Index), max(l.applying, s.Index)
			if l.snapshot == s {
				l.snapshot, l.snapshotHanded = nil, false
			}
		}
		l.persisted(f.last)
		o.durableTerm = f.term
		o.recycle(f)
		n++
	}
	o.flights = append(o.flights[:0], o.flights[n:]...)
	if r.votePending && r.role == Candidate && o.durableTerm == r.term {
		r.votePersisted()
	}
	if r.role == Leader {
		r.maybeCommit()
	}
	return nil
}

// appliedTo acknowledges that the state machine has applied everything up to i.
func (r *core) appliedTo(i Index) error {
	if r.err != nil {
		return r.err
	}
	l, o := r.log, &r.out
	switch {
	case i > l.applying:
		return fmt.Errorf("%w: Applied(%d), committed entries were given out up to %d", ErrMisuse, i, l.applying)
	case i < l.applied:
		return fmt.Errorf("%w: Applied(%d) after Applied(%d)", ErrMisuse, i, l.applied)
	case len(o.confHanded) > 0 && o.confHanded[0] <= i:
		return fmt.Errorf("%w: Applied(%d) passes the membership change at %d: ApplyConfChange or SkipConfChange comes first", ErrMisuse, i, o.confHanded[0])
	}
	n := 0
	for n < len(o.applying) && o.applying[n].last <= i {
		o.applyingBytes -= o.applying[n].bytes
		n++
	}
	o.applying = append(o.applying[:0], o.applying[n:]...)
	l.applied = i
	l.release()
	r.maybeLeaveJoint()
	return nil
}

// recycle keeps the buffers of an acknowledged Ready.
func (o *outbox) recycle(f *flight) {
	for _, b := range [][]Message{f.messages, f.promises} {
		if cap(b) > 0 && len(o.spareMessages) < 8 {
			clear(b)
			o.spareMessages = append(o.spareMessages, b[:0])
		}
	}
	if cap(f.reads) > 0 && len(o.spareReads) < 4 {
		o.spareReads = append(o.spareReads, f.reads[:0])
	}
	*f = flight{}
}

func pop[T any](spare *[][]T) []T {
	n := len(*spare)
	if n == 0 {
		return nil
	}
	b := (*spare)[n-1]
	*spare = (*spare)[:n-1]
	return b
}
