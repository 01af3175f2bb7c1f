package peers

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/etalon-kv/etalon/raft"
)

// Net connects members of one process, without bytes: for tests, and for measuring without a network.
type Net struct {
	mu   sync.Mutex
	ends map[raft.NodeID]*Local
	cut  map[[2]raft.NodeID]bool
}

// NewNet returns a Net without members.
func NewNet() *Net {
	return &Net{ends: map[raft.NodeID]*Local{}, cut: map[[2]raft.NodeID]bool{}}
}

// Cut stops everything from one member to another, or, with on false, lets it pass again.
func (n *Net) Cut(from, to raft.NodeID, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[[2]raft.NodeID{from, to}] = on
}

// to returns the other end, nil if it is not there or cut off.
func (n *Net) to(from, to raft.NodeID) *Local {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut[[2]raft.NodeID{from, to}] {
		return nil
	}
	return n.ends[to]
}

// Local is a member's transport in a Net. See replica.Transport for what its methods promise.
type Local struct {
	net *Net
	id  raft.NodeID

	mu      sync.Mutex
	some    sync.Cond
	h       Handler
	inbox   []raft.Message
	closed  bool
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// maxLocal bounds the messages that wait for a member; more are lost.
const maxLocal = 1 << 16

// Member returns the transport of a member. A new one takes the place of an old one that was closed.
func (n *Net) Member(id raft.NodeID) *Local {
	l := &Local{net: n, id: id}
	l.some.L = &l.mu
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Start implements replica.Transport.
func (l *Local) Start(h Handler) error {
	l.h = h
	l.net.mu.Lock()
	l.net.ends[l.id] = l
	l.net.mu.Unlock()
	l.running.Go(l.deliver)
	return nil
}

// SetPeers implements replica.Transport; a Net knows everybody.
func (l *Local) SetPeers([]Peer) {}

func (l *Local) deliver() {
	var all []raft.Message
	for {
		clear(all)
		l.mu.Lock()
		for len(l.inbox) == 0 && !l.closed {
			l.some.Wait()
		}
		if l.closed {
			l.mu.Unlock()
			return
		}
		all, l.inbox = l.inbox, all[:0]
		l.mu.Unlock()
		l.h.Deliver(all)
	}
}

// put leaves messages for the member. False: they are lost.
func (l *Local) put(messages []raft.Message) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.inbox) > maxLocal {
		return false
	}
	l.inbox = append(l.inbox, messages...)
	l.some.Signal()
	return true
}

// Send implements replica.Transport.
func (l *Local) Send(messages []raft.Message) {
	for i := 0; i < len(messages); {
		to, n := messages[i].To, 1
		for i+n < len(messages) && messages[i+n].To == to {
			n++
		}
		if end := l.net.to(l.id, to); end == nil || !end.put(messages[i:i+n]) {
			l.h.Unreachable(to)
		}
		i += n
	}
}

// work runs f on a goroutine that Close waits for. False: it is too late.
func (l *Local) work(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.running.Go(f)
	return true
}

// SendSnapshot implements replica.Transport.
func (l *Local) SendSnapshot(m raft.Message, image Image) {
	if !l.work(func() {
		err := l.sendSnapshot(m, image)
		l.h.SnapshotSent(m.To, err == nil)
	}) {
		_ = image.Close()
	}
}

func (l *Local) sendSnapshot(m raft.Message, image Image) error {
	defer image.Close()
	end := l.net.to(l.id, m.To)
	if end == nil {
		return ErrUnreachable
	}
	r, w := io.Pipe()
	stop := context.AfterFunc(l.ctx, func() { w.CloseWithError(ErrClosed) })
	defer stop()
	result := make(chan error, 1)
	if !end.work(func() {
		err := end.h.Snapshot(m, r)
		_ = r.CloseWithError(ErrUnreachable) // nobody reads any more
		result <- err
	}) {
		return ErrUnreachable
	}
	_, err := image.WriteTo(w)
	_ = w.CloseWithError(err) // io.EOF where err is nil
	if rerr := <-result; rerr != nil {
		return rerr
	}
	return err
}

// Call implements replica.Transport.
func (l *Local) Call(ctx context.Context, to raft.NodeID, payload []byte) ([]byte, error) {
	end := l.net.to(l.id, to)
	if end == nil || l.net.to(to, l.id) == nil {
		return nil, fmt.Errorf("%w: %d", ErrUnreachable, to)
	}
	done := make(chan answer, 1)
	if !end.work(func() {
		b, err := end.h.Call(ctx, l.id, payload)
		done <- answer{b, err}
	}) {
		return nil, fmt.Errorf("%w: %d", ErrUnreachable, to)
	}
	select {
	case a := <-done:
		return a.payload, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.ctx.Done():
		return nil, ErrClosed
	}
}

// Close implements replica.Transport.
func (l *Local) Close() error {
	l.mu.Lock()
	l.closed = true
	l.some.Broadcast()
	l.mu.Unlock()
	l.cancel()
	l.net.mu.Lock()
	if l.net.ends[l.id] == l {
		delete(l.net.ends, l.id)
	}
	l.net.mu.Unlock()
	l.running.Wait()
	return nil
}
