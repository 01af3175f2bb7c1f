package rpc

import (
	"bytes"
	"net"
	"runtime"
	"slices"
	"sync"
	"syscall"
)

// loop serves many connections with two goroutines. The reader learns from the system which of them
// have something to read, and reads and takes all that before it asks again; the writer goes
// round those that have something to write. Neither waits for a client: a call costs one read and one
// write, and the busier the clients are, the fewer wake-ups each of their calls takes.
type loop struct {
	s    *Server
	poll *poller
	wake chan struct{} // room for one: there is something in listed, or the end has come

	mu     sync.Mutex
	conns  map[uint64]*conn
	last   uint64  // the newest key in conns
	listed []*conn // those the writer is to look at
	asleep bool    // the writer
	closed bool

	// Of the writer.
	done    []finished
	answers []answer
	buf     []byte
	arena   []byte
}

// loopCores is how many cores there are for each loop: what is read must be carried out by others.
const loopCores = 2

// unwrapper is a connection around another of which the first bytes were read; nil if there is more to it.
type unwrapper interface {
	Unwrap() (inner net.Conn, first []byte)
}

// enlist gives a connection to a loop, with mu held; false if no loop can serve it.
func (s *Server) enlist(c *conn) bool {
	inner, first := c.nc, []byte(nil)
	if u, ok := inner.(unwrapper); ok {
		inner, first = u.Unwrap()
	}
	tcp, ok := inner.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil || !s.startLoops() {
		return false
	}
	c.raw.RawConn = raw
	c.loop = s.loops[s.next%len(s.loops)]
	s.next++
	s.running.Add(1)
	c.loop.add(c, first)
	return true
}

// startLoops starts them if they are not there yet, with mu held; false: this system has no such thing.
func (s *Server) startLoops() bool {
	for len(s.loops) < max(1, runtime.NumCPU()/loopCores) {
		p, err := newPoller()
		if err != nil {
			break // out of descriptors, or not here: connections can be served otherwise
		}
		l := &loop{s: s, poll: p, wake: make(chan struct{}, 1), conns: make(map[uint64]*conn)}
		s.loops = append(s.loops, l)
		s.looping.Go(l.read)
		s.looping.Go(l.write)
	}
	return len(s.loops) > 0
}

// add serves c, of which first was read already.
func (l *loop) add(c *conn, first []byte) {
	ok := c.feed(first)
	l.mu.Lock()
	l.last++
	c.number = l.last
	l.conns[c.number] = c
	l.listed = append(l.listed, c)
	l.tell()
	l.mu.Unlock()
	if !ok || l.poll.add(&c.raw, c.number) != nil {
		c.close()
	}
}

// list has the writer look at c. It is called with the mutex of c held.
func (l *loop) list(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listed = append(l.listed, c)
	l.tell()
}

// tell wakes the writer, with mu held.
func (l *loop) tell() {
	if l.asleep {
		l.asleep = false
		l.wake <- struct{}{}
	}
}

// close ends both goroutines. No connection is left.
func (l *loop) close() {
	l.poll.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.tell()
}

// read is the reader.
func (l *loop) read() {
	buf := make([]byte, loopBuffer)
	var ready []event
	var full []*conn // of which there is more to read
	for ok := true; ; {
		if ready, ok = l.poll.wait(ready[:0], len(full) == 0); !ok {
			return
		}
		full = l.round(ready, full, buf)
	}
}

// round reads from those that are ready and those that have more, and returns those that still have.
func (l *loop) round(ready []event, full []*conn, buf []byte) []*conn {
	kept := full[:0]
	for _, c := range full {
		if l.readFrom(c, buf) {
			kept = append(kept, c)
		}
	}
	clear(full[len(kept):])
	for _, e := range ready {
		l.mu.Lock()
		c := l.conns[e.number]
		l.mu.Unlock()
		if c == nil {
			continue
		}
		if e.writable {
			c.unblock()
		}
		c.ended = c.ended || e.ended
		if e.readable && l.readFrom(c, buf) && !slices.Contains(kept, c) {
			kept = append(kept, c)
		}
	}
	return kept
}

const (
	loopBuffer = 64 << 10
	// loopReads is how often one connection is read from before others have their turn.
	loopReads = 4
)

// readFrom takes what c has sent, and tells whether there may be more.
func (l *loop) readFrom(c *conn, buf []byte) bool {
	for range loopReads {
		n, err := c.raw.read(buf)
		if err == syscall.EAGAIN {
			return false
		}
		if err != nil || n == 0 || !c.feed(buf[:n]) {
			c.close()
			return false
		}
		if n < len(buf) && !c.ended {
			return false // the system tells when more comes, or the end; what it has told it does not tell again
		}
	}
	return true
}

// write is the writer.
func (l *loop) write() {
	var turn []*conn
	for {
		l.mu.Lock()
		for len(l.listed) == 0 {
			if l.closed {
				l.mu.Unlock()
				return
			}
			l.asleep = true
			l.mu.Unlock()
			<-l.wake
			l.mu.Lock()
		}
		turn, l.listed = l.listed, turn[:0]
		l.mu.Unlock()
		for i, c := range turn {
			turn[i] = nil
			if !l.serve(c) {
				l.end(c)
			}
		}
	}
}

// serve writes what c has to write, as far as the system takes it; false: the connection has ended.
func (l *loop) serve(c *conn) bool {
	rest := c.unsent
	if len(rest) == 0 {
		done, last := c.takeDone(l.done)
		l.done = done
		if done == nil {
			return false
		}
		c.ending = last
		c.buf, c.arena = l.buf, l.arena
		l.answers = c.encode(done, l.answers[:0])
		ok := c.gather(l.answers)
		rest = c.buf
		l.buf, l.arena, c.buf, c.arena = c.buf, c.arena, nil, nil
		if !ok {
			return false
		}
	} else if !c.resume() {
		return false
	}
	if len(rest) > 0 {
		n, err := c.raw.write(rest)
		switch {
		case err != nil && err != syscall.EAGAIN:
			return false
		case n < len(rest):
			c.unsent = bytes.Clone(rest[n:])
			c.hold()
			return true
		}
		c.unsent = nil
	}
	return !c.ending && c.settle()
}

// resume begins to write again; false: the connection has ended.
func (c *conn) resume() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writable = false
	return !c.closed
}

// hold has the writer come back when the system takes more.
func (c *conn) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writable || c.closed {
		c.loop.list(c)
		return
	}
	c.blocked = true
}

// unblock says that the system takes more.
func (c *conn) unblock() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writable = true
	if c.blocked {
		c.blocked = false
		c.loop.list(c)
	}
}

// settle has the writer come back now or when it is roused.
func (c *conn) settle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asleep = c.quiet(); !c.asleep {
		c.loop.list(c)
	}
	return true
}

// end is the last that is done for c.
func (l *loop) end(c *conn) {
	c.close()
	c.dropDone()
	l.mu.Lock()
	delete(l.conns, c.number)
	l.mu.Unlock()
	c.s.forget(c)
	c.s.running.Done()
}
