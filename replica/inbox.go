package replica

import (
	"sync"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// inbox is where everybody leaves what the loop is to know. One lock, held for a few instructions, and
// one wake-up for everything that came since the loop last looked.
type inbox struct {
	mu   sync.Mutex
	room sync.Cond // of those who wait in deliver
	wake chan struct{}
	// open is false once the member stops; err says why.
	open bool
	err  error
	// requests and bytes are those not answered yet, with their bounds.
	requests, maxRequests int
	bytes, maxBytes       int
	// awake: the loop has been told that there is something.
	awake bool
	turn  turn
}

// turn is what came since the last one.
type turn struct {
	proposals, reads []*Request
	// oldest is when the first of proposals came, if anybody wants to know.
	oldest   time.Time
	messages []raft.Message
	// calls are made in order, after everything else.
	calls []func(*Member) error
	// written is the newest Write that is done.
	written *Write
	// applied, if not 0, is how far the state machine is; batches are to be used again.
	applied raft.Index
	batches []*Batch
}

// maxMessages bounds the messages that wait for the loop; who brings more waits.
const maxMessages = 4096

func (in *inbox) init(maxRequests, maxBytes int) {
	in.wake = make(chan struct{}, 1)
	in.room.L = &in.mu
	in.open, in.maxRequests, in.maxBytes = true, maxRequests, maxBytes
}

// tell wakes the loop, with mu held.
func (in *inbox) tell() {
	if !in.awake {
		in.awake = true
		select {
		case in.wake <- struct{}{}: // has room while the loop runs: one value for each time it looks
		default: // it has ended, and took its last turn without being woken for it
		}
	}
}

// take returns everything that came, and gives the slices of the last turn back.
func (in *inbox) take(used turn) turn {
	clear(used.proposals)
	clear(used.reads)
	clear(used.messages)
	clear(used.calls)
	clear(used.batches)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.awake = false
	now := in.turn
	in.turn = turn{proposals: used.proposals[:0], reads: used.reads[:0], messages: used.messages[:0], calls: used.calls[:0], batches: used.batches[:0]}
	if len(now.messages) >= maxMessages {
		in.room.Broadcast()
	}
	return now
}

// admit counts a request, with mu held.
func (in *inbox) admit(bytes int) error {
	switch {
	case !in.open:
		return in.err
	case in.requests >= in.maxRequests || in.bytes+bytes > in.maxBytes && in.requests > 0:
		return ErrBusy
	}
	in.requests++
	in.bytes += bytes
	return nil
}

// count counts a request that comes in by another way.
func (in *inbox) count() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.admit(0)
}

func (in *inbox) propose(r *Request, s stamp) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := in.admit(len(r.Command)); err != nil {
		return err
	}
	if len(in.turn.proposals) == 0 {
		in.turn.oldest = s.now()
	}
	in.turn.proposals = append(in.turn.proposals, r)
	in.tell()
	return nil
}

func (in *inbox) read(r *Request) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := in.admit(0); err != nil {
		return err
	}
	in.turn.reads = append(in.turn.reads, r)
	in.tell()
	return nil
}

// answered gives back what requests counted.
func (in *inbox) answered(requests, bytes int) {
	in.mu.Lock()
	in.requests -= requests
	in.bytes -= bytes
	in.mu.Unlock()
}

// call has the loop make a call.
func (in *inbox) call(f func(*Member) error) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.open {
		return in.err
	}
	in.turn.calls = append(in.turn.calls, f)
	in.tell()
	return nil
}

// deliver leaves messages, and waits while there are too many.
func (in *inbox) deliver(messages []raft.Message) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for in.open && len(in.turn.messages) >= maxMessages {
		in.room.Wait()
	}
	if in.open {
		in.turn.messages = append(in.turn.messages, messages...)
		in.tell()
	}
}

func (in *inbox) persisted(w *Write) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.turn.written != nil {
		w.Merge(in.turn.written)
	}
	in.turn.written = w
	in.tell()
}

// applied says how far the state machine is, and gives back the batches whose requests were answered.
func (in *inbox) appliedTo(i raft.Index) {
	in.mu.Lock()
	in.turn.applied = i
	in.tell()
	in.mu.Unlock()
}

// replied gives back a batch whose requests were answered.
func (in *inbox) replied(b *Batch, requests, bytes int) {
	in.mu.Lock()
	in.turn.batches = append(in.turn.batches, b)
	in.requests -= requests
	in.bytes -= bytes
	in.mu.Unlock()
}

// stop lets nothing in any more, and wakes everybody. The first err counts.
func (in *inbox) stop(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.open {
		return
	}
	in.open, in.err = false, err
	in.room.Broadcast()
	in.tell()
}

// stopped returns why, nil while it runs.
func (in *inbox) stopped() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.open {
		return nil
	}
	return in.err
}
