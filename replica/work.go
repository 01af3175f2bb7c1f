package replica

import (
	"errors"
	"maps"
	"slices"

	"github.com/etalon-kv/etalon/raft"
)

// Work is what a Member wants done. Its parts are independent of each other.
type Work struct {
	// Messages may be sent at once. They are valid until the Write given out with them is acknowledged;
	// without one, until the next call of Work.
	Messages []raft.Message
	// Write, if not nil, goes to the log after all Writes before; then it is acknowledged by Persisted.
	Write *Write
	// Batch, if not nil, is to be applied after all Batches before; then Applied says so.
	Batch *Batch
	// Cut, if not nil, is to be made after all Writes before. It needs no acknowledgement.
	Cut *Cut
	// Answered are requests that are done, with Err or, a read, without. The slice is used again by
	// the next Work.
	Answered []*Request
}

// Write is one step of the log.
type Write struct {
	// Number orders writes.
	Number uint64
	// Snapshot, if not nil, replaces state machine and log: first the state machine, from the image that
	// its Data tells of, then the log.
	Snapshot *raft.Snapshot
	Entries  []raft.Entry
	Hard     raft.HardState
	// Sync: it must be durable before it is acknowledged.
	Sync bool
	// After may be sent only when it is durable, and are valid until it is acknowledged.
	After []raft.Message
	// merged counts earlier Writes that this one acknowledges, and installed is the newest snapshot among
	// them and its own.
	merged    int
	installed *raft.Snapshot
}

// Merge makes the acknowledgement of w that of earlier too, for whoever writes several at once and
// acknowledges the last.
func (w *Write) Merge(earlier *Write) {
	w.merged += 1 + earlier.merged
	if w.installed == nil {
		w.installed = earlier.installed
	}
}

// Batch is committed entries, to be applied in order.
type Batch struct {
	// Entries are as the state machine is to get them: commands without envelope. Membership
	// changes (raft.EntryConfChange) are as they stand in the log; see OpenChange.
	Entries []raft.Entry
	// Requests are those that wait for the entries, nil where nobody here does.
	Requests []*Request
	// Results has room for as many answers; nil where nobody here waits for any.
	Results []any
	room    []any // Results, to be used again
}

// Work returns what is to be done. False: nothing, until something happens.
func (m *Member) Work() (w Work, ok bool) {
	if m.written > 0 {
		_ = m.node.Persisted(m.written) // the oldest one: no error but one that stopped the node
		m.written = 0
	}
	m.admit()
	m.reads.ask(m)
	if m.node.HasReady() {
		rd := m.node.Ready()
		if rd.Number == 0 {
			return Work{}, false
		}
		m.take(&rd, &w)
	}
	m.reads.serve(m)
	w.Cut = m.cut.due(m)
	w.Answered, m.answered = m.answered, m.answered[len(m.answered):]
	return w, len(w.Messages) > 0 || w.Write != nil || w.Batch != nil || w.Cut != nil || len(w.Answered) > 0
}

// maxAdmitBytes bounds what is proposed at once: an entry beyond it goes alone.
const maxAdmitBytes = 1 << 20

// admit gives waiting proposals to the core.
func (m *Member) admit() {
	for len(m.queue) > 0 {
		if m.soft.Role == raft.Leader && m.writes > 0 && m.queueBytes < maxAdmitBytes {
			return // they gather
		}
		n, bytes := 0, 0
		for n < len(m.queue) {
			size := len(m.queue[n].Command) + envelopeBytes
			if n > 0 && bytes+size > maxAdmitBytes {
				break
			}
			n, bytes = n+1, bytes+size
		}
		first := m.nextID + 1
		err := m.node.ProposeBatch(m.enclose(m.queue[:n], bytes))
		switch {
		case err == nil:
			for i, r := range m.queue[:n] {
				m.waiting[first+uint64(i)] = r
			}
		case errors.Is(err, raft.ErrEntryTooBig): // n is 1: the others fit together
			m.queue[0].Err = ErrTooBig
			m.answered = append(m.answered, m.queue[0])
			n, bytes = 1, len(m.queue[0].Command)+envelopeBytes
		default: // nobody leads, or not now
			m.nextID = first - 1
			return
		}
		m.queueBytes -= bytes
		rest := copy(m.queue, m.queue[n:])
		clear(m.queue[rest:])
		m.queue = m.queue[:rest]
	}
}

