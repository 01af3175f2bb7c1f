// Package walsim lets a real log (raft/wal) run on a simulated disk (sim). It is what raft/raftsim and
// replica/replicasim, which simulate cores and whole members, have in common.
package walsim

import (
	"errors"
	"io"

	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/sim"
)

// Dir makes a directory of a simulated disk the home of a log. Like the disk it is used by one
// goroutine, but for reads of files.
func Dir(dir *sim.Dir) wal.FS { return simDir{dir} }

type simDir struct{ dir *sim.Dir }

func (d simDir) Lock() (io.Closer, error) {
	c, err := d.dir.Lock()
	if errors.Is(err, sim.ErrLocked) {
		return nil, wal.ErrInUse
	}
	return c, err
}

func (d simDir) List() ([]string, error) { return d.dir.List(), nil }

func (d simDir) Create(name string, size int64) (wal.File, error) {
	f, err := d.dir.Create(name, size)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d simDir) Open(name string) (wal.File, error) {
	f, err := d.dir.Open(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d simDir) Rename(from, to string) error { return d.dir.Rename(from, to) }
func (d simDir) Remove(name string) error     { return d.dir.Remove(name) }
func (d simDir) SyncDir() error               { return d.dir.Sync() }
