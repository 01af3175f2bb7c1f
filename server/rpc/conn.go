package rpc

import (
	"bufio"
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
	br      *bufio.Reader
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
	enc   encoder
	buf   []byte
	arena []byte

	wake chan struct{} // room for one: there is something to write

	mu       sync.Mutex
	streams  map[uint32]*stream
	done     []finished // calls to be answered
	active   []*stream  // with data to send, and window
	control  []byte     // frames that need no window
	acks     []byte     // of pings, which go with whatever goes next
	ackDue   bool       // or now
	window   int64      // what may be sent on the connection
	initial  int64      // and on a new stream
	buffered int        // bytes of messages that were received and not handed over
	table    uint32     // size of the client's header table, if it has changed
	handlers int        // at work, those of streams that have ended included
	accepted uint32     // the newest stream that was begun
	asleep   bool       // the writer
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
	readBuffer = maxFrame + 1024
	connWindow = 16 << 20 // what a client may send before it is told that it was received
	// maxBuffered bounds what a connection keeps of messages, besides one for each stream whose
	// handler is at work.
	maxBuffered = 64 << 20
	maxControl  = 64 << 10
	keptBuffer  = 64 << 10
)

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		s: s, nc: nc, wake: make(chan struct{}, 1), streams: make(map[uint32]*stream),
		window: defaultWindow, initial: defaultWindow, table: defaultHeaders,
	}
	c.dec = hpack.NewDecoder(defaultHeaders, c.header.add)
	c.dec.SetMaxStringLength(maxHeaderBytes)
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
	c.nc.Close()
	for _, st := range c.streams {
		st.drop()
	}
	c.rouse()
}

// rouse wakes the writer, with mu held.
func (c *conn) rouse() {
	if c.asleep {
		c.asleep = false
		c.wake <- struct{}{}
	}
}

// read is the reader.
func (c *conn) read() {
	defer c.s.forget(c)
	defer c.close()
	if !c.handshake() {
		return
	}
	for {
		code, err := c.next()
		if err != nil {
			return
		}
		if code != codeNone {
			c.fail(code)
			return
		}
	}
}

// handshake reads the preface, and says what we take.
func (c *conn) handshake() bool {
	if err := c.nc.SetReadDeadline(time.Now().Add(c.s.config.HandshakeTimeout)); err != nil {
		return false
	}
	c.br = bufio.NewReaderSize(c.nc, readBuffer)
	p, err := c.br.Peek(len(preface))
	if err != nil || string(p) != preface {
		return false
	}
	_, _ = c.br.Discard(len(preface)) // it was peeked
	if err := c.nc.SetReadDeadline(time.Time{}); err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	b := appendFrame(nil, 18, frameSettings, 0, 0)
	b = appendSetting(b, settingMaxStreams, c.s.config.MaxStreams)
	b = appendSetting(b, settingWindow, uint32(c.streamWindow()))
	b = appendSetting(b, settingHeaderList, maxHeaderBytes)
	c.control = appendUint32Frame(b, frameWindow, 0, connWindow-defaultWindow)
	c.rouse()
	return true
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

// fail tells the client what it did wrong. The writer then ends the connection.
func (c *conn) fail(code errorCode) {
	why := ""
	if c.strikes > maxStrikes {
		why = "too_many_pings" // clients of gRPC go by the word
	}
	c.mu.Lock()
	c.goAway(code, why)
	c.last = true
	c.rouse()
	c.mu.Unlock()
	// Who is not listened to any more may not notice the GOAWAY otherwise.
	_ = c.nc.SetReadDeadline(time.Now().Add(time.Second))
	for {
		if _, err := c.br.Discard(readBuffer); err != nil {
			return
		}
	}
}

// next takes one frame. A code says what is wrong with it, err that there is none.
func (c *conn) next() (errorCode, error) {
	b, err := c.br.Peek(frameHeader)
	if err != nil {
		return 0, err
	}
	f := parseFrame(b)
	if f.size > maxFrame {
		return codeFrameSize, nil
	}
	if b, err = c.br.Peek(frameHeader + f.size); err != nil {
		return 0, err
	}
	c.heard.Store(true)
	code := c.take(f, b[frameHeader:])
	_, _ = c.br.Discard(frameHeader + f.size) // it was peeked
	return code, nil
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
