package targets

import (
	"sync"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// maxRaftMessages bounds the messages that wait for a member: above what the core's flow control lets
// be under way to it. One that finds no room is dropped, and the core sends again.
const maxRaftMessages = 4096

// raftInbox is what waits for a member's goroutine. Nobody waits to put something in. Requests are
// bounded by the sessions, each of which waits for the answer.
type raftInbox struct {
	wake chan struct{} // capacity 1: there is something new

	mu     sync.Mutex
	closed bool
	events raftEvents
}

// raftEvents are what a member deals with in one turn.
type raftEvents struct {
	messages []raft.Message
	requests []*raftRequest
	durable  []raftDurable
}

// raftDurable says that all Readies up to number were written, and when.
type raftDurable struct {
	number uint64
	at     time.Duration
}

func (b *raftInbox) deliver(m *raft.Message) {
	b.mu.Lock()
	if len(b.events.messages) < maxRaftMessages {
		b.events.messages = append(b.events.messages, *m)
	}
	b.mu.Unlock()
	b.signal()
}

// ask reports whether the request was taken; otherwise the member has stopped.
func (b *raftInbox) ask(requests ...*raftRequest) bool {
	b.mu.Lock()
	open := !b.closed
	if open {
		b.events.requests = append(b.events.requests, requests...)
	}
	b.mu.Unlock()
	b.signal()
	return open
}

func (b *raftInbox) persisted(d raftDurable) {
	b.mu.Lock()
	b.events.durable = append(b.events.durable, d)
	b.mu.Unlock()
	b.signal()
}

func (b *raftInbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take exchanges what has come for into, whose memory is used again.
func (b *raftInbox) take(into *raftEvents) {
	clear(into.messages)
	clear(into.requests)
	into.messages, into.requests, into.durable = into.messages[:0], into.requests[:0], into.durable[:0]
	b.mu.Lock()
	b.events, *into = *into, b.events
	b.mu.Unlock()
}

// close refuses all further requests and returns those that nobody has taken.
func (b *raftInbox) close() []*raftRequest {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	left := b.events.requests
	b.events.requests = nil
	return left
}

// fifo is a queue in memory that is used again.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) push(v T)    { q.items = append(q.items, v) }
func (q *fifo[T]) len() int    { return len(q.items) - q.head }
func (q *fifo[T]) at(i int) *T { return &q.items[q.head+i] }

func (q *fifo[T]) pop() T {
	var zero T
	v := q.items[q.head]
	q.items[q.head] = zero
	if q.head++; q.head > len(q.items)/2 && q.head > 64 || q.head == len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return v
}
