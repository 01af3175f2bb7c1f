package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// marker is the content of store/FORMAT: three lines of text.
type marker struct {
	engine string // non-empty, no white space
	format int    // from 1
}

// markerMagic begins every marker. The number is the version of the layout of Dir itself.
const (
	markerMagic   = "etalon engine directory "
	markerVersion = 1
	markerMax     = 4 << 10 // bytes read of one
)

func (m marker) valid() error {
	if m.engine == "" || strings.ContainsAny(m.engine, " \t\r\n") || m.format < 1 {
		return fmt.Errorf("engine: bad engine name %q or format %d, want a word and at least 1", m.engine, m.format)
	}
	return nil
}

func (m marker) encode() []byte {
	return fmt.Appendf(nil, "%s%d\nengine %s\nformat %d\n", markerMagic, markerVersion, m.engine, m.format)
}

// decodeMarker reads a marker. A newer layout is ErrNewerFormat whatever follows its first line.
func decodeMarker(text []byte) (marker, error) {
	var m marker
	var version int
	if !bytes.HasPrefix(text, []byte(markerMagic)) {
		return m, fmt.Errorf("%w: it is not a marker", ErrForeignDir)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if _, err := fmt.Sscanf(first, markerMagic+"%d", &version); err != nil {
		return m, fmt.Errorf("%w: bad first line %q", ErrCorrupt, first)
	}
	if version > markerVersion {
		return m, fmt.Errorf("%w: layout %d, this program knows %d", ErrNewerFormat, version, markerVersion)
	}
	if _, err := fmt.Sscanf(string(text), markerMagic+"1\nengine %s\nformat %d\n", &m.engine, &m.format); err != nil {
		return m, fmt.Errorf("%w: %v in %q", ErrCorrupt, err, text)
	}
	if !bytes.Equal(m.encode(), text) || m.valid() != nil {
		return m, fmt.Errorf("%w: %q", ErrCorrupt, text)
	}
	return m, nil
}

// inspect looks at dir and changes nothing. It returns the marker of a complete store that want
// may open, or nil where a first start may be made.
func inspect(dir string, want marker) (*marker, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("engine: open %s: %w", dir, err)
	}
	has := make(map[string]bool, len(entries))
	for _, e := range entries {
		has[e.Name()] = true
	}
	if has[storeName] {
		return inspectStore(dir, want)
	}
	for _, e := range entries {
		if !startsFresh(dir, e, has[lockName]) {
			return nil, fmt.Errorf("%w: %s holds %q, want an empty directory or a store of %s",
				ErrForeignDir, dir, e.Name(), want.engine)
		}
	}
	return nil, nil
}

// startsFresh tells whether an entry of a directory without a store is something that an
// interrupted first start, or mkfs, leaves.
func startsFresh(dir string, e fs.DirEntry, hasLock bool) bool {
	switch e.Name() {
	case lostName:
		return e.IsDir()
	case lockName:
		info, err := e.Info()
		return err == nil && info.Mode().IsRegular() && info.Size() == 0
	case newName:
		inside, err := os.ReadDir(filepath.Join(dir, newName))
		if errors.Is(err, fs.ErrNotExist) { // another process is just done with it
			return hasLock
		}
		for _, f := range inside {
			if f.Name() != markerName && f.Name() != dataName {
				return false
			}
		}
		return err == nil && hasLock
	}
	return false
}

// inspectStore reads the marker of dir/store and compares it with want.
func inspectStore(dir string, want marker) (*marker, error) {
	path := filepath.Join(dir, storeName, markerName)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) || err != nil && isNotDir(filepath.Dir(path)) {
		return nil, fmt.Errorf("%w: %s is missing", ErrForeignDir, path)
	}
	if err != nil {
		return nil, fmt.Errorf("engine: open %s: %w", dir, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, markerMax))
	if err != nil {
		return nil, fmt.Errorf("engine: read %s: %w", path, err)
	}
	found, err := decodeMarker(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case found.engine != want.engine:
		return nil, fmt.Errorf("%w: %s is a store of %s, not of %s", ErrForeignDir, dir, found.engine, want.engine)
	case found.format > want.format:
		return nil, fmt.Errorf("%w: %s has format %d of %s, this program knows %d",
			ErrNewerFormat, dir, found.format, found.engine, want.format)
	}
	return &found, nil
}

// isNotDir tells whether path exists and is no directory.
func isNotDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}
