package bolt

import "syscall"

// populate enters b, a part of the map whose pages are in the system's cache, into the page table.
// It is a hint: before Linux 5.14 there is none, and a page is entered when it is first read.
func populate(b []byte) {
	const populateRead = 22              // MADV_POPULATE_READ
	_ = syscall.Madvise(b, populateRead) // not aligned where pages are smaller than the system's
}