// enclose makes entries of proposals, whose data share one piece of memory.
func (m *Member) enclose(requests []*Request, bytes int) []raft.Entry {
	data := make([]byte, 0, bytes)
	m.entries = m.entries[:0]
	for _, r := range requests {
		from := len(data)
		data = append(appendEnvelope(data, m.id, m.number()), r.Command...)
		m.entries = append(m.entries, raft.Entry{Data: data[from:len(data):len(data)]})
	}
	return m.entries
}

// take turns a Ready into work.
func (m *Member) take(rd *raft.Ready, w *Work) {
	if rd.SoftChanged {
		m.ledBy(rd.Soft)
	}
	m.reads.confirmed(rd.Reads)
	w.Messages = rd.Messages
	if len(rd.Committed) > 0 {
		w.Batch = m.batch(rd.Committed)
	}
	if rd.Snapshot != nil {
		m.cut.replaced(rd.Snapshot.Index)
		m.answered = append(m.answered, m.failWaiting(ErrLost)...)
	}
	if !rd.HardState.Empty() {
		m.lazy = rd.HardState
	}
	if m.writes == 0 && !rd.MustSync && len(rd.AfterPersist) == 0 {
		// Only the commit index changed, or nothing: it goes with the next write. A crash may forget it.
		// It is acknowledged when its messages were sent, at the next call of Work.
		m.written = rd.Number
		return
	}
	m.writes++
	w.Write = &Write{Number: rd.Number, Snapshot: rd.Snapshot, Entries: rd.Entries, Hard: m.lazy, Sync: rd.MustSync, After: rd.AfterPersist, installed: rd.Snapshot}
	m.lazy = raft.HardState{}
}

// batch takes the envelopes off committed entries.
func (m *Member) batch(entries []raft.Entry) *Batch {
	b, wanted := m.blank(len(entries)), false
	for _, e := range entries {
		var from raft.NodeID
		var number uint64
		if e.Type == raft.EntryConfChange {
			_, from, number, _ = OpenChange(e)
		} else {
			from, number, e.Data = openEnvelope(e.Data)
		}
		var r *Request
		if from == m.id {
			if r = m.waiting[number]; r != nil {
				delete(m.waiting, number)
				wanted = true
			}
		}
		b.Entries = append(b.Entries, e)
		b.Requests = append(b.Requests, r)
	}
	if wanted {
		b.room = slices.Grow(b.room, len(entries))[:len(entries)]
		b.Results = b.room
	}
	return b
}

func (m *Member) blank(n int) *Batch {
	if k := len(m.batches); k > 0 {
		b := m.batches[k-1]
		m.batches = m.batches[:k-1]
		return b
	}
	return &Batch{Entries: make([]raft.Entry, 0, n), Requests: make([]*Request, 0, n)}
}

// maxSpareBatch bounds the entries of a Batch that is kept.
const maxSpareBatch = 1 << 14

// Recycle takes a Batch back that was applied and whose requests were answered.
func (m *Member) Recycle(b *Batch) {
	if len(m.batches) >= 4 || cap(b.Entries) > maxSpareBatch {
		return
	}
	clear(b.Entries)
	clear(b.Requests)
	clear(b.room)
	b.Entries, b.Requests, b.Results, b.room = b.Entries[:0], b.Requests[:0], nil, b.room[:0]
	m.batches = append(m.batches, b)
}

// ledBy learns who leads.
func (m *Member) ledBy(s raft.SoftState) {
	if s.Leader != m.soft.Leader {
		m.answered = append(m.answered, m.reads.dropped(s.Leader, ErrLeaderChanged)...)
	}
	m.soft = s
}

func sortedKeys(set map[uint64]*Request) []uint64 { return slices.Sorted(maps.Keys(set)) }
