package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// system is what is measured: etcd, or ours on an engine, or the ceiling.
type system string

const (
	etcd    system = "etcd"
	ceiling system = "ceiling"
)

// command runs one member of it.
func (s system) command(o *options, args []string) *exec.Cmd {
	switch s {
	case etcd:
		return exec.Command(filepath.Join(o.bin, "etcd"), args...)
	case ceiling:
		return exec.Command(filepath.Join(o.bin, "ceiling"), args...)
	}
	return exec.Command(filepath.Join(o.bin, "etalon"), append([]string{"serve", "--engine", string(s)}, args...)...)
}

// cluster are the running members of a system.
type cluster struct {
	members   []*exec.Cmd
	endpoints []string
	logs      *bytes.Buffer
}

// free returns n addresses that nobody listens on.
func free(n int) (addrs []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}

// start starts n members in dir and waits until they answer; took is how long that was, from the
// start of the first process.
func start(o *options, s system, n int, dir string) (c *cluster, took time.Duration, err error) {
	addrs, err := free(2 * n)
	if err != nil {
		return nil, 0, err
	}
	c = &cluster{endpoints: addrs[:n], logs: new(bytes.Buffer)}
	var initial []string
	for i := range n {
		initial = append(initial, fmt.Sprintf("m%d=http://%s", i, addrs[n+i]))
	}
	begin := time.Now()
	for i := range n {
		client, peer := "http://"+addrs[i], "http://"+addrs[n+i]
		args := []string{
			"--name", fmt.Sprint("m", i), "--data-dir", filepath.Join(dir, fmt.Sprint("m", i)), "--log-level", "error",
			"--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
			"--initial-cluster", strings.Join(initial, ","),
		}
		if s == ceiling {
			args = []string{"--listen", addrs[i]}
		}
		m := s.command(o, args)
		m.Stdout, m.Stderr = c.logs, c.logs
		// Whoever kills this program kills its members too.
		m.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := m.Start(); err != nil {
			return nil, 0, errors.Join(err, c.stop())
		}
		c.members = append(c.members, m)
	}
	for _, e := range c.endpoints {
		if err := answers(e); err != nil {
			return nil, 0, errors.Join(fmt.Errorf("%s does not answer: %w", s, err), c.stop(), errors.New(c.logs.String()))
		}
	}
	return c, time.Since(begin), nil
}

// answers waits for a linearizable read.
func answers(endpoint string) error {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		nc, err := net.Dial("tcp", endpoint)
		if err == nil {
			nc.Close()
			break
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
	c, err := connect(endpoint)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	for {
		if _, err = c.Get(ctx, "x"); err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond) // no leader yet
	}
}

func connect(endpoints ...string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: time.Minute, Logger: zap.NewNop()})
}

// stop ends the members.
func (c *cluster) stop() error {
	var all []error
	for _, m := range c.members {
		all = append(all, m.Process.Signal(syscall.SIGTERM))
	}
	for _, m := range c.members {
		late := time.AfterFunc(30*time.Second, func() { _ = m.Process.Kill() })
		err := m.Wait()
		late.Stop()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) { // etcd ends by the signal, others by themselves
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// rss is the resident memory of all members in bytes.
func (c *cluster) rss() (float64, error) {
	sum := 0.0
	for _, m := range c.members {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.Process.Pid))
		if err != nil {
			return 0, err
		}
		_, rest, _ := strings.Cut(string(text), "VmRSS:")
		kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
		if err != nil {
			return 0, err
		}
		sum += kb * 1024
	}
	return sum, nil
}
