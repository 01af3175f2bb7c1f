package faulttest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// links says which member may talk to which, as connections go; a cut one is closed or goes silent.
type links struct {
	mu     sync.Mutex
	cut    [][]bool // [from][to]
	silent bool     // how new cuts are made
	conns  map[*link]struct{}
}

// link is one connection through a proxy.
type link struct {
	from, to   int
	in, out    net.Conn
	mu         sync.Mutex
	moved      *sync.Cond
	held, gone bool
}

func newLinks(n int) *links {
	l := &links{conns: map[*link]struct{}{}}
	for range n {
		l.cut = append(l.cut, make([]bool, n))
	}
	return l
}

// sever cuts the connections between the pairs of which apart is true. silent holds their bytes back
// instead of closing them.
func (l *links) sever(silent bool, apart func(i, j int) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent = silent
	for i := range l.cut {
		for j := range l.cut {
			l.cut[i][j] = i != j && apart(i, j)
		}
	}
	for c := range l.conns {
		switch {
		case !l.cut[c.from][c.to]:
		case silent:
			c.hold(true)
		default:
			c.close()
		}
	}
}

// mend lets everybody talk again. Connections that were silent go on where they were.
func (l *links) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.cut {
		clear(l.cut[i])
	}
	for c := range l.conns {
		c.hold(false)
	}
}

// add enters a new connection; false if it may not be.
func (l *links) add(c *link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.from >= 0 && l.cut[c.from][c.to] {
		if !l.silent {
			return false
		}
		c.held = true
	}
	if c.from >= 0 {
		l.conns[c] = struct{}{}
	}
	return true
}

func (l *links) remove(c *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

func (c *link) hold(yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = yes
	c.moved.Broadcast()
}

func (c *link) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	c.moved.Broadcast()
	c.in.Close()
	c.out.Close()
}

// wait returns when bytes may pass; false if none will any more.
func (c *link) wait() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.held && !c.gone {
		c.moved.Wait()
	}
	return !c.gone
}

// proxy stands before the peer address of a member.
type proxy struct {
	c      *cluster
	to     int
	target string
	l      net.Listener
	wg     sync.WaitGroup
}

func newProxy(c *cluster, to int, target string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{c: c, to: to, target: target, l: l}
	p.wg.Go(p.accept)
	return p, nil
}

func (p *proxy) addr() string { return p.l.Addr().String() }

func (p *proxy) close() {
	p.l.Close()
	p.c.links.mu.Lock()
	for c := range p.c.links.conns {
		if c.to == p.to {
			c.close()
		}
	}
	p.c.links.mu.Unlock()
	p.wg.Wait()
}

func (p *proxy) accept() {
	for {
		in, err := p.l.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.carry(in) })
	}
}

// carry moves the bytes of one connection.
func (p *proxy) carry(in net.Conn) {
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		in.Close()
		return
	}
	c := &link{from: p.c.owner(in.RemoteAddr().(*net.TCPAddr).Port), to: p.to, in: in, out: out}
	c.moved = sync.NewCond(&c.mu)
	defer c.close()
	if !p.c.links.add(c) {
		return
	}
	defer p.c.links.remove(c)
	var wg sync.WaitGroup
	wg.Go(func() { c.pump(in, out) })
	c.pump(out, in)
	wg.Wait()
}

func (c *link) pump(from, to net.Conn) {
	defer c.close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && c.wait() {
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// owner tells which member's process has the loopback socket with this local port; -1 if none.
func (c *cluster) owner(port int) int {
	inode, err := socketInode(port)
	if err != nil {
		return -1
	}
	want := "socket:[" + inode + "]"
	for _, m := range c.members {
		pid := m.pid.Load()
		if pid == 0 {
			continue
		}
		fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			continue
		}
		for _, fd := range fds {
			if name, err := os.Readlink(fd); err == nil && name == want {
				return m.index
			}
		}
	}
	return -1
}

// socketInode finds the socket of a local port in /proc/net/tcp: columns sl, local_address, …, inode.
func socketInode(port int) (string, error) {
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return "", err
	}
	defer f.Close()
	local := fmt.Sprintf("0100007F:%04X", port)
	for s := bufio.NewScanner(f); s.Scan(); {
		if fields := strings.Fields(s.Text()); len(fields) > 9 && fields[1] == local {
			return fields[9], nil
		}
	}
	return "", io.EOF
}
