package rpc

import (
	"context"
	"encoding/binary"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// slow is what a call has whose handler may wait. in, eof and owed are under conn.mu.
type slow struct {
	ctx    context.Context
	cancel context.CancelFunc
	in     [][]byte      // messages that were not taken yet
	inSize int           // their bytes, which are in conn.buffered
	eof    bool          // no more will come
	owed   int           // bytes that were taken and that the client was not given back
	ready  chan struct{} // room for one: in or eof have changed
	room   chan struct{} // room for one: what was to be sent is sent
}

func newSlow(c *conn, h *Header) *slow {
	ctx := peer.NewContext(metadata.NewIncomingContext(c.s.ctx, h.metadata()), &peer.Peer{Addr: c.nc.RemoteAddr(), LocalAddr: c.nc.LocalAddr()})
	w := &slow{ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	if d, ok := h.deadline(); ok {
		w.ctx, w.cancel = context.WithTimeout(ctx, d)
	} else {
		w.ctx, w.cancel = context.WithCancel(ctx)
	}
	return w
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// push leaves a message for RecvMsg.
func (w *slow) push(st *stream, msg []byte) {
	kept := append([]byte(nil), msg...)
	st.c.mu.Lock()
	defer st.c.mu.Unlock()
	if st.gone {
		return
	}
	w.in = append(w.in, kept)
	w.inSize += len(kept)
	st.c.buffered += len(kept)
	signal(w.ready)
}

// close says that no more messages will come.
func (w *slow) close(st *stream) {
	st.c.mu.Lock()
	defer st.c.mu.Unlock()
	w.eof = true
	signal(w.ready)
}

func (w *slow) makeRoom() { signal(w.room) }

// serveUnary carries out a call that is neither fast nor a stream.
func (st *stream) serveUnary(msg []byte) {
	codec := st.c.s.config.Codec
	decode := func(v any) error {
		if err := codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(msg)}, v); err != nil {
			return status.Errorf(codes.Internal, "grpc: error unmarshalling request: %v", err)
		}
		return nil
	}
	resp, err := st.m.unary(st.m.srv, st.slow.ctx, decode, st.c.s.config.Unary)
	if err == nil {
		err = st.SendMsg(resp)
	}
	st.finish(toStatus(err))
}

// serveStream carries out a call that streams.
func (st *stream) serveStream() { st.finish(toStatus(st.m.stream(st.m.srv, st))) }

// toStatus is what the client is told of a handler's error.
func toStatus(err error) *status.Status {
	if err == nil {
		return okStatus
	}
	if s, ok := status.FromError(err); ok {
		return s
	}
	return status.FromContextError(err)
}

// The methods of grpc.ServerStream. Metadata of responses is not sent: no service here has any.

func (st *stream) SetHeader(metadata.MD) error  { return nil }
func (st *stream) SendHeader(metadata.MD) error { return nil }
func (st *stream) SetTrailer(metadata.MD)       {}

// Context is that of the call.
func (st *stream) Context() context.Context { return st.slow.ctx }

// maxUnsent is what a stream may have to send before SendMsg waits.
const maxUnsent = 64 << 10

// SendMsg leaves m to be sent, and waits while the client has too much to read already. It does not
// keep m.
func (st *stream) SendMsg(m any) error {
	data, err := st.c.s.config.Codec.Marshal(m)
	if err != nil {
		return status.Errorf(codes.Internal, "grpc: error while marshaling: %v", err)
	}
	defer data.Free()
	n := data.Len()
	msg := make([]byte, messagePrefix, messagePrefix+n)
	binary.BigEndian.PutUint32(msg[1:], uint32(n))
	for _, part := range data {
		msg = append(msg, part.ReadOnlyData()...)
	}
	c := st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for !st.gone && len(st.out)-st.sent > maxUnsent {
		c.mu.Unlock()
		select {
		case <-st.slow.room:
		case <-st.slow.ctx.Done():
		}
		c.mu.Lock()
		if st.slow.ctx.Err() != nil {
			break
		}
	}
	switch {
	case st.gone || st.slow.ctx.Err() != nil:
		return status.FromContextError(context.Cause(st.slow.ctx)).Err()
	case st.sent == len(st.out):
		st.out, st.sent = msg, 0
	default:
		st.out = append(st.out[st.sent:], msg...)
		st.sent = 0
	}
	st.activate()
	return nil
}

// RecvMsg waits for a message of the client, io.EOF after the last one.
func (st *stream) RecvMsg(m any) error {
	w := st.slow
	for {
		if msg, state := st.pop(); state != nil {
			return state
		} else if msg != nil {
			if err := st.c.s.config.Codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(*msg)}, m); err != nil {
				return status.Errorf(codes.Internal, "grpc: failed to unmarshal the received message: %v", err)
			}
			return nil
		}
		select {
		case <-w.ready:
		case <-w.ctx.Done():
			return status.FromContextError(w.ctx.Err()).Err()
		}
	}
}

// pop takes the first message; nil if there is none yet.
func (st *stream) pop() (*[]byte, error) {
	st.c.mu.Lock()
	defer st.c.mu.Unlock()
	w := st.slow
	switch {
	case len(w.in) == 0 && w.eof:
		return nil, io.EOF
	case len(w.in) == 0:
		return nil, nil
	}
	msg := w.in[0]
	w.in[0] = nil
	w.in = w.in[1:]
	w.inSize -= len(msg)
	if !st.gone {
		st.c.buffered -= len(msg)
	}
	if w.owed += messagePrefix + len(msg); w.owed >= st.c.streamWindow()/4 && !st.gone && !st.half {
		st.c.control = appendUint32Frame(st.c.control, frameWindow, st.id, uint32(w.owed))
		w.owed = 0
		st.c.rouse()
	}
	return &msg, nil
}
