//go:build !unix

package bolt

import (
	"io/fs"
	"os"
)

// allocatedBytes is what a file takes on disk, holes included where they cannot be told.
func allocatedBytes(info fs.FileInfo) int64 { return info.Size() }

// unlock does nothing: engine.OpenDir refuses these systems.
func unlock(*os.File) error { return nil }
