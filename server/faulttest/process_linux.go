package faulttest

import "syscall"

// child makes a process that the kernel kills when its parent's thread ends.
func child() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
