package results

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Errors of opening and writing a Store.
var (
	// ErrNotStore: the directory was not made by Create. Nothing in it was changed.
	ErrNotStore = errors.New("results: not a results directory")
	// ErrStoreInUse: another process, or another Store of this one, is writing there.
	ErrStoreInUse = errors.New("results: directory is in use")
	// ErrFinished: the store already has an intact record with this ID.
	ErrFinished = errors.New("results: run is already recorded")
)

const (
	markerName = "etalon-results.json"
	runSuffix  = ".json"
	tempPrefix = ".etalon-tmp-"
	// maxFiles bounds how many entries of a directory are looked at.
	maxFiles = 100_000
)

// Store is a directory that holds the records of runs, one file <ID>.json each, beside a marker
// with the schema. Which runs are finished is what the files say: there is no index that could
// disagree. Other files (a report, plots) may lie there and are left alone. A Store belongs to one
// goroutine.
type Store struct {
	root *os.Root
	lock io.Closer
	// openTemp makes a new file to write to; tests put failing disks here.
	openTemp func(name string) (tempFile, error)
}

type tempFile interface {
	io.WriteCloser
	Sync() error
}

// Create opens dir for writing records, and makes it, with its parents, if it is not there or
// empty. It removes what a killed writer left half done. Errors: ErrNotStore (a directory with
// foreign content), ErrSchema, ErrStoreInUse; in each case nothing was changed.
func Create(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("results: make %s: %w", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("results: open %s: %w", dir, err)
	}
	s := &Store{root: root}
	s.openTemp = func(name string) (tempFile, error) {
		return root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	}
	if err := s.prepare(dir); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) prepare(dir string) error {
	names, err := listDir(s.root, dir)
	if err != nil {
		return err
	}
	fresh := true
	for _, name := range names {
		fresh = fresh && strings.HasPrefix(name, tempPrefix)
	}
	if !fresh {
		if err := checkMarker(s.root, dir); err != nil {
			return err
		}
	}
	// The lock comes before the first change. It is on the directory itself, so that a refused
	// second writer leaves nothing behind.
	if s.lock, err = lockDir(s.root); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrStoreInUse, dir, err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, tempPrefix) {
			continue
		}
		if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("results: remove leftover: %w", err)
		}
	}
	if !fresh {
		return nil
	}
	marker, err := json.Marshal(storeMarker{Etalon: "results", Schema: Schema})
	if err != nil {
		return fmt.Errorf("results: encode marker: %w", err)
	}
	if err := s.writeFile(markerName, append(marker, '\n')); err != nil {
		return err
	}
	return syncParent(dir)
}

// Close releases the directory.
func (s *Store) Close() error {
	var err error
	if s.lock != nil {
		err = s.lock.Close()
	}
	return errors.Join(err, s.root.Close())
}

// Write stores r, durably when it returns nil: written to a temporary name, synced, renamed, the
// directory synced. On an error (a full disk, say) there is no file of that ID, and the earlier
// ones are untouched. An intact record of the same ID is ErrFinished; a broken file of that name is
// replaced, which is how a resumed suite repairs itself.
func (s *Store) Write(r *Record) error {
	data, err := Encode(r)
	if err != nil {
		return err
	}
	name := r.ID + runSuffix
	if _, err := readRun(s.root, name); err == nil {
		return fmt.Errorf("%w: %s", ErrFinished, r.ID)
	}
	return s.writeFile(name, data)
}

func (s *Store) writeFile(name string, data []byte) (err error) {
	temp := tempPrefix + rand.Text()
	defer func() {
		if err != nil {
			err = fmt.Errorf("results: write %s: %w", name, err)
			if rerr := s.root.Remove(temp); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
				err = errors.Join(err, rerr)
			}
		}
	}()
	f, err := s.openTemp(temp)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := s.root.Rename(temp, name); err != nil {
		return err
	}
	return syncDir(s.root)
}

func syncDir(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// syncParent makes the entry of a new directory durable.
func syncParent(dir string) error {
	d, err := os.Open(filepath.Dir(filepath.Clean(dir)))
	if err != nil {
		return fmt.Errorf("results: sync the parent of %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("results: sync the parent of %s: %w", dir, err)
	}
	return nil
}
