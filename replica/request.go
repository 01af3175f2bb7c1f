package replica

import (
	"sync"
	"sync/atomic"
)

// Request is a proposal or a read on its way through a Member. Who makes it fills Command (nil for a
// read) and gives it to the Member; when it comes back in Work.Answered or with an applied Batch, Result
// and Err say how it went.
type Request struct {
	// Command is what the state machine is to get. Nobody modifies it any more.
	Command []byte
	// Result is the state machine's answer to a proposal.
	Result any
	// Err is why there is none.
	Err error

	// due is the tick at which it is answered with ErrTimeout; 0: never.
	due uint64
	// to takes the answer; nil: somebody waits for done.
	to Receiver
	// done gets one value when the request is answered.
	done chan struct{}
	// gone says that nobody waits any more.
	gone atomic.Bool
}

// Abandon says that nobody waits for the answer any more: the Member forgets the request at its next
// Sweep. It may be called from anywhere.
func (r *Request) Abandon() { r.gone.Store(true) }

// Receiver takes the answer to a request for which no goroutine waits.
type Receiver interface {
	// Receive is called once, by a goroutine of the Replica that many wait for: it must not wait itself,
	// nor call the Replica.
	Receive(result any, err error)
}

// requestPool keeps Requests that were answered.
type requestPool struct{ pool sync.Pool }

func (p *requestPool) get(command []byte) *Request {
	r, _ := p.pool.Get().(*Request)
	if r == nil {
		r = &Request{done: make(chan struct{}, 1)}
	}
	r.Command = command
	return r
}

// put takes back a request whose answer was received.
func (p *requestPool) put(r *Request) {
	r.Command, r.Result, r.Err, r.due, r.to = nil, nil, nil, 0, nil
	p.pool.Put(r)
}

// answer wakes who waits for q, or gives it to who receives it. It is not the caller's afterwards.
func (p *requestPool) answer(q *Request) {
	if q.to == nil {
		q.done <- struct{}{}
		return
	}
	to, result, err := q.to, q.Result, q.Err
	p.put(q)
	to.Receive(result, err)
}
