package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/etalon-kv/etalon/server/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// raw is a codec whose messages are bytes.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// service is what the tests call. The zero value will do.
type service struct {
	held    chan struct{} // Wait waits for it, or for its context
	deaf    bool          // not for its context
	working atomic.Int64  // calls of Wait at work
	most    atomic.Int64  // the most there were
}

const bigParts, bigPart = 64, 64 << 10

func (s *service) wait(ctx context.Context) error {
	n := s.working.Add(1)
	defer s.working.Add(-1)
	for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
	}
	if s.deaf {
		ctx = context.Background()
	}
	select {
	case <-s.held:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type echo struct{ msg []byte }

func (e echo) AppendReply(b []byte) ([]byte, error) {
	if bytes.HasPrefix(e.msg, []byte("fail ")) {
		return nil, status.Error(codes.FailedPrecondition, string(e.msg[5:]))
	}
	return append(b, e.msg...), nil
}

func (e echo) Drop() {}

func unary(f func(*service, context.Context, []byte) ([]byte, error)) grpc.MethodHandler {
	return func(srv any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var in []byte
		if err := dec(&in); err != nil {
			return nil, err
		}
		out, err := f(srv.(*service), ctx, in)
		return &out, err
	}
}

var desc = grpc.ServiceDesc{
	ServiceName: "test.Service", HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Fast", Handler: unary(func(*service, context.Context, []byte) ([]byte, error) {
			return nil, errors.New("a fast method was called as a slow one")
		})},
		{MethodName: "Slow", Handler: unary(func(_ *service, _ context.Context, in []byte) ([]byte, error) { return in, nil })},
		{MethodName: "Wait", Handler: unary(func(s *service, ctx context.Context, in []byte) ([]byte, error) { return in, s.wait(ctx) })},
	},
	Streams: []grpc.StreamDesc{
		{StreamName: "Both", ServerStreams: true, ClientStreams: true, Handler: func(_ any, st grpc.ServerStream) error {
			for {
				var m []byte
				if err := st.RecvMsg(&m); errors.Is(err, io.EOF) {
					return nil
				} else if err != nil {
					return err
				}
				if err := st.SendMsg(&m); err != nil {
					return err
				}
			}
		}},
		{StreamName: "Big", ServerStreams: true, Handler: func(_ any, st grpc.ServerStream) error {
			for i := range bigParts {
				m := bytes.Repeat([]byte{byte(i)}, bigPart)
				if err := st.SendMsg(&m); err != nil {
					return err
				}
			}
			return nil
		}},
	},
}

// newServer makes a server of the test's service.
func newServer(t testing.TB, c rpc.Config, s *service) *rpc.Server {
	t.Helper()
	c.Codec = raw{}
	g, err := rpc.NewServer(c)
	must(t, err)
	g.RegisterService(&desc, s)
	g.RegisterFast("/test.Service/Fast", func(c rpc.Call, _ rpc.Caller, msg []byte) { c.Done(echo{bytes.Clone(msg)}) })
	return g
}

// listen serves g on loopback until the test ends, in a loop where there is one.
func listen(t testing.TB, g *rpc.Server) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	return serve(t, g, l)
}

// opaque is a listener whose connections cannot be served in a loop.
type opaque struct{ net.Listener }

func (o opaque) Accept() (net.Conn, error) {
	c, err := o.Listener.Accept()
	return struct{ net.Conn }{c}, err
}

// both runs f with a server in a loop, and with one whose connections have goroutines of their own.
func both(t *testing.T, c rpc.Config, f func(t *testing.T, addr string)) {
	t.Run("connections in a loop", func(t *testing.T) { f(t, listen(t, newServer(t, c, &service{}))) })
	t.Run("connections with goroutines", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		f(t, serve(t, newServer(t, c, &service{}), opaque{l}))
	})
}

