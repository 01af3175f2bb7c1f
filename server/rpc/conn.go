package rpc

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"
)

// conn is one connection. The reader's fields are used by its goroutine alone, and the writer's by
// its own; mu holds what both use, and those who send.
type conn struct {
	s  *Server
	nc net.Conn

	// Of the reader.
	partial []byte // a frame of which more is to come
	greeted bool   // the client has said that it speaks HTTP/2
	failed  bool   // nothing is taken any more
	dec     *hpack.Decoder
	header  Header
	block   []byte    // a header block of which more frames are to come
	opening frame     // the HEADERS frame that began it; stream 0: none
	blocks  int       // frames of the block
	pinged  time.Time // when the client has last sent a ping
	strikes int       // pings that came too soon
	lastID  uint32
	credit  int // bytes received that the client was not given back

	// Of the writer.
	enc    encoder
	buf    []byte
	arena  []byte
	unsent []byte // what the system did not take yet
	ended  bool   // the client has sent its last, as the reader of the loop was told
	ending bool   // it is the last

	greeting *time.Timer   // ends the connection of a client that says nothing
	loop     *loop         // serves it; nil: it has goroutines of its own
	number   uint64        // in the loop
	raw      socket        // of the loop
	wake     chan struct{} // without a loop; room for one: there is something to write

	mu       sync.Mutex
	streams  map[uint32]*stream
	done     []finished // calls to be answered
	active   []*stream  // with data to send, and window
	control  []byte     // frames that need no window
	acks     []byte     // of pings, which go with what goes when mayAck says so
	ackDue   bool       // or now
	ackFrom  time.Time  // the oldest of these pings came
	ackSent  int        // bytes sent since
	window   int64      // what may be sent on the connection
	initial  int64      // and on a new stream
	buffered int        // bytes of messages that were received and not handed over
	table    uint32     // size of the client's header table, if it has changed
	handlers int        // at work, those of streams that have ended included
	accepted uint32     // the newest stream that was begun
	asleep   bool       // the writer
	blocked  bool       // it waits for the system to take more
	writable bool       // the system takes more than when it was last asked
	last     bool       // what is in control is the end
	draining bool       // no stream is begun any more; the end comes with that of the last one
	closed   bool
	answered bool // something was sent since the client's last ping

	heard atomic.Bool // something was received since the last look
}

// finished is a call and its answer.
type finished struct {
	st    *stream
	reply Reply
}

const (
	readBuffer = maxFrame + 1024 // of a connection that has goroutines of its own
	connWindow = 16 << 20        // what a client may send before it is told that it was received
	// maxBuffered bounds what a connection keeps of messages, besides one for each stream whose
	// handler is at work.
	maxBuffered = 64 << 20
	maxControl  = 64 << 10
	keptBuffer  = 64 << 10
)

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		s: s, nc: nc, streams: make(map[uint32]*stream),
		window: defaultWindow, initial: defaultWindow, table: defaultHeaders,
	}
	c.dec = hpack.NewDecoder(defaultHeaders, c.header.add)
	c.dec.SetMaxStringLength(maxHeaderBytes)
	c.greeting = time.AfterFunc(s.config.HandshakeTimeout, c.close)
	return c
}

// close ends the connection at once. It may be called more than once.
func (c *conn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	c.greeting.Stop()
	c.nc.Close()
	for _, st := range c.streams {
		st.drop()
	}
	c.asleep = c.asleep || c.blocked
	c.blocked = false
	c.rouse()
}

// rouse wakes the writer, with mu held.
func (c *conn) rouse() {
	switch {
	case !c.asleep:
		return
	case c.loop != nil:
		c.loop.list(c)
	default:
		c.wake <- struct{}{}
	}
	c.asleep = false
}

// read is the reader of a connection that has goroutines of its own.
func (c *conn) read() {
	defer c.s.forget(c)
	defer c.close()
	b := make([]byte, readBuffer)
	for {
		n, err := c.nc.Read(b)
		if !c.feed(b[:n]) || err != nil {
			return
		}
	}
}

