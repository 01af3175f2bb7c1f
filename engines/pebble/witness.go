package pebble

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/etalon-kv/etalon/engine"
)

// pebble reads its MANIFEST, the list of live tables, up to the first record whose checksum is
// wrong, takes the rest for the torn end of a crash, and removes the tables that it no longer
// finds listed. It reads the newest log in much the same way: later records are meant to prove that
// a bad one was once whole, but not every flipped bit was noticed when tried. So one bit could lose
// acknowledged data without a word. Therefore the adapter keeps a witness: how long the synced
// part of the MANIFEST and of the newest log is, and its checksum. Before pebble opens the
// directory both must agree with it.
//
// The witness is written after every sync of the two, without a sync of its own except at Close:
// a killed process leaves it exact; after a power cut it may be older, and vouch for a shorter
// part, or for a file that is gone, which is no vouching at all. It never says too much.
const (
	witnessName = "ETALON-SYNCED"
	witnessText = "%s %d %08x" // name, length, CRC-32C
	witnessLine = 128
)

// role is what a file is to the witness, and its line there.
type role int

const (
	ordinary role = iota - 1
	manifestRole
	logRole
	roles
)

// roleOf tells what the file that pebble creates under this name is.
func roleOf(base string) role {
	switch {
	case strings.HasPrefix(base, "MANIFEST-"):
		return manifestRole
	case strings.HasSuffix(base, ".log"):
		return logRole
	}
	return ordinary
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// witness is the open file of that name. The zero witness ignores notes.
type witness struct {
	mu   sync.Mutex
	file *os.File
}

// openWitness compares the files in dir with their witness and opens it for writing.
func openWitness(dir string) (*witness, error) {
	path := filepath.Join(dir, witnessName)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for i := 0; i < len(text) && i < int(roles)*witnessLine; i += witnessLine {
		if err := checkSynced(dir, string(text[i:min(i+witnessLine, len(text))])); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return &witness{file: f}, nil
}

// checkSynced verifies what one line vouches for. A line that is not whole vouches for nothing.
func checkSynced(dir, text string) error {
	line, sum, ok := strings.Cut(strings.TrimRight(text, " \n\x00"), "#")
	var name string
	var length int64
	var crc uint32
	if !ok || sum != fmt.Sprintf("%08x", crc32.Checksum([]byte(line), castagnoli)) {
		return nil
	}
	if _, err := fmt.Sscanf(line, witnessText, &name, &length, &crc); err != nil || filepath.Base(name) != name {
		return nil
	}
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	h := crc32.New(castagnoli)
	n, err := io.CopyN(h, f, length)
	if err != nil && err != io.EOF {
		return err
	}
	if n != length || h.Sum32() != crc {
		return fmt.Errorf("%w: %s: its first %d bytes are not the ones that were synced", engine.ErrCorrupt, f.Name(), length)
	}
	return nil
}

// note records that the first length bytes of the file called name are on disk.
func (w *witness) note(r role, name string, length int64, crc uint32) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil
	}
	line := fmt.Sprintf(witnessText, filepath.Base(name), length, crc)
	text := fmt.Sprintf("%s#%08x", line, crc32.Checksum([]byte(line), castagnoli))
	_, err := w.file.WriteAt(fmt.Appendf(nil, "%-*s\n", witnessLine-1, text), int64(r)*witnessLine)
	return err
}

// close syncs the witness and ends it.
func (w *witness) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.file.Sync()
	if cerr := w.file.Close(); err == nil {
		err = cerr
	}
	w.file = nil
	return err
}
