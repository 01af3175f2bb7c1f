package badger

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	lib "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/skl"

	"github.com/etalon-kv/etalon/engine"
)

// backend is the engine.Backend of one directory.
type backend struct {
	guard   engine.Guard
	dir     *engine.Dir
	db      *lib.DB
	opts    Options
	caps    engine.Caps
	mem     *memtable
	witness *witness
	old     map[string]bool // records of the MANIFEST that were there at the start
	noting  sync.Mutex      // held while void records are noted
	// complaints gets a value when badger logs an error, if it has none.
	complaints chan struct{}
	// keys are buffers for a prefix and a key together.
	keys sync.Pool

	batches, ops, syncs atomic.Int64
	sizes               sizes
	last                engine.Stats // the figures after Close
}

var (
	_ engine.Backend   = (*backend)(nil)
	_ engine.Drainer   = (*backend)(nil)
	_ engine.Described = (*backend)(nil)
)

// format is the version of what this package writes.
const format = 1

// Open opens the store in dir, making both if they are missing. It reads every table once, unless
// SkipVerify. Errors: those of engine.OpenDir; ErrCorrupt for damage; those of Options.Validate.
func Open(dir string, o Options) (engine.Backend, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	// badger's first start makes files that it cannot open again if it is killed in between.
	d, err := engine.OpenDir(dir, "badger", format, func(tmp string) error {
		db, err := openLibrary(o.library(tmp))
		if err != nil {
			return err
		}
		return db.Close()
	})
	if err != nil {
		return nil, err
	}
	b := &backend{dir: d, opts: o, caps: capsOf(o.MemTableBytes), complaints: make(chan struct{}, 1)}
	b.keys.New = func() any { k := make([]byte, 0, 128); return &k }
	if err := b.start(); err != nil {
		d.Close()
		return nil, fmt.Errorf("badger: open %s: %w", dir, err)
	}
	return b, nil
}

// start opens what is in the directory.
func (b *backend) start() (err error) {
	opts := b.opts.library(b.dir.Path())
	if b.witness, err = prepare(opts, b.opts.SkipVerify); err != nil {
		return err
	}
	if b.old, err = heads(opts.Dir); err != nil {
		b.witness.close()
		return err
	}
	opts.Logger = &logger{b.opts.Logger, b.complaint}
	if b.db, err = openLibrary(opts); err == nil {
		if b.mem, err = newMemtable(b.db); err == nil {
			return nil
		}
		b.db.Close()
	}
	b.witness.close()
	return err
}

// complaint is called when badger logs a warning or an error, by any of its goroutines: it may have
// gone on after a sync that failed.
func (b *backend) complaint(level slog.Level, message string) {
	if level >= slog.LevelError {
		select {
		case b.complaints <- struct{}{}:
		default:
		}
	}
	b.noting.Lock()
	defer b.noting.Unlock()
	if void, err := noteVoid(b.dir.Path(), b.old); void {
		b.guard.Fail(errors.Join(fmt.Errorf("badger: %s", message), err))
	}
}

// openLibrary turns a panic of badger over what it finds in the directory into an error, and an
// error that is not the operating system's into ErrCorrupt.
func openLibrary(opts lib.Options) (db *lib.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", engine.ErrCorrupt, p)
		}
	}()
	db, err = lib.Open(opts)
	var path *fs.PathError
	var number syscall.Errno
	if err != nil && !errors.As(err, &path) && !errors.As(err, &number) {
		err = fmt.Errorf("%w: %w", engine.ErrCorrupt, err)
	}
	return db, err
}

// capsOf computes the bounds of a batch. A transaction is refused when it reaches 15 % of the
// memtable, counting 12 bytes more than key and value for an operation, or that many bytes divided
// by the size of a memtable node in operations, counting one more than there are; and the write
// path counts once more, with 8 bytes a key and some 50 for the record that ends it.
func capsOf(memTableBytes int64) engine.Caps {
	size := 15 * memTableBytes / 100
	ops := size/int64(skl.MaxNodeSize) - 2
	bytes := size - 128 - ops*(12+2) // 2: the longest prefix
	return engine.Caps{
		Persistent: true, Drain: true, MaxBatchOps: ops,
		MaxBatchBytes: min(bytes, valueThreshold-1), // so that no value reaches the threshold
	}
}

// Caps depend on Options.MemTableBytes.
func (b *backend) Caps() engine.Caps { return b.caps }

// Sync makes everything applied durable.
func (b *backend) Sync() error {
	if err := b.guard.EnterWrite(); err != nil {
		return err
	}
	defer b.guard.Exit()
	b.syncs.Add(1)
	return b.sync()
}

// sync syncs the active memtable's log; all others are on disk already.
func (b *backend) sync() (err error) {
	defer b.rescue("sync", &err)
	if err := b.db.Sync(); err != nil {
		return b.guard.Fail(fmt.Errorf("badger: sync: %w", err))
	}
	if err := b.witness.note(b.mem.log()); err != nil {
		return b.guard.Fail(fmt.Errorf("badger: sync: %w", err))
	}
	return nil
}

// rescue turns a panic of a write into a failure.
func (b *backend) rescue(op string, err *error) {
	if p := recover(); p != nil {
		*err = b.guard.Fail(fmt.Errorf("badger: %s: panic: %v", op, p))
	}
}

// closeLimit is how long Close waits for a badger that logs errors: it retries flushes for ever.
const closeLimit = 20 * time.Second

// Close flushes the memtable and waits for badger's goroutines. After a failure it waits for
// closeLimit at most; if badger is still busy then, its goroutines and the lock stay.
func (b *backend) Close() error { return b.guard.Close(b.release) }

func (b *backend) release() error {
	failed := b.guard.Failure() != nil
	var err error
	if !failed {
		err = b.sync()
	}
	b.last = b.stats(0)
	select {
	case <-b.complaints: // an old one
	default:
	}
	if failed || err != nil {
		b.complaint(slog.LevelError, "close after a failure")
	}
	cerr, done := b.closeLibrary()
	if !done {
		return fmt.Errorf("badger: close: still busy after %v, the directory stays locked: %w", closeLimit, engine.ErrFailed)
	}
	if cerr != nil {
		cerr = fmt.Errorf("badger: close: %w", cerr)
	}
	werr, derr := b.witness.close(), b.dir.Close()
	if failed {
		return derr // the caller knows
	}
	return cmp.Or(err, b.guard.Failure(), cerr, werr, derr)
}

// closeLibrary closes badger. It gives up closeLimit after an error.
func (b *backend) closeLibrary() (err error, done bool) {
	closed := make(chan error, 1)
	go func() {
		var err error
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
			closed <- err
		}()
		err = b.db.Close()
	}()
	select {
	case err := <-closed:
		return err, true
	case <-b.complaints:
	}
	select {
	case err := <-closed:
		return err, true
	case <-time.After(closeLimit):
		return nil, false
	}
}

// syncDir makes the entries of a directory durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
