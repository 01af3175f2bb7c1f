// Package logfile is the worked example of docs/adding-an-engine.md: a complete engine that is as
// small as a correct one can be. All content is in memory, in one sorted slice a space; every batch
// is also a checksummed record at the end of one file, and Open replays the file. It is meant to be
// read, not used: the log only grows, and a batch copies the spaces that it touches.
package logfile

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/etalon-kv/etalon/engine"
)

// Options has nothing of its own: there is no cache.
type Options struct{ engine.Options }

// doc:backend
type store struct {
	guard   engine.Guard
	dir     *engine.Dir
	log     *os.File
	end     int64 // of the log
	synced  int64 // the part of it that is durable
	content atomic.Pointer[content]

	written, batches, ops, syncs atomic.Int64
}

// content is all data at one moment. It is never changed: a batch makes the next one.
type content map[engine.Space][]entry

type entry struct{ key, value []byte }

// doc:end

// Open opens the engine in dir.
//
// doc:open
func Open(dir string, o Options) (engine.Backend, error) {
	d, err := engine.OpenDir(dir, "logfile", 1, func(tmp string) error {
		return os.WriteFile(filepath.Join(tmp, "log"), nil, 0o600)
	})
	if err != nil {
		return nil, err
	}
	s := &store{dir: d}
	if err := s.load(filepath.Join(d.Path(), "log")); err != nil {
		if s.log != nil {
			s.log.Close()
		}
		return nil, errors.Join(err, d.Close())
	}
	return s, nil
}

// doc:end

// load replays the log, and cuts off what a crash left of a last record.
//
// doc:load
func (s *store) load(path string) (err error) {
	if s.log, err = os.OpenFile(path, os.O_RDWR, 0); err != nil { // no O_CREATE: a lost log is not an empty one
		return fmt.Errorf("%w: %w", engine.ErrCorrupt, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("logfile: read: %w", err)
	}
	c := content{}
	for int(s.end) < len(data) {
		r, ok := decode(data[s.end:])
		if !ok && syncedBehind(data[s.end:]) > s.end {
			return fmt.Errorf("%w: %s at byte %d, which was synced", engine.ErrCorrupt, path, s.end)
		} else if !ok {
			break // never synced: the end of the log
		}
		ops, err := decodeOps(r.payload)
		if err != nil {
			return fmt.Errorf("%w: %s at byte %d: %w", engine.ErrCorrupt, path, s.end, err)
		}
		c = c.apply(ops)
		s.end += int64(headerBytes + len(r.payload))
	}
	s.content.Store(&c)
	if err := s.log.Truncate(s.end); err != nil {
		return fmt.Errorf("logfile: cut the torn end: %w", err)
	}
	// What was replayed may have been in the page cache only. It is shown from now on, so it must last.
	if err := s.log.Sync(); err != nil {
		return fmt.Errorf("logfile: sync: %w", err)
	}
	s.synced = s.end
	return nil
}

// doc:end

// Apply appends one record, then publishes the next content.
//
// doc:apply
func (s *store) Apply(b engine.Batch, sync bool) error {
	if err := s.guard.EnterWrite(); err != nil {
		return err
	}
	defer s.guard.Exit()
	own, ok := b.(*batch)
	switch {
	case !ok || own.owner != s:
		return engine.ErrForeignBatch
	case own.err != nil:
		return own.err
	case own.size > maxBatchBytes || len(own.ops) > maxBatchOps:
		return fmt.Errorf("%w: %d bytes, %d operations", engine.ErrBatchTooBig, own.size, len(own.ops))
	}
	if own.Len() > 0 {
		record := encode(own.ops, s.synced)
		if _, err := s.log.WriteAt(record, s.end); err != nil {
			return s.guard.Fail(err)
		}
		s.end += int64(len(record))
		s.written.Add(int64(len(record)))
		next := s.content.Load().apply(own.ops)
		s.content.Store(&next)
	}
	s.batches.Add(1)
	s.ops.Add(int64(own.Len()))
	if !sync {
		return nil
	}
	return s.flush()
}

func (s *store) flush() error {
	if s.synced == s.end {
		return nil
	}
	if err := s.log.Sync(); err != nil {
		return s.guard.Fail(err)
	}
	s.synced = s.end
	s.syncs.Add(1)
	return nil
}

// doc:end

// Sync makes what was applied durable.
func (s *store) Sync() error {
	if err := s.guard.EnterWrite(); err != nil {
		return err
	}
	defer s.guard.Exit()
	return s.flush()
}

// Close syncs, unless a write failed, and releases file and directory.
//
// doc:close
func (s *store) Close() error {
	return s.guard.Close(func() error {
		var err error
		if s.guard.Failure() == nil {
			err = s.flush()
		}
		return errors.Join(err, s.log.Close(), s.dir.Close())
	})
}

// doc:end

// Caps, Options and Stats say what there is, and -1 where it is not known.
//
// doc:describe
func (s *store) Caps() engine.Caps {
	return engine.Caps{Persistent: true, MaxBatchBytes: maxBatchBytes, MaxBatchOps: maxBatchOps}
}

func (s *store) Options() map[string]string {
	return map[string]string{"engine": "logfile", "cacheBytes": "ignored: all content is in memory"}
}

func (s *store) Stats() engine.Stats {
	log := s.written.Load()
	return engine.Stats{LiveBytes: -1, DiskBytes: -1, LogBytes: -1, WrittenBytes: log,
		Batches: s.batches.Load(), Ops: s.ops.Load(), Syncs: s.syncs.Load()}
}

// doc:end

// apply returns c with ops carried out; c stays as it is.
func (c content) apply(ops []op) content {
	next := maps.Clone(c)
	own := map[engine.Space]bool{} // copied already
	for _, o := range ops {
		if !own[o.space] {
			next[o.space], own[o.space] = append([]entry(nil), next[o.space]...), true
		}
		next[o.space] = o.apply(next[o.space])
	}
	return next
}
