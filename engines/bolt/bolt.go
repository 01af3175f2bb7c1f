package bolt

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/etalon-kv/etalon/engine"
)

// store is the Backend.
type store struct {
	opts  Options
	dir   *engine.Dir
	db    *file
	guard engine.Guard
	views views

	batches, ops   atomic.Int64
	written, syncs atomic.Int64
	live           atomic.Int64 // bytes that the content takes, as of the last commit
	disk           atomic.Int64 // bytes that the file took when somebody last asked
	fileBytes      int64        // as of the last growth; the writer's
	populated      int64        // what is before it is in the page table, or was never written here
}

// Open opens the store in dir, and creates it and dir if missing. It is an engine.Described; its
// errors are those of Options.Validate and engine.OpenDir, engine.ErrCorrupt, and the system's.
func Open(dir string, o Options) (engine.Backend, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	fresh := false
	d, err := engine.OpenDir(dir, dirName, dirFormat, func(tmp string) error {
		fresh = true
		return create(tmp, &o)
	})
	if err != nil {
		return nil, err
	}
	db, err := open(d.Path(), &o)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	s := &store{opts: o, dir: d, db: db}
	s.views.db = db
	if fresh {
		s.written.Store(4 * int64(db.pageBytes)) // two metas, freelist, root
		s.syncs.Store(1)
	}
	if err := s.opened(); err != nil {
		return nil, errors.Join(err, db.close(o.Logger), d.Close())
	}
	return s, nil
}

// Caps are constant.
func (s *store) Caps() engine.Caps {
	return engine.Caps{Persistent: true, AlwaysSync: true, MaxBatchBytes: maxBatchBytes, GetMany: true}
}

// Close releases the map, the file and the directory.
func (s *store) Close() error {
	return s.guard.Close(func() error {
		s.views.drop()
		s.diskBytes()
		err := s.db.close(s.opts.Logger)
		if err != nil {
			err = fmt.Errorf("bolt: close: %w", err)
		}
		return errors.Join(err, s.dir.Close())
	})
}
