//go:build !linux

package bolt

// populate does nothing: a page is entered into the page table when it is first read.
func populate([]byte) {}
