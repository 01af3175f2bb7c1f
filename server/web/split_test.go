package web_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/etalon-kv/etalon/server/security"
	"github.com/etalon-kv/etalon/server/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// half answers on what a half of the splitter accepts with its name and the first bytes it read.
func half(l net.Listener, name string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			b := make([]byte, len(preface))
			n, _ := io.ReadFull(c, b)
			_, _ = io.WriteString(c, name+" "+string(b[:n]))
		}()
	}
}

// split serves a splitter on loopback.
func split(t testing.TB, c *tls.Config, l web.Limits) (s *web.Splitter, addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s = web.Split(listener, c, l)
	t.Cleanup(func() { s.Close() })
	go half(s.GRPC(), "grpc")
	go half(s.HTTP(), "http")
	return s, listener.Addr().String()
}

// say says text and returns the answer.
func say(t testing.TB, c net.Conn, text string) string {
	t.Helper()
	_, err := io.WriteString(c, text)
	must(t, err)
	answer, err := io.ReadAll(c)
	must(t, err)
	return string(answer)
}

const request = "GET /versions HTTP/1.1\r\n" // as long as the preface

func TestSplit(t *testing.T) {
	_, addr := split(t, nil, web.Limits{})
	for text, want := range map[string]string{preface: "grpc " + preface, request: "http " + request} {
		c, err := net.Dial("tcp", addr)
		must(t, err)
		defer c.Close()
		if got := say(t, c, text); got != want {
			t.Errorf("%q was answered by %q, want %q", text, got, want)
		}
	}
}

// Over TLS, who offers HTTP/1 beside HTTP/2 is no client of gRPC.
func TestSplitTLS(t *testing.T) {
	side := security.Config{Auto: true, AutoDir: t.TempDir(), AutoHosts: []string{"127.0.0.1"}}
	offered, err := side.Server("http/1.1", "h2")
	must(t, err)
	_, addr := split(t, offered, web.Limits{})
	for _, tc := range []struct {
		protocols []string
		text      string
		want      string
	}{
		{[]string{"h2"}, preface, "grpc " + preface},
		{[]string{"h2", "http/1.1"}, request, "http " + request},
		{[]string{"http/1.1"}, request, "http " + request},
		{nil, request, "http " + request},
	} {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: tc.protocols})
		must(t, err)
		defer c.Close()
		if got := say(t, c, tc.text); got != tc.want {
			t.Errorf("protocols %q: %q, want %q", tc.protocols, got, tc.want)
		}
	}
	c, err := net.Dial("tcp", addr)
	must(t, err)
	defer c.Close()
	_, err = io.WriteString(c, request)
	must(t, err)
	if answer, _ := io.ReadAll(c); len(answer) > 7 && string(answer[:4]) == "http" {
		t.Errorf("plain text was served: %q", answer)
	}
}

// ended waits for the end of c.
func ended(c net.Conn) bool {
	_, err := c.Read(make([]byte, 1))
	return err != nil
}

// A thousand connections that say nothing keep nobody out: for whoever comes then, the oldest has to go.
func TestHandshakes(t *testing.T) {
	const most = 1000
	_, addr := split(t, nil, web.Limits{Handshakes: most})
	var silent []net.Conn
	for range most {
		c, err := net.Dial("tcp", addr)
		must(t, err)
		defer c.Close()
		silent = append(silent, c)
	}
	c, err := net.Dial("tcp", addr)
	must(t, err)
	defer c.Close()
	if got := say(t, c, preface); got != "grpc "+preface {
		t.Errorf("answered by %q", got)
	}
	if !ended(silent[0]) {
		t.Error("there are more handshakes than there may be")
	}
	if got := say(t, silent[1], preface); got != "grpc "+preface {
		t.Errorf("the second oldest is answered by %q", got)
	}
}

func TestConns(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := web.Split(listener, nil, web.Limits{Conns: 1})
	defer s.Close()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", listener.Addr().String())
		must(t, err)
		t.Cleanup(func() { c.Close() })
		_, _ = io.WriteString(c, preface)
		return c
	}
	dial()
	taken, err := s.GRPC().Accept()
	must(t, err)
	if !ended(dial()) {
		t.Error("a connection more than there may be was taken")
	}
	must(t, taken.Close())
	taken.Close() // counts once
	dial()
	taken, err = s.GRPC().Accept()
	must(t, err)
	taken.Close()
}

// pipes is a listener in memory, whose deadlines follow the clock of a bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipes) Close() error   { close(l.done); return nil }
func (l *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func TestHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		s := web.Split(l, nil, web.Limits{Timeout: 3 * time.Second})
		ours, theirs := net.Pipe()
		start := time.Now()
		l.conns <- theirs
		_, err := io.WriteString(ours, "P")
		must(t, err)
		if !ended(ours) || time.Since(start) != 3*time.Second {
			t.Errorf("half a word ended after %v", time.Since(start))
		}
		ours, theirs = net.Pipe()
		l.conns <- theirs
		synctest.Wait()
		must(t, s.Close()) // ends the handshake
		if !ended(ours) {
			t.Error("the handshake goes on")
		}
		if _, err := s.GRPC().Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v", err)
		}
	})
}

// What the splitter hands over serves HTTP as any connection does.
func TestSplitHTTP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := web.Split(listener, nil, web.Limits{})
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })}
	go func() { _ = h.Serve(s.HTTP()) }()
	defer s.Close()
	defer h.Close()
	c, err := net.Dial("tcp", listener.Addr().String())
	must(t, err)
	defer c.Close()
	r := bufio.NewReader(c)
	for _, path := range []string{"/a", "/b"} {
		_, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		must(t, err)
		resp, err := http.ReadResponse(r, nil)
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		if string(body) != path {
			t.Errorf("GET %s: %q", path, body)
		}
	}
}

// Who takes a plain connection out of its wrapping gets what was read of it, and its end is still counted.
func TestUnwrap(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := web.Split(listener, nil, web.Limits{Conns: 1})
	defer s.Close()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", listener.Addr().String())
		must(t, err)
		_, err = c.Write([]byte("PRI * and more"))
		must(t, err)
		return c
	}
	for range 2 {
		client := dial()
		defer client.Close()
		c, err := s.GRPC().Accept()
		must(t, err)
		inner, first := c.(interface{ Unwrap() (net.Conn, []byte) }).Unwrap()
		if _, ok := inner.(*net.TCPConn); !ok {
			t.Fatalf("inside is a %T", inner)
		}
		all := string(first)
		for b := make([]byte, 64); len(all) < len("PRI * and more"); {
			n, err := inner.Read(b)
			must(t, err)
			all += string(b[:n])
		}
		if all != "PRI * and more" {
			t.Errorf("it said %q", all)
		}
		must(t, c.Close()) // makes room for the next
	}
}
