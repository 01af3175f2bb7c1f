package mvcc

import (
	"sync"
	"sync/atomic"
)

// watchQueue holds the new changes of a stream between the writer and the reader.
type watchQueue struct {
	maxEvents, maxBytes int
	// behind: a revision did not fit. It and all after it must be read from the store; until then
	// nothing is queued. Set by the writer in push; cleared by the reader while no commit is
	// being handed out.
	behind atomic.Bool

	mu    sync.Mutex
	list  []*Change // from head on
	head  int
	bytes int
	lost  int64 // the revision that did not fit
}

// push appends c, or makes the stream fall behind, then at the beginning of c's revision.
func (q *watchQueue) push(c *Change) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := eventBytes(c)
	if len(q.list)-q.head < q.maxEvents && q.bytes+size <= q.maxBytes {
		if q.head > len(q.list)/2 && len(q.list) == cap(q.list) {
			n := copy(q.list, q.list[q.head:])
			clear(q.list[n:])
			q.list, q.head = q.list[:n], 0
		}
		q.list = append(q.list, c)
		q.bytes += size
		return
	}
	n := len(q.list)
	for ; n > q.head && q.list[n-1].Rev.Main == c.Rev.Main; n-- {
		q.bytes -= eventBytes(q.list[n-1])
		q.list[n-1] = nil
	}
	q.list = q.list[:n]
	q.lost = c.Rev.Main
	q.behind.Store(true)
}

// take appends to dst the changes above the revision after and not above upTo, of whole revisions,
// until they are limit or more. Where that leaves the queue empty, and the stream is behind, lost
// is the revision to go on with; else 0.
func (q *watchQueue) take(dst []*Change, after, upTo int64, limit int) (changes []*Change, lost int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	last := after
	for ; q.head < len(q.list); q.head++ {
		c := q.list[q.head]
		if c.Rev.Main > upTo || len(dst) >= limit && c.Rev.Main != last {
			break
		}
		last = c.Rev.Main
		q.list[q.head] = nil
		q.bytes -= eventBytes(c)
		if c.Rev.Main > after {
			dst = append(dst, c)
		}
	}
	if q.head == len(q.list) {
		q.list, q.head = q.list[:0], 0
		if q.behind.Load() {
			lost = q.lost
		}
	}
	return dst, lost
}
