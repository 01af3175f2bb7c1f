package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
)

// Config is what a Server is made of.
type Config struct {
	// Codec reads and writes messages of calls that are not fast. Required.
	Codec encoding.CodecV2
	// Unary, if not nil, is called around unary calls that are not fast.
	Unary grpc.UnaryServerInterceptor
	// MaxMessageBytes bounds a message from a client. 0 = 4 MiB.
	MaxMessageBytes int
	// MaxStreams bounds the calls of one connection at a time. 0 = 65,536.
	MaxStreams uint32
	// MaxConns bounds the connections; beyond, new ones are closed at once. 0 = no bound.
	MaxConns int
	// HandshakeTimeout is how long a client may take to say that it speaks HTTP/2. 0 = 10 s.
	HandshakeTimeout time.Duration
	// Keepalive is what keeps connections alive.
	Keepalive Keepalive
	// Logger: nil discards.
	Logger *slog.Logger
}

// ErrStopped: Stop was called before.
var ErrStopped = errors.New("rpc: server has stopped")

func (c *Config) validate() error {
	if c.Codec == nil || c.MaxMessageBytes < 0 || c.MaxConns < 0 || c.HandshakeTimeout < 0 {
		return fmt.Errorf("rpc: Config has Codec %v, MaxMessageBytes %d, MaxConns %d, HandshakeTimeout %v",
			c.Codec, c.MaxMessageBytes, c.MaxConns, c.HandshakeTimeout)
	}
	if c.MaxMessageBytes == 0 {
		c.MaxMessageBytes = 4 << 20
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = 1 << 16
	}
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// method is one that clients can call; one of fast, unary and stream is set.
type method struct {
	path   string
	srv    any
	fast   Fast
	unary  grpc.MethodHandler
	stream grpc.StreamHandler
}

// Server serves the services that were registered. All methods may be called by any number of
// goroutines, except that services are registered before Serve.
type Server struct {
	config  Config
	methods map[string]*method
	ctx     context.Context // of all calls; ends with Stop
	cancel  context.CancelFunc

	mu        sync.Mutex
	stopped   bool
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	running   sync.WaitGroup // everything that a connection has started
	watched   sync.Once      // the goroutine that watches over connections runs
	empty     chan struct{}  // room for one: a connection has ended
	loops     []*loop        // made when they are first needed
	next      int            // the one of loops whose turn it is
	looping   sync.WaitGroup // what they have started
	acking    atomic.Bool    // acknowledgements of pings are about to be sent
}

// NewServer makes a server without services.
func NewServer(c Config) (*Server, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		config: c, methods: make(map[string]*method),
		listeners: make(map[net.Listener]struct{}), conns: make(map[*conn]struct{}), empty: make(chan struct{}, 1),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// RegisterService adds the methods of d, which srv carries out. It is grpc.ServiceRegistrar's.
func (s *Server) RegisterService(d *grpc.ServiceDesc, srv any) {
	for _, m := range d.Methods {
		s.add(&method{path: "/" + d.ServiceName + "/" + m.MethodName, srv: srv, unary: m.Handler})
	}
	for _, m := range d.Streams {
		s.add(&method{path: "/" + d.ServiceName + "/" + m.StreamName, srv: srv, stream: m.Handler})
	}
}

// RegisterFast makes a unary method that was registered a fast one. path is "/package.Service/Method".
func (s *Server) RegisterFast(path string, f Fast) {
	if m := s.methods[path]; m != nil {
		m.fast = f
	}
}

func (s *Server) add(m *method) { s.methods[m.path] = m }

// Serve takes connections from l until that fails or Stop is called; then it returns nil. It closes l.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return ErrStopped
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	s.watched.Do(func() { s.running.Go(s.watch) })
	for pause := time.Duration(0); ; {
		nc, err := l.Accept()
		if err == nil {
			pause = 0
			s.start(nc)
			continue
		}
		s.mu.Lock()
		stopped := s.stopped
		s.mu.Unlock()
		if stopped {
			return nil
		}
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() { // too many open files is one that passes
			return fmt.Errorf("rpc: accepting: %w", err)
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
		}
	}
}

// start serves a connection: in a loop where that can be, in goroutines of its own otherwise.
func (s *Server) start(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.config.MaxConns > 0 && len(s.conns) >= s.config.MaxConns {
		c.greeting.Stop()
		nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	if s.enlist(c) {
		return
	}
	c.wake = make(chan struct{}, 1)
	s.running.Go(c.read)
	s.running.Go(c.write)
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	signal(s.empty)
}

// Drain closes the listeners and tells the clients that they are to go elsewhere. It returns when all
// their calls have ended, or with ctx. Stop is to follow.
func (s *Server) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.drain()
	}
	s.mu.Unlock()
	for {
		s.mu.Lock()
		n := len(s.conns)
		s.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-s.empty:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Stop closes listeners and connections, and waits until all calls have returned.
func (s *Server) Stop() {
	s.cancel()
	s.mu.Lock()
	s.stopped = true
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.close()
	}
	s.mu.Unlock()
	s.running.Wait()
	for _, l := range s.loops {
		l.close()
	}
	s.looping.Wait()
}
