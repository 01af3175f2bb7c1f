package badger

import "syscall"

// leave takes b, a part of a shared map, out of the page table; what was written to it stays in the
// system's cache. It is a hint.
func leave(b []byte) { _ = syscall.Madvise(b, syscall.MADV_DONTNEED) }
