//go:build !unix

package main

import "syscall"

// ownProcessGroup has nothing to set on this system.
func ownProcessGroup() *syscall.SysProcAttr { return nil }
