//go:build !linux

package rpc

import (
	"errors"
	"syscall"
)

// poller is there on Linux only; elsewhere connections have goroutines of their own.
type poller struct{}

type event struct {
	number             uint64
	readable, writable bool
	ended              bool
}

func newPoller() (*poller, error) { return nil, errors.ErrUnsupported }

func (*poller) add(*socket, uint64) error                  { return errors.ErrUnsupported }
func (*poller) wait(ready []event, _ bool) ([]event, bool) { return ready, false }
func (*poller) close()                                     {}

type socket struct{ syscall.RawConn }

func (*socket) read([]byte) (int, error)  { return 0, errors.ErrUnsupported }
func (*socket) write([]byte) (int, error) { return 0, errors.ErrUnsupported }
