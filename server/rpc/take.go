package rpc

import (
	"encoding/binary"
	"time"
)

// takeSettings takes over what the client wants.
func (c *conn) takeSettings(f frame, p []byte) errorCode {
	if f.stream != 0 {
		return codeProtocol
	}
	if f.has(flagAck) {
		return codeNone
	}
	if len(p)%6 != 0 {
		return codeFrameSize
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for ; len(p) > 0; p = p[6:] {
		v := binary.BigEndian.Uint32(p[2:])
		switch binary.BigEndian.Uint16(p) {
		case settingTableSize:
			c.table = min(c.table, v)
		case settingWindow:
			if v > maxWindow {
				return codeFlow
			}
			for _, st := range c.streams {
				st.window += int64(v) - c.initial
				st.activate()
			}
			c.initial = int64(v)
		case settingMaxFrame:
			if v < maxFrame || v >= 1<<24 {
				return codeProtocol
			}
			// Larger frames would only hold up others.
		}
	}
	return c.answer(appendFrame(c.control, 0, frameSettings, flagAck, 0))
}

// answer makes control b, with mu held. Who lets answers pile up is not served.
func (c *conn) answer(b []byte) errorCode {
	if len(b) > maxControl {
		return codeCalm
	}
	c.control = b
	c.rouse()
	return codeNone
}

func (c *conn) takePing(f frame, p []byte) errorCode {
	switch {
	case f.stream != 0:
		return codeProtocol
	case len(p) != 8:
		return codeFrameSize
	case f.has(flagAck):
		return codeNone
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.mayPing(now) {
		return codeCalm
	}
	if len(c.acks) > maxControl {
		return codeCalm
	}
	if len(c.acks) == 0 {
		c.ackFrom, c.ackSent = now, 0
	}
	c.acks = append(appendFrame(c.acks, 8, framePing, flagAck, 0), p...)
	c.s.ackSoon()
	return codeNone
}

func (c *conn) takeWindow(f frame, p []byte) errorCode {
	if len(p) != 4 {
		return codeFrameSize
	}
	n := int64(binary.BigEndian.Uint32(p) &^ (1 << 31))
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.stream == 0 {
		if c.window += n; n == 0 || c.window > maxWindow {
			return codeFlow
		}
		if len(c.active) > 0 {
			c.rouse()
		}
		return codeNone
	}
	st := c.streams[f.stream]
	switch {
	case st == nil && f.stream > c.lastID:
		return codeProtocol
	case st == nil:
		return codeNone
	}
	if st.window += n; n == 0 || st.window > maxWindow {
		return c.resetStream(st, codeFlow)
	}
	st.activate()
	return codeNone
}

func (c *conn) takeReset(f frame, p []byte) errorCode {
	switch {
	case len(p) != 4:
		return codeFrameSize
	case f.stream == 0 || f.stream > c.lastID:
		return codeProtocol
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if st := c.streams[f.stream]; st != nil {
		st.drop()
	}
	return codeNone
}

// resetStream ends a stream for a mistake of the client, with mu held.
func (c *conn) resetStream(st *stream, code errorCode) errorCode {
	id := st.id
	st.drop()
	return c.answer(appendUint32Frame(c.control, frameReset, id, uint32(code)))
}

// maxContinuations bounds the frames of a header block: some may be empty.
const maxContinuations = 16

// takeHeaders collects a header block and opens the stream when it is complete.
func (c *conn) takeHeaders(f frame, p []byte) errorCode {
	switch {
	case f.typ == frameContinuation && c.opening.stream == 0, f.stream%2 == 0:
		return codeProtocol
	case f.typ == frameHeaders:
		var ok bool
		if p, ok = f.strip(p); !ok {
			return codeProtocol
		}
		c.opening, c.blocks = f, 0
		if f.has(flagEndHeaders) {
			return c.open(p)
		}
		c.block = append(c.block[:0], p...)
		return codeNone
	}
	if c.blocks++; c.blocks > maxContinuations || len(c.block)+len(p) > maxHeaderBytes {
		return codeCalm
	}
	c.block = append(c.block, p...)
	if !f.has(flagEndHeaders) {
		return codeNone
	}
	return c.open(c.block)
}

// open reads a header block and begins the call.
func (c *conn) open(block []byte) errorCode {
	f := c.opening
	c.opening = frame{}
	c.header.reset()
	if _, err := c.dec.Write(block); err != nil {
		return codeCompression
	}
	if err := c.dec.Close(); err != nil {
		return codeCompression
	}
	if f.stream <= c.lastID { // trailers, which gRPC clients do not send
		c.mu.Lock()
		defer c.mu.Unlock()
		if st := c.streams[f.stream]; st != nil {
			return c.resetStream(st, codeProtocol)
		}
		return codeNone
	}
	c.lastID = f.stream
	return c.begin(f)
}

// takeData hands a part of a message to its stream.
func (c *conn) takeData(f frame, p []byte) errorCode {
	if f.stream == 0 || f.stream > c.lastID {
		return codeProtocol
	}
	p, ok := f.strip(p)
	if !ok {
		return codeProtocol
	}
	if c.credit += f.size; c.credit >= connWindow/4 {
		c.mu.Lock()
		code := c.answer(appendUint32Frame(c.control, frameWindow, 0, uint32(c.credit)))
		c.mu.Unlock()
		if c.credit = 0; code != codeNone {
			return code
		}
	}
	c.mu.Lock()
	st := c.streams[f.stream]
	c.mu.Unlock()
	if st == nil {
		return codeNone // it has ended; what was under way is lost
	}
	return st.receive(p, f.has(flagEnd))
}
