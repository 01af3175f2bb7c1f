package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/etalon-kv/etalon/server/rpc"
)

// peer speaks HTTP/2 by hand, to say what no client would.
type peer struct {
	*http2.Framer
	t    testing.TB
	conn net.Conn
	enc  *hpack.Encoder
	buf  bytes.Buffer
}

// newPeer says the preface on conn.
func newPeer(t testing.TB, conn net.Conn) *peer {
	t.Helper()
	p := &peer{t: t, conn: conn, Framer: http2.NewFramer(conn, conn)}
	p.AllowIllegalWrites, p.AllowIllegalReads = true, true
	p.enc = hpack.NewEncoder(&p.buf)
	t.Cleanup(func() { conn.Close() })
	_, err := conn.Write([]byte(http2.ClientPreface))
	must(t, err)
	must(t, p.WriteSettings())
	return p
}

func connect(t testing.TB, addr string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	return newPeer(t, conn)
}

// block is a header block of a call.
func (p *peer) block(method string, more ...string) []byte {
	p.buf.Reset()
	fields := append([]string{":method", "POST", ":scheme", "http", ":path", "/test.Service/" + method, ":authority", "x",
		"content-type", "application/grpc", "te", "trailers"}, more...)
	for i := 0; i < len(fields); i += 2 {
		must(p.t, p.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	return bytes.Clone(p.buf.Bytes())
}

// open begins a call.
func (p *peer) open(id uint32, method string, end bool) error {
	return p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.block(method), EndHeaders: true, EndStream: end})
}

// ending reads until the connection ends, and returns what the last GOAWAY said, and the resets.
func (p *peer) ending() (last *http2.GoAwayFrame, text string, resets map[uint32]http2.ErrCode) {
	resets = make(map[uint32]http2.ErrCode)
	for {
		f, err := p.ReadFrame()
		if err != nil {
			return last, text, resets
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			last, text = f, string(f.DebugData())
		case *http2.RSTStreamFrame:
			resets[f.StreamID] = f.ErrCode
		}
	}
}

func data(size int) []byte {
	return append([]byte{0, byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)}, make([]byte, size)...)
}

// What breaks the rules of HTTP/2 ends the connection with the reason that the RFC names.
func TestMalformed(t *testing.T) {
	addr := listen(t, newServer(t, rpc.Config{}, &service{}))
	for _, tc := range []struct {
		name string
		say  func(p *peer) error
		code http2.ErrCode
	}{
		{"a frame that is too large", func(p *peer) error { return p.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 16385)) }, http2.ErrCodeFrameSize},
		{"data on stream 0", func(p *peer) error { return p.WriteRawFrame(http2.FrameData, 0, 0, data(1)) }, http2.ErrCodeProtocol},
		{"data on a stream that was not opened", func(p *peer) error { return p.WriteData(1, false, data(1)) }, http2.ErrCodeProtocol},
		{"headers on an even stream", func(p *peer) error { return p.open(2, "Fast", false) }, http2.ErrCodeProtocol},
		{"padding beyond the frame", func(p *peer) error {
			return p.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersPadded, 1, []byte{9, 1, 2})
		}, http2.ErrCodeProtocol},
		{"a priority that is cut off", func(p *peer) error {
			return p.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersPriority, 1, []byte{0, 0})
		}, http2.ErrCodeProtocol},
		{"no continuation", func(p *peer) error {
			return errors.Join(p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block("Fast")}), p.WritePing(false, [8]byte{}))
		}, http2.ErrCodeProtocol},
		{"a continuation of nothing", func(p *peer) error { return p.WriteContinuation(1, true, []byte{0x82}) }, http2.ErrCodeProtocol},
		{"a header block that is none", func(p *peer) error {
			return p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, EndHeaders: true})
		}, http2.ErrCodeCompression},
		{"settings of a stream", func(p *peer) error { return p.WriteRawFrame(http2.FrameSettings, 0, 1, nil) }, http2.ErrCodeProtocol},
		{"half a setting", func(p *peer) error { return p.WriteRawFrame(http2.FrameSettings, 0, 0, []byte{1, 2, 3}) }, http2.ErrCodeFrameSize},
		{"a window of 2^31", func(p *peer) error {
			return p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
		}, http2.ErrCodeFlowControl},
		{"frames smaller than allowed", func(p *peer) error {
			return p.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 100})
		}, http2.ErrCodeProtocol},
		{"a short ping", func(p *peer) error { return p.WriteRawFrame(http2.FramePing, 0, 0, []byte{1}) }, http2.ErrCodeFrameSize},
		{"a ping of a stream", func(p *peer) error { return p.WriteRawFrame(http2.FramePing, 0, 1, make([]byte, 8)) }, http2.ErrCodeProtocol},
		{"a short window", func(p *peer) error { return p.WriteRawFrame(http2.FrameWindowUpdate, 0, 0, []byte{1}) }, http2.ErrCodeFrameSize},
		{"a window that grows by 0", func(p *peer) error { return p.WriteRawFrame(http2.FrameWindowUpdate, 0, 0, make([]byte, 4)) }, http2.ErrCodeFlowControl},
		{"a window that overflows", func(p *peer) error { return p.WriteWindowUpdate(0, 1<<31-1) }, http2.ErrCodeFlowControl},
		{"a window of a stream that was not opened", func(p *peer) error { return p.WriteWindowUpdate(5, 1) }, http2.ErrCodeProtocol},
		{"a reset of stream 0", func(p *peer) error { return p.WriteRawFrame(http2.FrameRSTStream, 0, 0, make([]byte, 4)) }, http2.ErrCodeProtocol},
		{"a reset of a stream that was not opened", func(p *peer) error { return p.WriteRSTStream(7, http2.ErrCodeCancel) }, http2.ErrCodeProtocol},
		{"a promise", func(p *peer) error { return p.WriteRawFrame(http2.FramePushPromise, 0, 1, make([]byte, 4)) }, http2.ErrCodeProtocol},
		{"a header block without end", func(p *peer) error {
			err := p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block("Fast")})
			for range 1000 {
				err = errors.Join(err, p.WriteContinuation(1, false, nil))
			}
			return err
		}, http2.ErrCodeEnhanceYourCalm},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := connect(t, addr)
			_ = tc.say(p) // the server may have hung up meanwhile
			if last, _, _ := p.ending(); last == nil || last.ErrCode != tc.code {
				t.Errorf("answered by %v, want %v", last, tc.code)
			}
		})
	}
}

