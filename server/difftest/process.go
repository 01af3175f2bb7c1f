package difftest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// startTimeout bounds the start of a server, stopTimeout its end after SIGTERM.
const (
	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
)

// server is one process under test with a connection to it.
type server struct {
	name   string
	argv   []string
	client string // address
	cmd    *exec.Cmd
	exited chan error
	log    *tail
	conn   *grpc.ClientConn
}

// tail keeps the last of what a process printed.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const tailBytes = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if n := t.buf.Len() - tailBytes; n > 0 {
		t.buf.Next(n)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// newServer describes a server with etcd's flags; extra are those that only one of the two knows.
func newServer(name, binary, dir string, extra ...string) (*server, error) {
	client, err := freeAddr()
	if err != nil {
		return nil, err
	}
	peer, err := freeAddr()
	if err != nil {
		return nil, err
	}
	argv := append([]string{binary}, extra...)
	argv = append(argv,
		"--name", "n1", "--data-dir", filepath.Join(dir, name),
		"--listen-client-urls", "http://"+client, "--advertise-client-urls", "http://"+client,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer,
		"--initial-cluster", "n1=http://"+peer,
		"--unsafe-no-fsync", // nothing is killed here: answers are compared, not what a crash leaves
	)
	return &server{name: name, argv: argv, client: client}, nil
}

// given are the ports that freeAddr has returned.
var given sync.Map

// freeAddr returns a loopback address that was free a moment ago, another each time. Its port is below those that
// connections and listeners get by themselves, so that it stays free until the server listens, and while it is down.
func freeAddr() (string, error) {
	err := errors.New("every port was given away")
	for range 100 {
		port := 10_000 + rand.IntN(11_000) // above are those of faulttest, which runs beside this
		if _, twice := given.LoadOrStore(port, true); twice {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}

// start runs the process and waits until it serves.
func (s *server) start(ctx context.Context) error {
	s.log = &tail{}
	s.cmd = exec.Command(s.argv[0], s.argv[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", s.name, err)
	}
	s.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan error) { exited <- cmd.Wait() }(s.cmd, s.exited)
	conn, err := grpc.NewClient(s.client, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return err
	}
	s.conn = conn
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	health := healthpb.NewHealthClient(conn)
	for {
		// One look at a time; WaitForReady lets the connection come up meanwhile.
		resp, err := health.Check(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true))
		if err == nil && resp.Status == healthpb.HealthCheckResponse_SERVING {
			return nil
		}
		select {
		case werr := <-s.exited:
			s.exited <- werr
			return fmt.Errorf("%s ended at its start: %v\n%s", s.name, werr, s.log)
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve: %v, %w\n%s", s.name, err, ctx.Err(), s.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the process with SIGTERM and waits for it.
func (s *server) stop() error {
	if s.cmd == nil {
		return nil
	}
	s.conn.Close()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping %s: %w\n%s", s.name, err, s.log)
	}
	select {
	case <-s.exited: // etcd exits by the signal, which is an error of Wait
	case <-time.After(stopTimeout):
		s.cmd.Process.Kill()
		<-s.exited
		return fmt.Errorf("%s did not stop on SIGTERM within %v\n%s", s.name, stopTimeout, s.log)
	}
	s.cmd = nil
	return nil
}
