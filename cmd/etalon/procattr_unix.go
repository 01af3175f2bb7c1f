//go:build unix

package main

import "syscall"

// ownProcessGroup keeps a child out of the terminal's process group, so that Ctrl-C is not sent to it.
func ownProcessGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
