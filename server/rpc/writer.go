package rpc

import (
	"encoding/binary"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// answer is the encoded answer to a fast call: a part of the arena, or an error.
type answer struct {
	st   *stream
	from int
	to   int
	err  error
}

// maxWrite is about how much is written at once.
const maxWrite = 256 << 10

// write is the writer of a connection that has goroutines of its own.
func (c *conn) write() {
	var done []finished
	var answers []answer
	for {
		var last bool
		c.await()
		if done, last = c.takeDone(done); done == nil {
			break
		}
		answers = c.encode(done, answers[:0])
		if !c.gather(answers) {
			break
		}
		if len(c.buf) > 0 {
			if _, err := c.nc.Write(c.buf); err != nil {
				break
			}
		}
		if last {
			break
		}
	}
	c.close()
	c.dropDone()
}

// dropDone forgets the answers to those who have gone.
func (c *conn) dropDone() {
	c.mu.Lock()
	rest := c.done
	c.done = nil
	c.mu.Unlock()
	for _, f := range rest {
		f.reply.Drop()
	}
}

// await waits until there is something to write.
func (c *conn) await() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.quiet() {
		c.asleep = true
		c.mu.Unlock()
		<-c.wake
		c.mu.Lock()
	}
}

// quiet tells whether the writer has nothing to do, with mu held.
func (c *conn) quiet() bool {
	return !c.closed && len(c.done) == 0 && len(c.control) == 0 && !c.ackDue && !c.sendable() && !c.drained()
}

// takeDone takes the calls that are done; used is what it returned last. nil: the connection has ended.
// last: the client is told why, then it ends.
func (c *conn) takeDone(used []finished) (done []finished, last bool) {
	clear(used)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, true
	}
	if used == nil {
		used = make([]finished, 0, 16)
	}
	done, c.done = c.done, used[:0]
	if done == nil {
		done = make([]finished, 0, 16)
	}
	c.writable = false
	return done, c.last || c.drained()
}

// drained tells whether the last stream has ended and there will be no other.
func (c *conn) drained() bool { return c.draining && len(c.streams) == 0 }

// sendable tells whether some stream can go on.
func (c *conn) sendable() bool {
	if c.window > 0 {
		return len(c.active) > 0
	}
	for _, st := range c.active {
		if len(st.out) == st.sent || st.gone {
			return true
		}
	}
	return false
}

// encode has the answers written into the arena, one behind the other.
func (c *conn) encode(done []finished, answers []answer) []answer {
	if cap(c.arena) > keptBuffer {
		c.arena = nil
	}
	c.arena = c.arena[:0]
	for _, f := range done {
		from := len(c.arena)
		b, err := f.reply.AppendReply(append(c.arena, 0, 0, 0, 0, 0))
		if err != nil {
			answers = append(answers, answer{st: f.st, err: err})
			continue
		}
		c.arena = b
		binary.BigEndian.PutUint32(b[from+1:], uint32(len(b)-from-messagePrefix))
		answers = append(answers, answer{st: f.st, from: from, to: len(b)})
	}
	return answers
}

// gather fills buf with what may be sent now; false if there is nobody to send it to.
func (c *conn) gather(answers []answer) bool {
	if cap(c.buf) > 2*maxWrite {
		c.buf = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.enc.tableSize(c.table)
	c.buf = append(c.buf[:0], c.control...)
	c.control = c.control[:0]
	if len(c.acks) > 0 && c.mayAck() {
		c.buf = append(c.buf, c.acks...)
		c.acks, c.ackDue = c.acks[:0], false
	}
	sent := len(c.buf)
	for i := range answers {
		c.send(&answers[i])
	}
	clear(answers)
	c.sendActive()
	c.answered = c.answered || sent < len(c.buf)
	c.ackSent += len(c.buf)
	return true
}

// send sends the answer to a fast call, or as much as the client lets it.
func (c *conn) send(a *answer) {
	st, n := a.st, int64(a.to-a.from)
	switch {
	case st.gone:
	case a.err != nil:
		s, ok := status.FromError(a.err)
		if !ok {
			s = status.FromContextError(a.err)
		}
		st.end = s
		c.finish(st)
	case n <= c.window && n <= st.window && n <= maxFrame:
		c.window -= n
		st.window -= n
		c.head(st)
		c.buf = append(appendFrame(c.buf, int(n), frameData, 0, st.id), c.arena[a.from:a.to]...)
		st.end = okStatus
		c.finish(st)
	default:
		st.out, st.sent, st.end = append([]byte(nil), c.arena[a.from:a.to]...), 0, okStatus
		if st.ready() && !st.listed {
			st.listed = true
			c.active = append(c.active, st)
		}
	}
}

var okStatus = status.New(codes.OK, "")

// sendActive sends what the streams have, in turns, as far as the windows let it.
func (c *conn) sendActive() {
	for len(c.active) > 0 && len(c.buf) < maxWrite {
		again := c.active[:0]
		moved := false
		for _, st := range c.active {
			before := len(c.buf)
			if c.sendPart(st) {
				again = append(again, st)
			} else {
				st.listed = false
			}
			moved = moved || len(c.buf) > before
		}
		clear(c.active[len(again):])
		if c.active = again; !moved {
			return
		}
	}
}

// sendPart sends a frame of st, and tells whether there is more that only the connection holds up.
func (c *conn) sendPart(st *stream) bool {
	if st.gone {
		return false
	}
	if rest := len(st.out) - st.sent; rest > 0 {
		n := int(min(int64(rest), c.window, st.window, maxFrame))
		if n <= 0 {
			return st.window > 0
		}
		c.window -= int64(n)
		st.window -= int64(n)
		c.head(st)
		c.buf = append(appendFrame(c.buf, n, frameData, 0, st.id), st.out[st.sent:st.sent+n]...)
		if st.sent += n; st.sent < len(st.out) {
			return st.window > 0
		}
		st.out, st.sent = nil, 0
		if st.slow != nil {
			st.slow.makeRoom()
		}
	}
	if st.end != nil {
		c.finish(st)
	}
	return false
}

// head sends what a response begins with, once.
func (c *conn) head(st *stream) {
	if st.headed {
		return
	}
	st.headed = true
	from := len(c.buf)
	c.buf = c.enc.appendHead(appendFrame(c.buf, 0, frameHeaders, flagEndHeaders, st.id))
	c.seal(from)
}

// finish sends what a response ends with, and forgets the stream.
func (c *conn) finish(st *stream) {
	from := len(c.buf)
	c.buf = appendFrame(c.buf, 0, frameHeaders, flagEndHeaders|flagEnd, st.id)
	if !st.headed {
		c.buf = c.enc.appendHead(c.buf)
	}
	c.buf = c.enc.appendStatus(c.buf, st.end)
	c.seal(from)
	if !st.half { // what the client still sends is not wanted
		c.buf = appendUint32Frame(c.buf, frameReset, st.id, uint32(codeNone))
	}
	st.drop()
}

// seal writes the length of the frame that begins at from and ends the buffer.
func (c *conn) seal(from int) {
	n := len(c.buf) - from - frameHeader
	c.buf[from], c.buf[from+1], c.buf[from+2] = byte(n>>16), byte(n>>8), byte(n)
}
