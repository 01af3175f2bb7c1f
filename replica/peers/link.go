package peers

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// link is the way to one member: a queue of frames and a goroutine that connects, and writes all that
// waits at once. A second connection carries calls.
type link struct {
	t     *TCP
	id    raft.NodeID
	addrs []string

	mu      sync.Mutex
	wake    chan struct{}
	pending []byte // sealed frames, then one that is open if openAt >= 0
	openAt  int
	dead    bool
	calls   *callConn

	ctx    context.Context
	cancel context.CancelFunc
}

// openFrameBytes is when a frame is sealed and the next begun.
const openFrameBytes = 1 << 20

func newLink(t *TCP, id raft.NodeID, addrs []string) *link {
	l := &link{t: t, id: id, addrs: addrs, wake: make(chan struct{}, 1), openAt: -1}
	l.ctx, l.cancel = context.WithCancel(t.ctx)
	t.running.Go(l.run)
	return l
}

// stop ends the link; it does not wait.
func (l *link) stop() {
	l.mu.Lock()
	l.dead = true
	if l.calls != nil {
		l.calls.fail()
	}
	l.mu.Unlock()
	l.cancel()
}

// queue encodes messages behind those that wait. What does not fit is lost.
func (l *link) queue(messages []raft.Message) {
	l.mu.Lock()
	lost := l.dead || len(l.pending) > l.t.cfg.MaxQueuedBytes
	if !lost {
		for i := range messages {
			if l.openAt >= 0 && len(l.pending)-l.openAt > openFrameBytes {
				l.seal()
			}
			if l.openAt < 0 {
				l.openAt = len(l.pending)
				l.pending = beginFrame(l.pending, frameMessages)
			}
			l.pending = appendMessage(l.pending, &messages[i])
		}
	}
	l.mu.Unlock()
	if lost {
		l.t.h.Unreachable(l.id)
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *link) seal() {
	if l.openAt >= 0 {
		l.pending = sealFrame(l.pending, l.openAt)
		l.openAt = -1
	}
}

// take returns everything that waits, in place of used.
func (l *link) take(used []byte) []byte {
	if cap(used) > 4*openFrameBytes {
		used = nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seal()
	all := l.pending
	l.pending = used[:0]
	return all
}

// run connects when there is something to send, and writes.
func (l *link) run() {
	retry := l.t.cfg.MinRetry
	var buf []byte
	for {
		select {
		case <-l.wake:
		case <-l.ctx.Done():
			return
		}
		c, err := l.t.dial(l.ctx, l.id, l.addrs, forMessages)
		if err == nil {
			retry = l.t.cfg.MinRetry
			buf, err = l.stream(c, buf)
		}
		if l.ctx.Err() != nil {
			return
		}
		l.t.complain("peer lost", l.id, err)
		buf = l.take(buf)[:0] // what waits is late now
		l.t.h.Unreachable(l.id)
		if forGood(err) {
			l.t.h.Refused(l.id, err)
		}
		select {
		case <-time.After(retry):
		case <-l.ctx.Done():
			return
		}
		retry = min(2*retry, l.t.cfg.MaxRetry)
	}
}

// stream writes what waits until the connection breaks.
func (l *link) stream(c net.Conn, buf []byte) ([]byte, error) {
	var alive atomic.Int64 // when the other side gave a sign of life
	alive.Store(time.Now().UnixNano())
	broken := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(broken)
		var b [64]byte
		for {
			if _, err := c.Read(b[:]); err != nil {
				return
			}
			alive.Store(time.Now().UnixNano())
		}
	})
	defer reading.Wait()
	defer c.Close()
	v := vigil{silence: l.t.cfg.SilenceTimeout}
	for {
		if buf = l.take(buf); len(buf) > 0 {
			now := time.Now()
			if v.broken(now, alive.Load()) {
				return buf, ErrUnreachable
			}
			if err := c.SetWriteDeadline(now.Add(l.t.cfg.SilenceTimeout)); err != nil {
				return buf, err
			}
			if _, err := c.Write(buf); err != nil {
				return buf, err
			}
		}
		select {
		case <-l.wake:
		case <-broken:
			return buf, ErrUnreachable
		case <-l.ctx.Done():
			return buf, l.ctx.Err()
		}
	}
}

// vigil notices that a peer is silent. The other side gives a sign of life for a frame that comes a fifth
// of silence after the last sign, or later.
type vigil struct {
	silence time.Duration
	// asked is when the first frame was written after the last sign of life, and due when the first was
	// that must have been answered.
	asked, due time.Time
}

// broken reports, before a frame is written at now, that one before should have been answered long ago.
// alive is when the last sign came.
func (v *vigil) broken(now time.Time, alive int64) bool {
	switch {
	case v.asked.IsZero() || alive > v.asked.UnixNano():
		v.asked, v.due = now, time.Time{}
	case v.due.IsZero():
		if now.Sub(v.asked) > v.silence/4 {
			v.due = now
		}
	default:
		return now.Sub(v.due) > v.silence
	}
	return false
}
