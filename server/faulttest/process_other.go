//go:build !linux

package faulttest

import "syscall"

// child makes a process; elsewhere than on Linux it may outlive a parent that is killed.
func child() *syscall.SysProcAttr { return nil }