// What breaks the rules of a stream ends that stream.
func TestMalformedStream(t *testing.T) {
	p := connect(t, listen(t, newServer(t, rpc.Config{}, &service{})))
	must(t, p.open(1, "Fast", false))
	must(t, p.open(1, "Fast", true)) // trailers
	must(t, p.open(3, "Both", false))
	must(t, p.WriteWindowUpdate(3, 1<<31-1))
	must(t, p.open(5, "Both", false))
	must(t, p.WriteRawFrame(http2.FrameWindowUpdate, 0, 5, make([]byte, 4)))
	must(t, p.WriteRawFrame(99, 0, 0, []byte("what nobody knows is passed over")))
	must(t, p.WritePriority(9, http2.PriorityParam{}))
	must(t, p.WriteRawFrame(http2.FramePing, 0, 0, make([]byte, 7))) // the end
	_, _, resets := p.ending()
	for id, want := range map[uint32]http2.ErrCode{1: http2.ErrCodeProtocol, 3: http2.ErrCodeFlowControl, 5: http2.ErrCodeFlowControl} {
		if got, ok := resets[id]; !ok || got != want {
			t.Errorf("stream %d was reset by %v (%v), want %v", id, got, ok, want)
		}
	}
}

// response reads until stream id ends, and returns its trailers and data.
func (p *peer) response(id uint32) (fields map[string]string, body []byte) {
	fields = make(map[string]string)
	p.AllowIllegalReads, p.ReadMetaHeaders = false, hpack.NewDecoder(4096, nil)
	for {
		f, err := p.ReadFrame()
		must(p.t, err)
		if f.Header().StreamID != id {
			continue
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			for _, h := range f.Fields {
				fields[h.Name] = h.Value
			}
			if f.StreamEnded() {
				return fields, body
			}
		case *http2.DataFrame:
			body = append(body, f.Data()...)
		case *http2.RSTStreamFrame:
			p.t.Fatalf("stream %d was reset: %v", id, f.ErrCode)
		}
	}
}

