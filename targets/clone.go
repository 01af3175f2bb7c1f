package targets

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Clone copies the closed data directory src to dst, which must not exist, and syncs the copy, so
// that the run which opens it starts without write-back of its own making. Every run of a cell
// starts from a clone of one fixture. It returns the bytes copied. On an error dst is removed.
func Clone(ctx context.Context, dst, src string) (copied int64, err error) {
	if err := os.Mkdir(dst, 0o700); err != nil {
		return 0, fmt.Errorf("targets: clone: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("targets: clone %s: %w", src, err)
			os.RemoveAll(dst)
		}
	}()
	err = filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil || rel == "." {
			return err
		}
		switch to := filepath.Join(dst, rel); {
		case d.IsDir():
			return os.Mkdir(to, 0o700)
		case d.Type().IsRegular():
			n, err := copyFile(to, path)
			copied += n
			return err
		default:
			return fmt.Errorf("%s is neither a file nor a directory", path)
		}
	})
	return copied, err
}

func copyFile(dst, src string) (n int64, err error) {
	from, err := os.Open(src)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	to, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if closeErr := to.Close(); err == nil {
			err = closeErr
		}
	}()
	if n, err = io.Copy(to, from); err != nil {
		return n, err
	}
	return n, to.Sync()
}
