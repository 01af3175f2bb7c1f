//go:build !linux

package badger

// leave does nothing: what MADV_DONTNEED does to dirty pages is Linux's own promise.
func leave([]byte) {}
