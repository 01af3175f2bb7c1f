package bench

import (
	"sync/atomic"
	"time"
)

// issuesInAll is about how many writes all issue logs together remember; a power of two.
const issuesInAll = 1 << 20

// issueLog remembers when the latest writes of one worker were sent: a ring that the worker fills
// and watchers read. A write that is overtaken by a whole ring of later ones is forgotten.
type issueLog struct {
	stamp func(value []byte) (Stamp, bool)
	ring  []issue
	open  []*issue // of the operation under way
	count []uint64 // their numbers
	// Of the worker alone, until it has returned: values whose write was acknowledged, and those of
	// failed writes, which may be there or not.
	acked, unsure int64
}

// issue is one write. number is 0 while the others change, so a reader that finds the same number
// before and after has read what belongs together.
type issue struct {
	number    atomic.Uint64 // the count in its stamp, from 1
	sent, due atomic.Int64
}

func newIssueLog(workers int, stamp func([]byte) (Stamp, bool)) *issueLog {
	size := 64
	for size < issuesInAll/workers {
		size *= 2
	}
	return &issueLog{stamp: stamp, ring: make([]issue, size)}
}

// prepare is called before the clock is read: it finds the places of the values that op writes.
func (l *issueLog) prepare(op *Op) {
	l.open, l.count = l.open[:0], l.count[:0]
	if !op.Kind.Writes() || op.Kind == Delete {
		return
	}
	l.add(op.Value)
	for i := range op.More {
		l.add(op.More[i].Value)
	}
}

func (l *issueLog) add(value []byte) {
	stamp, ok := l.stamp(value)
	if !ok {
		return
	}
	n := stamp.count() + 1
	i := &l.ring[n%uint64(len(l.ring))]
	i.number.Store(0)
	l.open, l.count = append(l.open, i), append(l.count, n)
}

// publish makes the writes known, before they are sent. due < 0: there is no such time.
func (l *issueLog) publish(sent, due time.Duration) {
	for k, i := range l.open {
		i.sent.Store(int64(sent))
		i.due.Store(int64(due))
		i.number.Store(l.count[k])
	}
}

// settle takes the outcome of the operation.
func (l *issueLog) settle(err error) {
	if err == nil {
		l.acked += int64(len(l.open))
	} else {
		l.unsure += int64(len(l.open))
	}
}

// find tells when the write of a stamp was sent and due; false if it is forgotten, or never was.
func (l *issueLog) find(s Stamp) (sent, due time.Duration, ok bool) {
	n := s.count() + 1
	i := &l.ring[n%uint64(len(l.ring))]
	if i.number.Load() != n {
		return 0, 0, false
	}
	sent, due = time.Duration(i.sent.Load()), time.Duration(i.due.Load())
	return sent, due, i.number.Load() == n
}