// Requests that are no gRPC, or whose header is a bomb, get a status and nothing else happens.
func TestBadRequests(t *testing.T) {
	addr := listen(t, newServer(t, rpc.Config{}, &service{}))
	bomb := func(p *peer) []byte {
		b := p.block("Fast", "long", string(bytes.Repeat([]byte("x"), 3000))) // is in the table now
		return append(b, bytes.Repeat([]byte{0x80 | 62}, 12_000)...)
	}
	for _, tc := range []struct {
		name, code string
		block      func(p *peer) []byte
		body       []byte
	}{
		{"a bomb", "8", bomb, nil},
		{"another content type", "13", func(p *peer) []byte { return p.block("Fast", "content-type", "text/plain") }, nil},
		{"an unknown pseudo header", "13", func(p *peer) []byte { return p.block("Fast", ":what", "x") }, nil},
		{"no message", "13", func(p *peer) []byte { return p.block("Fast") }, []byte{}},
		{"half a message", "13", func(p *peer) []byte { return p.block("Fast") }, data(10)[:9]},
		{"two messages", "13", func(p *peer) []byte { return p.block("Fast") }, append(data(3), data(3)...)},
		{"two messages to a slow method", "13", func(p *peer) []byte { return p.block("Slow") }, append(data(3), data(3)...)},
		{"a compressed message", "13", func(p *peer) []byte { return p.block("Fast") }, []byte{1, 0, 0, 0, 0}},
		{"a message of 4 GB", "8", func(p *peer) []byte { return p.block("Fast") }, []byte{0, 255, 255, 255, 255}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := connect(t, addr)
			must(t, p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: tc.block(p), EndHeaders: true, EndStream: tc.body == nil}))
			if tc.body != nil {
				must(t, p.WriteData(1, true, tc.body))
			}
			if got, _ := p.response(1); got["grpc-status"] != tc.code {
				t.Errorf("answered by %v, want status %s", got, tc.code)
			}
		})
	}
}

// The server sends what the client's windows let it, and goes on where they open.
func TestWindows(t *testing.T) {
	p := connect(t, listen(t, newServer(t, rpc.Config{}, &service{})))
	must(t, p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10}))
	must(t, p.open(1, "Fast", false))
	must(t, p.WriteData(1, true, data(100)))
	got := 0
	for grown := 10; got < 105; {
		f, err := p.ReadFrame()
		must(t, err)
		if d, ok := f.(*http2.DataFrame); ok {
			if got += len(d.Data()); got > grown {
				t.Fatalf("%d bytes were sent into a window of %d", got, grown)
			}
			grown += 7
			must(t, p.WriteWindowUpdate(1, 7))
		}
	}
}

// Opening calls and resetting them does not pile up handlers.
func TestResetFlood(t *testing.T) {
	const most = 50
	s := &service{held: make(chan struct{}), deaf: true}
	addr := listen(t, newServer(t, rpc.Config{MaxStreams: most}, s))
	defer close(s.held)
	p := connect(t, addr)
	go func() { _, _ = io.Copy(io.Discard, p.conn) }()
	for i := range 20_000 {
		id := uint32(2*i + 1)
		if p.open(id, "Wait", false) != nil || p.WriteData(id, true, data(1)) != nil || p.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			break // it was told to calm down
		}
	}
	if n := s.most.Load(); n > most {
		t.Errorf("%d handlers were at work, at most %d may be", n, most)
	}
	if _, err := call(dial(t, addr), "Fast", nil); err != nil {
		t.Errorf("somebody else: %v", err)
	}
}

// A thousand connections that never finish saying what they speak disturb nobody, and are ended in time.
func TestHalfOpen(t *testing.T) {
	g := newServer(t, rpc.Config{MaxConns: 1001}, &service{})
	addr := listen(t, g)
	for i := range 1000 {
		conn, err := net.Dial("tcp", addr)
		must(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte(http2.ClientPreface[:i%len(http2.ClientPreface)]))
		must(t, err)
	}
	c := dial(t, addr)
	if _, err := call(c, "Fast", []byte("x")); err != nil {
		t.Fatal(err)
	}
	over, err := net.Dial("tcp", addr)
	must(t, err)
	defer over.Close()
	if _, err := over.Read(make([]byte, 1)); err == nil {
		t.Error("a connection more than there may be was taken")
	}
}

// inMemory is a listener of pipes, whose deadlines follow the clock of a bubble.
type inMemory struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *inMemory) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *inMemory) Close() error {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	return nil
}
func (l *inMemory) Addr() net.Addr { return &net.TCPAddr{} }

// bubble serves in memory.
func bubble(t testing.TB, c rpc.Config) (connect func() net.Conn, g *rpc.Server) {
	g = newServer(t, c, &service{})
	l := &inMemory{conns: make(chan net.Conn), done: make(chan struct{})}
	go func() { _ = g.Serve(l) }()
	return func() net.Conn {
		ours, theirs := net.Pipe()
		l.conns <- theirs
		return ours
	}, g
}

func TestHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connect, g := bubble(t, rpc.Config{HandshakeTimeout: 7 * time.Second})
		defer g.Stop()
		conn, start := connect(), time.Now()
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(start) != 7*time.Second {
			t.Errorf("silence ended by %v after %v", err, time.Since(start))
		}
	})
}

func TestKeepalive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connect, g := bubble(t, rpc.Config{Keepalive: rpc.Keepalive{Interval: time.Minute, Timeout: 10 * time.Second}})
		defer g.Stop()
		p, start := silentPeer(t, connect()), time.Now()
		var pinged time.Duration
		for {
			f, err := p.ReadFrame()
			if err != nil {
				break
			}
			if f, ok := f.(*http2.PingFrame); ok && !f.IsAck() {
				pinged = time.Since(start)
			}
		}
		if d := time.Since(start); pinged < time.Minute || pinged > 66*time.Second || d-pinged < 10*time.Second || d-pinged > 12*time.Second {
			t.Errorf("pinged after %v, ended after %v", pinged, d)
		}
	})
}