// feed takes what the client has sent, and keeps what is not a whole frame yet. false: it does not
// speak HTTP/2.
func (c *conn) feed(b []byte) bool {
	if len(b) > 0 {
		c.heard.Store(true)
	}
	for len(b) > 0 && !c.failed {
		if len(c.partial) > 0 {
			n := min(c.want(c.partial)-len(c.partial), len(b))
			c.partial = append(c.partial, b[:n]...)
			if b = b[n:]; len(c.partial) < c.want(c.partial) {
				continue
			}
			if !c.piece(c.partial) {
				return false
			}
			c.partial = c.partial[:0]
			continue
		}
		n := c.want(b)
		if n > len(b) {
			c.partial = append(c.partial, b...)
			break
		}
		if !c.piece(b[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

// want is how many bytes the frame has that b begins, or its header if that is not there yet.
func (c *conn) want(b []byte) int {
	if !c.greeted {
		return len(preface)
	}
	if len(b) < frameHeader {
		return frameHeader
	}
	if f := parseFrame(b); f.size <= maxFrame {
		return frameHeader + f.size
	}
	return frameHeader // piece refuses it
}

// piece takes the preface or a frame.
func (c *conn) piece(b []byte) bool {
	if !c.greeted {
		c.greeted = string(b) == preface && c.greeting.Stop()
		if c.greeted {
			c.greet()
		}
		return c.greeted
	}
	code := codeFrameSize
	if f := parseFrame(b); f.size <= maxFrame {
		code = c.take(f, b[frameHeader:])
	}
	if code != codeNone {
		c.fail(code)
	}
	return true
}

// greet says what we take.
func (c *conn) greet() {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := appendFrame(nil, 18, frameSettings, 0, 0)
	b = appendSetting(b, settingMaxStreams, c.s.config.MaxStreams)
	b = appendSetting(b, settingWindow, uint32(c.streamWindow()))
	b = appendSetting(b, settingHeaderList, maxHeaderBytes)
	c.control = appendUint32Frame(b, frameWindow, 0, connWindow-defaultWindow)
	c.rouse()
}

// streamWindow lets a client send a whole message, so that most streams need no more.
func (c *conn) streamWindow() int { return c.s.config.MaxMessageBytes + messagePrefix }

// goAway tells the client that its streams up to accepted are served and no others, with mu held.
func (c *conn) goAway(code errorCode, why string) {
	b := appendFrame(c.control, 8+len(why), frameGoAway, 0, 0)
	b = binary.BigEndian.AppendUint32(b, c.accepted)
	b = binary.BigEndian.AppendUint32(b, uint32(code))
	c.control = append(b, why...)
}

// drain has the connection end with its last stream.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.draining && !c.closed {
		c.draining = true
		c.goAway(codeNone, "")
		c.rouse()
	}
}

// failTimeout is how long a client may take to read what it did wrong.
const failTimeout = time.Second

// fail tells the client what it did wrong. The writer then ends the connection; until then what comes
// is read and thrown away, or the client might not notice the GOAWAY.
func (c *conn) fail(code errorCode) {
	c.failed = true
	why := ""
	if c.strikes > maxStrikes {
		why = "too_many_pings" // clients of gRPC go by the word
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.goAway(code, why)
	c.last = true
	c.rouse()
	time.AfterFunc(failTimeout, c.close)
}

// take handles a frame, whose payload is valid until it returns.
func (c *conn) take(f frame, p []byte) errorCode {
	if c.opening.stream != 0 && (f.typ != frameContinuation || f.stream != c.opening.stream) {
		return codeProtocol
	}
	switch f.typ {
	case frameData:
		return c.takeData(f, p)
	case frameHeaders, frameContinuation:
		return c.takeHeaders(f, p)
	case frameReset:
		return c.takeReset(f, p)
	case frameSettings:
		return c.takeSettings(f, p)
	case framePing:
		return c.takePing(f, p)
	case frameWindow:
		return c.takeWindow(f, p)
	case framePush:
		return codeProtocol
	}
	return codeNone // priorities, a GOAWAY, and what nobody knows
}
