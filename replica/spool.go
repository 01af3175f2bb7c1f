package replica

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/etalon-kv/etalon/raft"
)

// spool is where images wait between their arrival and their installation. A file's name says which
// entry it stands for; a complete one is durable. While one is there, a state machine that is at that entry
// while the log is not was stopped in the middle of an installation (see recoverLog).
type spool struct {
	dir string
	mu  sync.Mutex
	// held are the complete images, and busy is one that arrives.
	held map[imageKey]bool
	busy map[imageKey]bool
}

type imageKey struct {
	index raft.Index
	term  raft.Term
}

func keyOf(s *raft.Snapshot) imageKey { return imageKey{s.Index, s.Term} }

// maxImages bounds what waits: another one is refused.
const maxImages = 3

func (s *spool) path(k imageKey) string {
	return filepath.Join(s.dir, fmt.Sprintf("%016x-%016x.image", uint64(k.index), uint64(k.term)))
}

// openSpool clears the directory, after recoverLog has looked at it.
func openSpool(dir string) (*spool, error) {
	s := &spool{dir: dir, held: map[imageKey]bool{}, busy: map[imageKey]bool{}}
	if dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	for _, pattern := range []string{"*.image", "*.part"} {
		old, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, fmt.Errorf("replica: %w", err)
		}
		for _, name := range old {
			if err := os.Remove(name); err != nil {
				return nil, fmt.Errorf("replica: %w", err)
			}
		}
	}
	return s, nil
}

// receive stores an image. An error of image, or of the disk, leaves nothing behind.
func (s *spool) receive(snap *raft.Snapshot, image io.Reader) error {
	k := keyOf(snap)
	s.mu.Lock()
	full := len(s.held)+len(s.busy) >= maxImages || s.busy[k] || s.held[k]
	if !full {
		s.busy[k] = true
	}
	s.mu.Unlock()
	if full {
		return fmt.Errorf("%w: snapshots wait to be installed", ErrBusy)
	}
	err := s.store(s.path(k), image)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, k)
	if err == nil {
		s.held[k] = true
	}
	return err
}

func (s *spool) store(path string, image io.Reader) (err error) {
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	_, err = io.Copy(f, image)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(part, path)
	}
	if err == nil {
		err = syncDir(s.dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("replica: storing a snapshot: %w", err), ignoreMissing(os.Remove(part)))
	}
	return nil
}

// open opens the image of a snapshot.
func (s *spool) open(snap *raft.Snapshot) (*os.File, error) {
	f, err := os.Open(s.path(keyOf(snap)))
	if err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	return f, nil
}

// drop removes the images that the state machine has reached: they are installed, or will never be.
func (s *spool) drop(applied raft.Index) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for k := range s.held {
		if k.index <= applied {
			delete(s.held, k)
			err = errors.Join(err, ignoreMissing(os.Remove(s.path(k))))
		}
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