func serve(t testing.TB, g *rpc.Server, l net.Listener) (addr string) {
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	t.Cleanup(func() {
		g.Stop()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

// dial connects the official client.
func dial(t testing.TB, addr string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient("passthrough:"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{}), grpc.MaxCallRecvMsgSize(64<<20)))
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func call(c *grpc.ClientConn, method string, in []byte, o ...grpc.CallOption) (out []byte, err error) {
	err = c.Invoke(context.Background(), "/test.Service/"+method, &in, &out, o...)
	return out, err
}

func TestCalls(t *testing.T) {
	both(t, rpc.Config{MaxMessageBytes: 2 << 20}, checkCalls)
}

func checkCalls(t *testing.T, addr string) {
	c := dial(t, addr)
	for _, size := range []int{0, 1, 100, 16_379, 16_384, 65_535, 65_536, 1 << 20, 1 << 21} {
		in := bytes.Repeat([]byte{byte(size)}, size)
		for _, m := range []string{"Fast", "Slow"} {
			out, err := call(c, m, in)
			if err != nil || !bytes.Equal(in, out) {
				t.Errorf("%s of %d bytes: %d bytes, %v", m, size, len(out), err)
			}
		}
	}
	for _, text := range []string{"plain", "50% of\nlines, 中文, \x00\x7f", ""} {
		_, err := call(c, "Fast", []byte("fail "+text))
		if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != text {
			t.Errorf("an error of %q came as %v", text, err)
		}
	}
}

func TestRefused(t *testing.T) {
	both(t, rpc.Config{MaxMessageBytes: 1 << 20}, checkRefused)
}

func checkRefused(t *testing.T, addr string) {
	c := dial(t, addr)
	for _, tc := range []struct {
		name, method string
		size         int
		options      []grpc.CallOption
		code         codes.Code
	}{
		{"unknown method", "Nothing", 1, nil, codes.Unimplemented},
		{"compressed", "Fast", 1000, []grpc.CallOption{grpc.UseCompressor(gzip.Name)}, codes.Unimplemented},
		{"too large", "Fast", 1<<20 + 1, nil, codes.ResourceExhausted},
		{"too large", "Slow", 1<<20 + 1, nil, codes.ResourceExhausted},
	} {
		if _, err := call(c, tc.method, make([]byte, tc.size), tc.options...); status.Code(err) != tc.code {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.code)
		}
		if _, err := call(c, "Fast", []byte("x")); err != nil {
			t.Errorf("after %s: %v", tc.name, err)
		}
	}
}

func TestStreams(t *testing.T) {
	both(t, rpc.Config{}, checkStreams)
}

func checkStreams(t *testing.T, addr string) {
	c := dial(t, addr)
	st, err := c.NewStream(t.Context(), &desc.Streams[0], "/test.Service/Both")
	must(t, err)
	for i := range 300 {
		in, out := bytes.Repeat([]byte{byte(i)}, i*i), []byte(nil)
		must(t, st.SendMsg(&in))
		must(t, st.RecvMsg(&out))
		if !bytes.Equal(in, out) {
			t.Fatalf("message %d came back with %d bytes", i, len(out))
		}
	}
	must(t, st.CloseSend())
	var out []byte
	if err := st.RecvMsg(&out); !errors.Is(err, io.EOF) {
		t.Fatalf("the stream ended with %v", err)
	}
}

// A client that does not read holds up its stream alone, and gets everything when it does.
func TestSlowReader(t *testing.T) {
	both(t, rpc.Config{}, checkSlowReader)
}

func checkSlowReader(t *testing.T, addr string) {
	c := dial(t, addr)
	st, err := c.NewStream(t.Context(), &desc.Streams[1], "/test.Service/Big")
	must(t, err)
	must(t, st.SendMsg(new([]byte)))
	must(t, st.CloseSend())
	for range 100 {
		if _, err := call(c, "Fast", []byte("beside it")); err != nil {
			t.Fatal(err)
		}
	}
	for i := range bigParts {
		var m []byte
		must(t, st.RecvMsg(&m))
		if len(m) != bigPart || m[0] != byte(i) || m[bigPart-1] != byte(i) {
			t.Fatalf("part %d has %d bytes and begins with %d", i, len(m), m[0])
		}
	}
}

func TestDeadlineAndCancel(t *testing.T) {
	s := &service{held: make(chan struct{})}
	c := dial(t, listen(t, newServer(t, rpc.Config{}, s)))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var out []byte
	if err := c.Invoke(ctx, "/test.Service/Wait", &out, &out); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("past its deadline: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Invoke(ctx, "/test.Service/Wait", &out, new([]byte)) }()
	until(t, func() bool { return s.working.Load() == 1 })
	cancel()
	if err := <-done; status.Code(err) != codes.Canceled {
		t.Errorf("canceled: %v", err)
	}
	until(t, func() bool { return s.working.Load() == 0 })
}

// until waits for what others are about to do.
func until(t testing.TB, is func() bool) {
	t.Helper()
	for range 10_000 {
		if is() {
			return
		}
		time.Sleep(time.Millisecond) // polls; how long it takes decides nothing
	}
	t.Fatal("it did not happen within ten seconds")
}

// Draining lets calls end, takes no new ones, and says so.
func TestDrain(t *testing.T) {
	s := &service{held: make(chan struct{})}
	g := newServer(t, rpc.Config{}, s)
	addr := listen(t, g)
	c := dial(t, addr)
	done := make(chan error, 1)
	go func() { _, err := call(c, "Wait", []byte("x")); done <- err }()
	until(t, func() bool { return s.working.Load() == 1 })
	idle := dial(t, addr)
	_, err := call(idle, "Fast", nil)
	must(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Drain(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("with a call at work, Drain returned %v", err)
	}
	if _, err := call(c, "Fast", nil); status.Code(err) != codes.Unavailable {
		t.Errorf("a call to a server that drains: %v", err)
	}
	close(s.held)
	if err := <-done; err != nil {
		t.Errorf("the call that was at work: %v", err)
	}
	must(t, g.Drain(t.Context()))
}

func TestConfig(t *testing.T) {
	for _, c := range []rpc.Config{{}, {Codec: raw{}, MaxConns: -1}, {Codec: raw{}, MaxMessageBytes: -1}} {
		if _, err := rpc.NewServer(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
