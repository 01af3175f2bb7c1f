package rpc_test

import (
	"bytes"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/etalon-kv/etalon/server/rpc"
)

// What comes in pieces is what came at once.
func TestPieces(t *testing.T) {
	both(t, rpc.Config{}, func(t *testing.T, addr string) {
		conn, err := net.Dial("tcp", addr)
		must(t, err)
		defer conn.Close()
		var said bytes.Buffer
		said.WriteString(http2.ClientPreface)
		p := &peer{t: t, conn: conn, Framer: http2.NewFramer(&said, conn)}
		p.enc = hpack.NewEncoder(&p.buf)
		must(t, p.WriteSettings())
		const calls = 20
		for i := range uint32(calls) {
			must(t, p.open(2*i+1, "Fast", false))
			must(t, p.WriteData(2*i+1, true, data(int(i))))
		}
		go func() {
			for n := 1; said.Len() > 0; n = n%7 + 1 {
				if _, err := conn.Write(said.Next(n)); err != nil {
					return
				}
			}
		}()
		for ended := 0; ended < calls; {
			f, err := p.ReadFrame()
			must(t, err)
			if h, ok := f.(*http2.HeadersFrame); ok && h.StreamEnded() {
				ended++
			}
		}
	})
}

// A client whose connection takes no more holds up nobody else, and gets everything when it reads.
func TestUnread(t *testing.T) {
	both(t, rpc.Config{}, func(t *testing.T, addr string) {
		p := connect(t, addr)
		must(t, p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30}))
		must(t, p.WriteWindowUpdate(0, 1<<30))
		const calls, size = 24, 1 << 20
		part := make([]byte, 1<<14)
		for i := range uint32(calls) {
			must(t, p.open(2*i+1, "Fast", false))
			must(t, p.WriteData(2*i+1, false, data(size)[:5]))
			for sent := 0; sent < size; sent += len(part) {
				must(t, p.WriteData(2*i+1, sent+len(part) == size, part))
			}
			if i%8 == 0 {
				if _, err := call(dial(t, addr), "Fast", []byte("beside it")); err != nil {
					t.Fatal(err)
				}
			}
		}
		got, ended := 0, 0
		for ended < calls {
			f, err := p.ReadFrame()
			must(t, err)
			switch f := f.(type) {
			case *http2.DataFrame:
				got += len(f.Data())
			case *http2.HeadersFrame:
				if f.StreamEnded() {
					ended++
				}
			}
		}
		if want := calls * (size + 5); got != want {
			t.Errorf("%d bytes came, want %d", got, want)
		}
	})
}

// A client that goes away while the server has much to send to it leaves nothing behind.
func TestGoneUnread(t *testing.T) {
	both(t, rpc.Config{}, func(t *testing.T, addr string) {
		p := connect(t, addr)
		must(t, p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30}))
		must(t, p.WriteWindowUpdate(0, 1<<30))
		for i := range uint32(8) {
			must(t, p.open(2*i+1, "Big", false))
			must(t, p.WriteData(2*i+1, true, data(0)))
		}
		for begun := false; !begun; { // the server sends, and the client reads no more
			f, err := p.ReadFrame()
			must(t, err)
			_, begun = f.(*http2.DataFrame)
		}
		must(t, p.conn.Close())
		if _, err := call(dial(t, addr), "Fast", []byte("beside it")); err != nil {
			t.Fatal(err)
		}
	})
}

// A client that sends its last words and the end at once is let go, whether they are read together or not.
func TestLastWords(t *testing.T) {
	both(t, rpc.Config{}, func(t *testing.T, addr string) {
		for range 50 {
			conn, err := net.Dial("tcp", addr)
			must(t, err)
			var said bytes.Buffer
			said.WriteString(http2.ClientPreface)
			p := &peer{t: t, conn: conn, Framer: http2.NewFramer(&said, conn)}
			must(t, p.WriteSettings())
			must(t, p.WriteGoAway(0, http2.ErrCodeNo, nil))
			_, err = conn.Write(said.Bytes())
			must(t, err)
			must(t, conn.(*net.TCPConn).CloseWrite())
			must(t, conn.SetReadDeadline(time.Now().Add(20*time.Second))) // only a server that keeps it lets it come to that
			for err == nil {
				_, err = p.ReadFrame()
			}
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Fatal("the server keeps a connection that has ended")
			}
			conn.Close()
		}
	})
}