// counted counts what is written to a connection.
type counted struct {
	net.Conn
	writes *atomic.Int64
}

func (c counted) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// The acknowledgement of a ping goes with the next answer; alone it comes a little later.
func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newServer(t, rpc.Config{}, &service{})
		defer g.Stop()
		l := &inMemory{conns: make(chan net.Conn), done: make(chan struct{})}
		go func() { _ = g.Serve(l) }()
		ours, theirs := net.Pipe()
		var writes atomic.Int64
		l.conns <- counted{theirs, &writes}
		p := silentPeer(t, ours)
		acked := make(chan time.Time, 10)
		go func() {
			defer close(acked)
			for {
				f, err := p.ReadFrame()
				if err != nil {
					return
				}
				if f, ok := f.(*http2.PingFrame); ok && f.IsAck() {
					acked <- time.Now()
				}
			}
		}()
		call := func(id uint32, size int) {
			must(t, p.open(id, "Fast", false))
			must(t, p.WriteData(id, true, data(size)))
			synctest.Wait()
		}
		synctest.Wait()
		before, start := writes.Load(), time.Now()
		must(t, p.WritePing(false, [8]byte{1}))
		call(1, 1)
		time.Sleep(45 * time.Millisecond)
		call(3, 1)
		if d := (<-acked).Sub(start); d != 45*time.Millisecond || writes.Load() != before+2 {
			t.Errorf("a ping and two calls were answered by %d writes, the ping after %v", writes.Load()-before, d)
		}
		start = time.Now()
		must(t, p.WritePing(false, [8]byte{3}))
		call(5, 16_000)
		call(7, 16_000)
		call(9, 1)
		if d := (<-acked).Sub(start); d != 0 {
			t.Errorf("the ping of a connection that carries much was answered after %v", d)
		}
		start = time.Now()
		must(t, p.WritePing(false, [8]byte{2}))
		if d := (<-acked).Sub(start); d <= 0 || d > 100*time.Millisecond {
			t.Errorf("a ping alone was answered after %v", d)
		}
		ours.Close()
		<-acked
	})
}

// silentPeer has said the preface, in a goroutine since a pipe has no buffer.
func silentPeer(t testing.TB, conn net.Conn) *peer {
	p := &peer{t: t, conn: conn, Framer: http2.NewFramer(conn, conn)}
	p.enc = hpack.NewEncoder(&p.buf)
	go func() {
		_, _ = conn.Write([]byte(http2.ClientPreface))
		_ = p.WriteSettings()
	}()
	return p
}

func TestTooManyPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connect, g := bubble(t, rpc.Config{Keepalive: rpc.Keepalive{MinTime: time.Second}})
		defer g.Stop()
		p := silentPeer(t, connect())
		synctest.Wait()
		go func() {
			for range 10 {
				if p.WritePing(false, [8]byte{}) != nil {
					return
				}
			}
		}()
		last, text, _ := p.ending()
		if last == nil || last.ErrCode != http2.ErrCodeEnhanceYourCalm || text != "too_many_pings" {
			t.Errorf("answered by %v %q", last, text)
		}
	})
}

// Whatever a client says: no panic, and Stop returns.
func FuzzConn(f *testing.F) {
	var b bytes.Buffer
	p := &peer{t: f, Framer: http2.NewFramer(&b, nil)}
	p.enc = hpack.NewEncoder(&p.buf)
	must(f, p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3}))
	for i, m := range []string{"Fast", "Slow", "Both", "Big"} {
		must(f, p.open(uint32(2*i+1), m, false))
		must(f, p.WriteData(uint32(2*i+1), i%2 == 0, data(i*3)))
		must(f, p.WriteWindowUpdate(uint32(2*i+1), 5))
	}
	must(f, p.WritePing(false, [8]byte{}))
	must(f, p.WriteRSTStream(7, http2.ErrCodeCancel))
	f.Add(bytes.Clone(b.Bytes()))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, say []byte) {
		connect, g := bubble(t, rpc.Config{MaxStreams: 8, MaxMessageBytes: 1 << 16})
		conn := connect()
		read := make(chan struct{})
		go func() {
			defer close(read)
			_, _ = io.Copy(io.Discard, conn)
		}()
		_, err := conn.Write([]byte(http2.ClientPreface))
		if err == nil {
			_, _ = conn.Write(say)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = g.Drain(ctx)
		conn.Close()
		g.Stop()
		<-read
	})
}
