package replicasim

import (
	"errors"
	"io"

	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/sim"
)

// walDir makes a directory of a simulated disk the home of a real wal.Log.
type walDir struct{ dir *sim.Dir }

func (d walDir) Lock() (io.Closer, error) {
	c, err := d.dir.Lock()
	if errors.Is(err, sim.ErrLocked) {
		return nil, wal.ErrInUse
	}
	return c, err
}

func (d walDir) List() ([]string, error) { return d.dir.List(), nil }

func (d walDir) Create(name string, size int64) (wal.File, error) {
	f, err := d.dir.Create(name, size)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d walDir) Open(name string) (wal.File, error) {
	f, err := d.dir.Open(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d walDir) Rename(from, to string) error { return d.dir.Rename(from, to) }
func (d walDir) Remove(name string) error     { return d.dir.Remove(name) }
func (d walDir) SyncDir() error               { return d.dir.Sync() }
