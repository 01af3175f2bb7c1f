package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// Limits bound the connections of a listener.
type Limits struct {
	// Conns are those open at a time, handshakes included; one more is closed at once. 0 = 20,000.
	Conns int
	// Handshakes are those that have not said yet what they speak. For one more the oldest is closed: an
	// honest one is done in a moment, and whoever holds all places would keep everybody out for Timeout,
	// which is how long each may take. 0 = 1,000 and 10 s.
	Handshakes int
	Timeout    time.Duration
}

func (l *Limits) fill() {
	if l.Conns == 0 {
		l.Conns = 20_000
	}
	if l.Handshakes == 0 {
		l.Handshakes = 1_000
	}
	if l.Timeout == 0 {
		l.Timeout = 10 * time.Second
	}
}

// Splitter gives the connections of one listener to two servers.
type Splitter struct {
	listener net.Listener
	tls      *tls.Config
	limits   Limits
	grpc     *half
	http     *half

	mu         sync.Mutex
	open       int
	handshakes []net.Conn // from the oldest on
	closed     bool
	running    sync.WaitGroup
}

// Split begins to accept from l, with TLS if t is not nil; t must offer "h2" and "http/1.1". The
// caller serves GRPC and HTTP, and must Close the Splitter, which closes l.
func Split(l net.Listener, t *tls.Config, limits Limits) *Splitter {
	limits.fill()
	s := &Splitter{listener: l, tls: t, limits: limits}
	s.grpc, s.http = newHalf(l.Addr()), newHalf(l.Addr())
	s.running.Go(s.accept)
	return s
}

// GRPC is the listener of connections that speak HTTP/2.
func (s *Splitter) GRPC() net.Listener { return s.grpc }

// HTTP is the listener of all others.
func (s *Splitter) HTTP() net.Listener { return s.http }

// Close ends both listeners and all handshakes. Connections that were handed over stay.
func (s *Splitter) Close() error {
	s.mu.Lock()
	s.closed = true
	for _, c := range s.handshakes {
		c.Close()
	}
	s.mu.Unlock()
	err := s.listener.Close()
	s.grpc.Close()
	s.http.Close()
	s.running.Wait()
	return err
}

func (s *Splitter) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of descriptors, say: some will be closed.
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if !s.admit(c) {
			c.Close()
			continue
		}
		s.running.Go(func() { s.greet(c) })
	}
}

// admit enters a connection, if there is room.
func (s *Splitter) admit(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.open >= s.limits.Conns {
		return false
	}
	if len(s.handshakes) >= s.limits.Handshakes {
		s.handshakes[0].Close() // its greeting fails and counts it out
		s.handshakes = slices.Delete(s.handshakes, 0, 1)
	}
	s.open++
	s.handshakes = append(s.handshakes, c)
	return true
}

func (s *Splitter) gone() {
	s.mu.Lock()
	s.open--
	s.mu.Unlock()
}

// greet finds out what a connection speaks and hands it over.
func (s *Splitter) greet(raw net.Conn) {
	to, c, err := s.handshake(raw)
	s.mu.Lock()
	if i := slices.Index(s.handshakes, raw); i >= 0 {
		s.handshakes = slices.Delete(s.handshakes, i, i+1)
	}
	s.mu.Unlock()
	counted := &conn{Conn: c, gone: s.gone}
	if err != nil || !to.give(counted) {
		counted.Conn = raw
		counted.Close()
	}
}

// preface are the first bytes of HTTP/2, which no HTTP/1 request begins with.
const preface = "PRI"

func (s *Splitter) handshake(c net.Conn) (*half, net.Conn, error) {
	deadline := time.Now().Add(s.limits.Timeout)
	if err := c.SetDeadline(deadline); err != nil {
		return nil, nil, err
	}
	to := s.http
	if s.tls != nil {
		t := tls.Server(c, s.tls)
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, nil, err
		}
		if t.ConnectionState().NegotiatedProtocol == "h2" {
			to = s.grpc
		}
		return to, t, t.SetDeadline(time.Time{})
	}
	r := bufio.NewReaderSize(c, 16)
	first, err := r.Peek(len(preface))
	if err != nil {
		return nil, nil, err
	}
	if string(first) == preface {
		to = s.grpc
	}
	return to, &peeked{Conn: c, first: r}, c.SetDeadline(time.Time{})
}

// peeked is a connection of which the first bytes have been read.
type peeked struct {
	net.Conn
	first *bufio.Reader // nil once empty
}

func (p *peeked) Read(b []byte) (int, error) {
	if p.first == nil {
		return p.Conn.Read(b)
	}
	if p.first.Buffered() == 0 {
		p.first = nil
		return p.Conn.Read(b)
	}
	return p.first.Read(b[:min(len(b), p.first.Buffered())])
}

// conn counts itself out when it is closed.
type conn struct {
	net.Conn
	gone func()
	once sync.Once
}

// Unwrap returns the connection itself and what was already read of it, for who reads it from now on;
// nil if it has TLS. Close is still to be called on c.
func (c *conn) Unwrap() (inner net.Conn, first []byte) {
	p, ok := c.Conn.(*peeked)
	if !ok {
		return nil, nil
	}
	first, _ = p.first.Peek(p.first.Buffered()) // what is there can be had
	return p.Conn, first
}

func (c *conn) Close() error {
	c.once.Do(c.gone)
	return c.Conn.Close()
}

// half is a listener that is given its connections.
type half struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHalf(addr net.Addr) *half {
	return &half{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// give waits until the server takes c; false if it does not any more.
func (h *half) give(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.done:
		return false
	}
}

// Accept implements net.Listener.
func (h *half) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, fmt.Errorf("web: %w", net.ErrClosed)
	}
}

// Close implements net.Listener.
func (h *half) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr implements net.Listener.
func (h *half) Addr() net.Addr { return h.addr }
