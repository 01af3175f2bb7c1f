package faulttest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/etalon-kv/etalon/internal/freeport"
)

// member is one server process.
type member struct {
	index          int
	name           string
	argv           []string
	client, peer   string // addresses
	proxy          *proxy
	logPath        string
	cmd            *exec.Cmd
	exited         chan struct{}
	paused, killed bool
	pid            atomic.Int64 // of the running process, 0 if none; read by proxies
}

// cluster is the members and the proxies between them.
type cluster struct {
	members []*member
	dir     string
	links   *links
}

// newCluster lays out n members: argv returns the command of the i-th without the common flags.
func newCluster(dir string, n int, argv func(i int) []string) (*cluster, error) {
	c := &cluster{dir: dir, links: newLinks(n)}
	var initial []string
	for i := range n {
		m := &member{index: i, name: fmt.Sprintf("n%d", i+1), argv: argv(i)}
		m.logPath = filepath.Join(dir, m.name+".log")
		var err error
		if m.client, err = freeAddr(); err != nil {
			return nil, err
		}
		if m.peer, err = freeAddr(); err != nil {
			return nil, err
		}
		if m.proxy, err = newProxy(c, i, m.peer); err != nil {
			return nil, err
		}
		initial = append(initial, m.name+"=http://"+m.proxy.addr())
		c.members = append(c.members, m)
	}
	for _, m := range c.members {
		m.argv = append(m.argv,
			"--name", m.name, "--data-dir", filepath.Join(dir, m.name),
			"--listen-client-urls", "http://"+m.client, "--advertise-client-urls", "http://"+m.client,
			"--listen-peer-urls", "http://"+m.peer, "--initial-advertise-peer-urls", "http://"+m.proxy.addr(),
			"--initial-cluster", strings.Join(initial, ","), "--initial-cluster-state", "new",
			"--heartbeat-interval", "50", "--election-timeout", "500", "--snapshot-count", "100", "--corrupt-check-time", "1s")
	}
	return c, nil
}

// given are the addresses that freeAddr has returned.
var given sync.Map

// freeAddr returns a loopback address that was free a moment ago, another each time.
func freeAddr() (string, error) {
	for range 1000 {
		found, err := freeport.Find(1)
		if err != nil {
			return "", err
		}
		if _, twice := given.LoadOrStore(found[0], true); !twice {
			return found[0], nil
		}
	}
	return "", errors.New("every free address was given away")
}

// start runs the process of a member.
func (m *member) start() error {
	log, err := os.OpenFile(m.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own
	cmd := exec.Command(m.argv[0], m.argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = child()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", m.name, err)
	}
	m.cmd, m.exited, m.killed = cmd, make(chan struct{}), false
	m.pid.Store(int64(cmd.Process.Pid))
	go func(exited chan struct{}) { cmd.Wait(); close(exited) }(m.exited)
	return nil
}

// kill ends the process at once.
func (m *member) kill() {
	if m.cmd == nil || m.killed {
		return
	}
	m.resume()
	m.cmd.Process.Kill()
	<-m.exited
	m.killed = true
	m.pid.Store(0)
}

func (m *member) pause() {
	if m.cmd != nil && !m.killed && !m.paused {
		m.cmd.Process.Signal(syscall.SIGSTOP)
		m.paused = true
	}
}

func (m *member) resume() {
	if m.paused {
		m.cmd.Process.Signal(syscall.SIGCONT)
		m.paused = false
	}
}

// died tells of a process that ended without being killed.
func (m *member) died() error {
	if m.cmd == nil || m.killed {
		return nil
	}
	select {
	case <-m.exited:
		return fmt.Errorf("%s ended by itself (%v); its log ends\n%s", m.name, m.cmd.ProcessState, m.logTail())
	default:
		return nil
	}
}

// logTail is the end of what the member printed.
func (m *member) logTail() string {
	b, err := os.ReadFile(m.logPath)
	if err != nil {
		return err.Error()
	}
	const most = 4 << 10
	return string(b[max(0, len(b)-most):])
}

// heal undoes every fault: nobody is cut off or paused, and whoever was killed runs again.
func (c *cluster) heal() error {
	c.links.mend()
	for _, m := range c.members {
		m.resume()
		if m.cmd == nil || m.killed {
			if err := m.start(); err != nil {
				return err
			}
		}
	}
	return nil
}

// close ends all processes and proxies.
func (c *cluster) close() {
	for _, m := range c.members {
		m.kill()
		m.proxy.close()
	}
}

// died returns the first member that ended by itself.
func (c *cluster) died() error {
	for _, m := range c.members {
		if err := m.died(); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) endpoints() []string {
	var all []string
	for _, m := range c.members {
		all = append(all, m.client)
	}
	return all
}

// dial returns a client of the given endpoints; the caller closes it.
func dial(endpoints ...string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints: endpoints, DialTimeout: 2 * time.Second, Logger: zap.NewNop(),
		DialKeepAliveTime: time.Second, DialKeepAliveTimeout: time.Second,
	})
}

// ready waits until every member answers a linearizable read.
func (c *cluster) ready(ctx context.Context) error {
	for _, m := range c.members {
		cl, err := dial(m.client)
		if err != nil {
			return err
		}
		for {
			one, cancel := context.WithTimeout(ctx, time.Second)
			_, err = cl.Get(one, "ready")
			cancel()
			if err == nil || ctx.Err() != nil {
				break
			}
			if d := c.died(); d != nil {
				err = d
				break
			}
		}
		cl.Close()
		if err != nil {
			return fmt.Errorf("%s does not serve: %w\n%s", m.name, err, m.logTail())
		}
	}
	return nil
}
