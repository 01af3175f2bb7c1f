package peers

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

const (
	// maxCalls bounds the calls to a peer that wait for their answer, and those of a peer that are
	// worked on: more wait in its connection.
	maxCalls = 256
	// maxCallBytes bounds what a call or an answer carries.
	maxCallBytes = 4 << 20
	callHead     = 12
)

// Call implements replica.Transport.
func (t *TCP) Call(ctx context.Context, to raft.NodeID, payload []byte) ([]byte, error) {
	if len(payload) > maxCallBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrTooBig, len(payload), maxCallBytes)
	}
	l := t.link(to)
	if l == nil {
		return nil, fmt.Errorf("%w: %d", ErrUnknownPeer, to)
	}
	c, err := l.callConn(ctx)
	if err != nil {
		return nil, err
	}
	return c.call(ctx, payload)
}

// callConn returns the connection for calls, a new one if the last is broken.
func (l *link) callConn(ctx context.Context) (*callConn, error) {
	l.mu.Lock()
	if l.dead {
		l.mu.Unlock()
		return nil, ErrClosed
	}
	c := l.calls
	fresh := c == nil || c.broken()
	if fresh {
		c = &callConn{waiting: map[uint64]chan answer{}, ready: make(chan struct{}), timeout: l.t.cfg.SilenceTimeout}
		l.calls = c
	}
	l.mu.Unlock()
	if fresh && !l.t.run(func() { c.run(l) }) {
		return nil, ErrClosed
	}
	select {
	case <-c.ready:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.ctx.Done():
		return nil, ErrClosed
	}
}

// callConn carries calls to one member.
type callConn struct {
	timeout time.Duration // of one write
	ready   chan struct{} // closed when conn is there, or will never be

	mu      sync.Mutex
	conn    net.Conn
	err     error
	last    uint64
	waiting map[uint64]chan answer
	buf     []byte
}

type answer struct {
	payload []byte
	err     error
}

func (c *callConn) broken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

// run connects and reads answers until the connection breaks.
func (c *callConn) run(l *link) {
	conn, err := l.t.dial(l.ctx, l.id, l.addrs, forCalls)
	if err == nil {
		c.mu.Lock()
		c.conn = conn
		c.mu.Unlock()
		close(c.ready)
		stop := closeAtEnd(l, conn)
		err = c.read(bufio.NewReaderSize(conn, 16<<10))
		stop()
		err = fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	for id, w := range c.waiting {
		w <- answer{err: err}
		delete(c.waiting, id)
	}
	if c.conn == nil {
		close(c.ready)
	}
}

// fail breaks the connection.
func (c *callConn) fail() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		_ = c.conn.Close()
	}
}

func (c *callConn) read(r *bufio.Reader) error {
	for {
		kind, payload, err := readFrame(r, maxCallBytes+callHead)
		if err != nil {
			return err
		}
		if kind != frameAnswer || len(payload) < 9 {
			return fmt.Errorf("%w: frame of kind %d among answers", ErrMalformed, kind)
		}
		a := answer{payload: payload[9:]}
		if payload[8] != 0 {
			a = answer{err: fmt.Errorf("peers: the other side: %s", payload[9:])}
		}
		id := binary.LittleEndian.Uint64(payload)
		c.mu.Lock()
		if w := c.waiting[id]; w != nil {
			w <- a
			delete(c.waiting, id)
		}
		c.mu.Unlock()
	}
}

func (c *callConn) call(ctx context.Context, payload []byte) ([]byte, error) {
	wait := time.Hour
	if d, ok := ctx.Deadline(); ok {
		wait = max(time.Millisecond, min(wait, time.Until(d)))
	}
	done := make(chan answer, 1)
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return nil, c.err
	}
	if len(c.waiting) >= maxCalls {
		c.mu.Unlock()
		return nil, ErrBusy
	}
	c.last++
	id := c.last
	c.waiting[id] = done
	c.buf = binary.LittleEndian.AppendUint64(beginFrame(c.buf[:0], frameCall), id)
	c.buf = binary.LittleEndian.AppendUint32(c.buf, uint32(wait/time.Millisecond))
	c.buf = sealFrame(append(c.buf, payload...), 0)
	_ = c.conn.SetWriteDeadline(time.Now().Add(c.timeout))
	if _, err := c.conn.Write(c.buf); err != nil {
		_ = c.conn.Close() // run answers all
	}
	if cap(c.buf) > 64<<10 {
		c.buf = nil
	}
	c.mu.Unlock()
	select {
	case a := <-done:
		return a.payload, a.err
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
		return nil, ctx.Err()
	}
}

// answerCalls answers a peer's calls, each on a goroutine of its own.
func (t *TCP) answerCalls(c net.Conn, r *bufio.Reader, from raft.NodeID) error {
	ctx, cancel := context.WithCancel(t.ctx)
	room := make(chan struct{}, maxCalls)
	var mu sync.Mutex // of writing
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()
	for {
		kind, payload, err := readFrame(r, maxCallBytes+callHead)
		if err != nil {
			return err
		}
		if kind != frameCall || len(payload) < callHead {
			return fmt.Errorf("%w: frame of kind %d among calls", ErrMalformed, kind)
		}
		room <- struct{}{}
		working.Go(func() {
			defer func() { <-room }()
			wait := time.Duration(binary.LittleEndian.Uint32(payload[8:])) * time.Millisecond
			ctx, cancel := context.WithTimeout(ctx, wait)
			defer cancel()
			a := answerFrame(payload[:8], t.answer(ctx, from, payload[callHead:]))
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return // nobody waits any more
			}
			mu.Lock()
			defer mu.Unlock()
			_ = c.SetWriteDeadline(time.Now().Add(t.cfg.SilenceTimeout))
			if _, err := c.Write(a); err != nil {
				_ = c.Close()
			}
		})
	}
}

func (t *TCP) answer(ctx context.Context, from raft.NodeID, payload []byte) (a answer) {
	a.payload, a.err = t.h.Call(ctx, from, payload)
	if a.err == nil && len(a.payload) > maxCallBytes {
		a.err = fmt.Errorf("%w: answer of %d bytes", ErrTooBig, len(a.payload))
	}
	return a
}

func answerFrame(number []byte, a answer) []byte {
	b := append(beginFrame(nil, frameAnswer), number...)
	if a.err != nil {
		text := a.err.Error()
		return sealFrame(append(append(b, 1), text[:min(len(text), 4096)]...), 0)
	}
	return sealFrame(append(append(b, 0), a.payload...), 0)
}
