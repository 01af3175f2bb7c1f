//go:build !unix

package results

import (
	"io"
	"os"
)

// lockDir is no lock on systems without flock: two writers still cannot tear a file, since each
// writes to a temporary name of its own.
func lockDir(root *os.Root) (io.Closer, error) { return root.Open(".") }
