package rpc

import (
	"errors"
	"os"
	"syscall"
)

// poller asks the system which connections are ready, many at a time. It stands in the runtime's own
// poller as one file, so that waiting costs no thread.
type poller struct {
	file   *os.File
	raw    syscall.RawConn
	events [128]syscall.EpollEvent
	n      int
	err    error
}

// event is a connection that is ready.
type event struct {
	number             uint64
	readable, writable bool
	ended              bool // no more will come than what can be read now
}

// edges is what is told of a connection: each time that more has come, or more is taken, or it has ended.
const edges = syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | edgeTriggered

const edgeTriggered = 1 << 31 // syscall.EPOLLET is negative

func newPoller() (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // os.NewFile goes by that
		return nil, errors.Join(err, syscall.Close(fd))
	}
	p := &poller{file: os.NewFile(uintptr(fd), "epoll")}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	return p, nil
}

// add has events of s told under number, until s is closed.
func (p *poller) add(s *socket, number uint64) error {
	var err error
	added := func(fd uintptr) {
		cerr := p.raw.Control(func(epoll uintptr) {
			err = syscall.EpollCtl(int(epoll), syscall.EPOLL_CTL_ADD, int(fd),
				&syscall.EpollEvent{Events: edges, Fd: int32(number), Pad: int32(number >> 32)})
		})
		err = errors.Join(err, cerr)
	}
	if err := s.Control(added); err != nil {
		return err
	}
	return err
}

// wait appends what is ready; with block it waits until something is. false: the poller is closed.
func (p *poller) wait(ready []event, block bool) ([]event, bool) {
	err := p.raw.Read(func(fd uintptr) bool {
		for {
			p.n, p.err = syscall.EpollWait(int(fd), p.events[:], 0)
			if p.err != syscall.EINTR {
				return p.n != 0 || !block
			}
		}
	})
	if err != nil || p.err != nil {
		return ready, false
	}
	for _, e := range p.events[:max(p.n, 0)] {
		ready = append(ready, event{
			number:   uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32,
			readable: e.Events&^syscall.EPOLLOUT != 0, writable: e.Events&syscall.EPOLLOUT != 0,
			ended: e.Events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0,
		})
	}
	return ready, true
}

func (p *poller) close() { p.file.Close() }

// socket reads and writes as much as can be without waiting.
type socket struct {
	syscall.RawConn
	in, out transfer
}

type transfer struct {
	b    []byte
	n    int
	err  error
	move func(fd uintptr) bool
}

// read returns 0 and no error at the end, syscall.EAGAIN when there is nothing now.
func (s *socket) read(b []byte) (int, error) {
	t := &s.in
	if t.move == nil {
		t.move = func(fd uintptr) bool {
			t.n, t.err = syscall.Read(int(fd), t.b)
			return true
		}
	}
	return t.run(s.RawConn.Read, b)
}

// write returns syscall.EAGAIN when nothing is taken now.
func (s *socket) write(b []byte) (int, error) {
	t := &s.out
	if t.move == nil {
		t.move = func(fd uintptr) bool {
			t.n, t.err = syscall.Write(int(fd), t.b)
			return true
		}
	}
	return t.run(s.RawConn.Write, b)
}

func (t *transfer) run(through func(func(uintptr) bool) error, b []byte) (int, error) {
	t.b = b
	defer func() { t.b = nil }()
	for {
		if err := through(t.move); err != nil {
			return 0, err
		}
		if t.err != syscall.EINTR {
			return max(t.n, 0), t.err
		}
	}
}
