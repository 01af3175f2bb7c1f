package rpc

import (
	"encoding/binary"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// stream is one call.
type stream struct {
	c      *conn
	id     uint32
	m      *method
	caller Caller
	slow   *slow // nil for a fast call

	pending []byte // of the reader: what has arrived of a message

	// Under conn.mu.
	window int64  // what may be sent on it
	out    []byte // to be sent, from sent on
	sent   int
	end    *status.Status // what is sent after out; nil: more is to come
	half   bool           // the client sends no more
	headed bool           // the response has begun
	listed bool           // in conn.active
	gone   bool           // answered, or given up: not in conn.streams
	held   int            // its part of conn.buffered
}

// messagePrefix is what stands before a message: whether it is compressed, and its length.
const messagePrefix = 5

// Caller is what a fast method is told of the client.
type Caller struct {
	// Version and HasLeader are the values of client-api-version and hasleader in the metadata.
	Version, HasLeader string
}

// begin begins the call whose header was read. With flagEnd there will be no message.
func (c *conn) begin(f frame) errorCode {
	h := &c.header
	st := &stream{c: c, id: f.stream, caller: Caller{Version: h.ClientVersion, HasLeader: h.HasLeader}}
	st.m = c.s.methods[h.path]
	refused := c.s.refusal(h, st.m)
	if refused == nil && st.m.fast == nil {
		st.slow = newSlow(c, h)
	}
	c.mu.Lock()
	if c.draining { // the client was told, and asks somebody else
		c.mu.Unlock()
		st.release()
		return codeNone
	}
	c.accepted = f.stream
	if most := int(c.s.config.MaxStreams); c.closed || len(c.streams) >= most || c.handlers >= most {
		code := c.answer(appendUint32Frame(c.control, frameReset, f.stream, uint32(codeRefused)))
		c.mu.Unlock()
		st.release()
		return code
	}
	st.window = c.initial
	c.streams[st.id] = st
	c.mu.Unlock()
	if refused != nil {
		st.finish(refused)
		return codeNone
	}
	if st.m.stream != nil {
		st.handle(st.serveStream)
	}
	if f.has(flagEnd) {
		return st.receive(nil, true)
	}
	return codeNone
}

// refusal is why a call cannot be served, nil if it can.
func (s *Server) refusal(h *Header, m *method) *status.Status {
	switch {
	case h.tooLarge():
		return status.Newf(codes.ResourceExhausted, "rpc: the header has %d bytes, at most %d are taken", h.size, maxHeaderBytes)
	case h.bad || h.method != "POST" || !strings.HasPrefix(h.contentType, contentType):
		return status.Newf(codes.Internal, "rpc: %s request with content type %q is not gRPC", h.method, h.contentType)
	case h.encoding != "" && h.encoding != "identity":
		return status.Newf(codes.Unimplemented, "grpc: Decompressor is not installed for grpc-encoding %q", h.encoding)
	case m != nil:
		return nil
	}
	service, name, _ := strings.Cut(strings.TrimPrefix(h.path, "/"), "/")
	for path := range s.methods {
		if strings.HasPrefix(path, "/"+service+"/") {
			return status.Newf(codes.Unimplemented, "unknown method %s for service %s", name, service)
		}
	}
	return status.Newf(codes.Unimplemented, "unknown service %s", service)
}

// receive takes a part of what the client sends, of which the messages are cut out. It is called by
// the reader, and p is valid until it returns.
func (st *stream) receive(p []byte, end bool) errorCode {
	st.c.mu.Lock()
	half, gone := st.half, st.gone
	over := gone || st.end != nil
	st.half = half || end
	if half && !gone {
		code := st.c.resetStream(st, codeClosed)
		st.c.mu.Unlock()
		return code
	}
	st.c.mu.Unlock()
	if over {
		return codeNone
	}
	whole := p
	if len(st.pending) > 0 {
		st.pending = append(st.pending, p...)
		whole = st.pending
	}
	for {
		msg, rest, bad := st.cut(whole)
		if bad != nil {
			st.finish(bad)
			return codeNone
		}
		if msg == nil {
			break
		}
		if st.slow == nil || st.m.unary != nil {
			if len(rest) > 0 || !end {
				return st.collect(whole, end)
			}
			st.hold(0)
			st.deliver(msg)
			return codeNone
		}
		st.slow.push(st, msg)
		whole = rest
	}
	return st.collect(whole, end)
}

// cut takes the first message off b; it is nil if b does not hold all of it.
func (st *stream) cut(b []byte) (msg, rest []byte, bad *status.Status) {
	if len(b) < messagePrefix {
		return nil, b, nil
	}
	n, most := binary.BigEndian.Uint32(b[1:]), st.c.s.config.MaxMessageBytes
	switch {
	case b[0] != 0:
		return nil, nil, status.New(codes.Internal, "grpc: compressed flag set with identity or empty encoding")
	case int64(n) > int64(most):
		return nil, nil, status.Newf(codes.ResourceExhausted, "grpc: received message larger than max (%d vs. %d)", n, most)
	case len(b) < messagePrefix+int(n):
		return nil, b, nil
	}
	end := messagePrefix + int(n)
	return b[messagePrefix:end:end], b[end:], nil
}

// collect keeps what is left over until there is more.
func (st *stream) collect(rest []byte, end bool) errorCode {
	if end {
		st.hold(0)
		switch {
		case len(rest) > 0 || st.slow == nil || st.m.unary != nil:
			st.finish(status.Newf(codes.Internal, "rpc: a request ends with %d bytes that are not one message", len(rest)))
		default:
			st.slow.close(st)
		}
		return codeNone
	}
	st.pending = append(st.pending[:0], rest...) // rest may lie in pending, further behind
	st.hold(len(st.pending))
	st.c.mu.Lock()
	defer st.c.mu.Unlock()
	if st.c.buffered > maxBuffered && !st.gone {
		return st.c.resetStream(st, codeCalm)
	}
	return codeNone
}

// hold counts n bytes as kept for the stream.
func (st *stream) hold(n int) {
	if n == st.held {
		return
	}
	st.c.mu.Lock()
	defer st.c.mu.Unlock()
	if !st.gone {
		st.c.buffered += n - st.held
		st.held = n
	}
}

// deliver gives the message of a unary call to its method.
func (st *stream) deliver(msg []byte) {
	if st.slow == nil {
		st.m.fast(Call{st}, st.caller, msg)
		return
	}
	kept := append([]byte(nil), msg...)
	st.pending = nil
	st.handle(func() { st.serveUnary(kept) })
}

// handle runs a handler. One whose stream the client has reset still counts until it returns, so that
// opening and resetting streams does not pile them up.
func (st *stream) handle(work func()) {
	c := st.c
	c.mu.Lock()
	c.handlers++
	c.mu.Unlock()
	c.s.running.Go(func() {
		work()
		c.mu.Lock()
		c.handlers--
		c.mu.Unlock()
	})
}

// finish ends the response with s, after what is still to be sent.
func (st *stream) finish(s *status.Status) {
	st.c.mu.Lock()
	defer st.c.mu.Unlock()
	if st.gone || st.end != nil {
		return
	}
	st.end = s
	st.activate()
}

// activate puts the stream among those to be sent, if it has anything, with conn.mu held.
func (st *stream) activate() {
	if st.gone || st.listed || !st.ready() {
		return
	}
	st.listed = true
	st.c.active = append(st.c.active, st)
	st.c.rouse()
}

// ready tells whether there is something that the stream's own window lets through.
func (st *stream) ready() bool {
	rest := len(st.out) - st.sent
	return rest > 0 && st.window > 0 || rest == 0 && st.end != nil
}

// drop takes the stream out of the connection, with conn.mu held. A handler that is at work learns
// it from its context.
func (st *stream) drop() {
	if st.gone {
		return
	}
	st.gone = true
	st.c.buffered -= st.held
	if st.slow != nil {
		st.c.buffered -= st.slow.inSize
	}
	delete(st.c.streams, st.id)
	if st.c.draining {
		st.c.rouse()
	}
	st.release()
}

// release ends what the call has going on.
func (st *stream) release() {
	if st.slow != nil {
		st.slow.cancel()
	}
}
