package wal

import "io"

// FS is the directory of one log: all that the log asks of a file system, so that a simulated disk
// can stand in for the real one. Names are plain file names. The log calls it from one goroutine at
// a time, except for File.ReadAt. Dir is the real one.
type FS interface {
	// Lock gives the directory to this log alone until the Closer is closed. ErrInUse: somebody
	// else has it. It is the first call that may change anything.
	Lock() (io.Closer, error)
	// List returns the names of all files, in any order, that of the lock excepted.
	List() ([]string, error)
	// Create makes a file of size zero bytes with the space for them reserved, open for reading and
	// writing. It fails if the name exists.
	Create(name string, size int64) (File, error)
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	// Rename moves a file to a name that is free. Open Files stay with their content.
	Rename(from, to string) error
	// Remove takes a name away. A File that is open stays readable until it is closed.
	Remove(name string) error
	// SyncDir returns when every Create, Rename and Remove before it is durable.
	SyncDir() error
}

// File is an open file. What is written is durable when a later Sync has returned nil; until then a
// crash may keep or lose each sector of 512 bytes by itself.
type File interface {
	io.ReaderAt // any goroutine, also beside a write, of which it may see any part
	io.WriterAt
	Size() (int64, error)
	Sync() error
	Close() error
}
