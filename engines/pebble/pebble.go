package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lib "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/etalon-kv/etalon/engine"
)

// Limits of a batch. With at most 15 bytes that pebble adds to an operation both together stay far
// below the 4 GiB at which pebble panics; a log record of that size serves nobody.
const (
	maxBatchBytes = 32 << 20
	maxBatchOps   = 256 << 10
)

// backend is the engine.Backend of one directory.
type backend struct {
	guard engine.Guard
	dir   *engine.Dir
	db    *lib.DB
	fence *fence
	opts  Options
	lib   *lib.Options
	// keys are buffers for a space and a key together.
	keys sync.Pool
	// stuck is set when pebble panicked: it may hold its locks, so it is left alone for good.
	stuck atomic.Bool

	batches, ops, syncs atomic.Int64
	sizes               sizes
	last                engine.Stats // the figures after Close
}

var (
	_ engine.Backend   = (*backend)(nil)
	_ engine.Drainer   = (*backend)(nil)
	_ engine.Described = (*backend)(nil)
)

// Open opens the store in dir, making both if they are missing. Errors: those of engine.OpenDir;
// ErrCorrupt for a store that pebble finds damaged; those of Options.Validate.
func Open(dir string, o Options) (engine.Backend, error) { return open(dir, o, vfs.Default) }

func open(dir string, o Options, disk vfs.FS) (engine.Backend, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	// The format of the directory is pebble's: a newer one is refused, an older one is kept.
	d, err := engine.OpenDir(dir, "pebble", int(lib.FormatNewest), nil)
	if err != nil {
		return nil, err
	}
	w, err := openWitness(d.Path())
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("pebble: open %s: %w", dir, err)
	}
	b := &backend{dir: d, opts: o, fence: newFence(disk, w)}
	b.keys.New = func() any { k := make([]byte, 0, 128); return &k }
	b.lib = o.library(b.fence, lib.FormatMajorVersion(d.Format()))
	logger := &logger{out: o.Logger, fatal: b.broken}
	b.lib.Logger = logger
	b.lib.EventListener = &lib.EventListener{
		BackgroundError: b.background,
		// The read that met the damage answers it; pebble's own listener would call Fatalf.
		DataCorruption: func(info lib.DataCorruptionInfo) { logger.Errorf("%s", info) },
	}
	b.db, err = openLibrary(d.Path(), b.lib)
	if cause := b.fence.failure(); cause != nil {
		if err == nil {
			b.db.Close()
		}
		err = cause
	}
	if err != nil {
		w.close()
		d.Close()
		return nil, translate("open "+dir, err)
	}
	return b, nil
}

// openLibrary turns a panic of pebble over what it finds in the directory into an error.
func openLibrary(path string, opts *lib.Options) (db *lib.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", engine.ErrCorrupt, p)
		}
	}()
	return lib.Open(path, opts)
}

// broken is what pebble would have ended the process for.
func (b *backend) broken(err error) { b.fence.trip(err) }

// background hears of failed flushes and compactions, with pebble's mutex held. Those that cannot
// change the disk are the fence's matter. Damage found by a compaction would be retried for ever
// and stall writers in the end, so it fails the backend now.
func (b *backend) background(err error) {
	if lib.IsCorruptionError(err) {
		b.fence.trip(translate("background work", err))
	}
	if b.fence.down.Load() {
		time.Sleep(time.Millisecond) // pebble retries at once and has no back-off
	}
}

// translate adds the sentinel of engine that a caller could decide by.
func translate(op string, err error) error {
	if lib.IsCorruptionError(err) && !errors.Is(err, engine.ErrCorrupt) {
		return fmt.Errorf("pebble: %s: %w: %w", op, engine.ErrCorrupt, err)
	}
	return fmt.Errorf("pebble: %s: %w", op, err)
}

// readError is translate for reads. Once the fence is down a table that was half on its way to the
// disk reads as damaged; that is not the disk's damage, and a reopen is without it.
func (b *backend) readError(op string, err error) error {
	if cause := b.fence.failure(); cause != nil && !errors.Is(cause, engine.ErrCorrupt) {
		return fmt.Errorf("pebble: %s: %w: %v", op, engine.ErrFailed, err)
	}
	return translate(op, err)
}

// commit runs one write of pebble and asks the fence, not pebble, whether it worked.
func (b *backend) commit(op string, write func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			b.stuck.Store(true)
			err = fmt.Errorf("pebble: %s: panic: %v", op, p)
			b.fence.trip(err)
			err = b.guard.Fail(err)
		}
	}()
	err = write()
	if cause := b.fence.failure(); cause != nil {
		return b.guard.Fail(cause)
	}
	if err != nil {
		return b.guard.Fail(translate(op, err))
	}
	return nil
}

// Sync waits until the log is on disk: an empty record with a sync behind everything before it.
func (b *backend) Sync() error {
	if err := b.guard.EnterWrite(); err != nil {
		return err
	}
	defer b.guard.Exit()
	return b.sync()
}

func (b *backend) sync() error {
	b.syncs.Add(1)
	return b.commit("sync", func() error { return b.db.LogData(nil, lib.Sync) })
}

// Caps are the same for every pebble store.
func (b *backend) Caps() engine.Caps {
	return engine.Caps{
		Persistent: true, RangeDelete: true, Drain: true,
		MaxBatchBytes: maxBatchBytes, MaxBatchOps: maxBatchOps,
	}
}

// Options are the adapter's own by their names in JSON and pebble's as pebble.Section.name.
func (b *backend) Options() map[string]string {
	m := map[string]string{
		"cacheBytes":      fmt.Sprint(b.opts.CacheBytes),
		"memTableBytes":   fmt.Sprint(b.opts.MemTableBytes),
		"memTables":       fmt.Sprint(b.opts.MemTables),
		"l0Compaction":    fmt.Sprint(b.opts.L0Compaction),
		"l0Stop":          fmt.Sprint(b.opts.L0Stop),
		"lBaseBytes":      fmt.Sprint(b.opts.LBaseBytes),
		"targetFileBytes": fmt.Sprint(b.opts.TargetFileBytes),
		"compactions":     fmt.Sprint(b.opts.Compactions),
		"blockBytes":      fmt.Sprint(b.opts.BlockBytes),
		"bloomBits":       fmt.Sprint(b.opts.BloomBits),
		"compression":     b.opts.Compression,
		"bytesPerSync":    fmt.Sprint(b.opts.BytesPerSync),
		"walBytesPerSync": fmt.Sprint(b.opts.WALBytesPerSync),
	}
	section := ""
	for line := range strings.SplitSeq(b.lib.String(), "\n") {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.ReplaceAll(strings.TrimSuffix(name, "]"), " ", "")
			section = strings.ReplaceAll(section, `"`, "")
		} else if name, value, ok := strings.Cut(line, "="); ok {
			m["pebble."+section+"."+name] = value
		}
	}
	return m
}

// sizesAge is how long sizes are kept: pebble's metrics take tens of microseconds and its mutex.
const sizesAge = 50 * time.Millisecond

// sizes are the figures of Stats that come from pebble's metrics.
type sizes struct {
	mu              sync.Mutex
	at              time.Time
	live, disk, log int64
}

// Stats are exact counts and sizes at most sizesAge old.
func (b *backend) Stats() engine.Stats {
	if b.guard.Enter() != nil {
		return b.last
	}
	defer b.guard.Exit()
	return b.stats(sizesAge)
}

func (b *backend) stats(age time.Duration) engine.Stats {
	b.sizes.mu.Lock()
	defer b.sizes.mu.Unlock()
	if b.stuck.Load() {
		b.sizes.live, b.sizes.disk, b.sizes.log = -1, -1, -1
	} else if now := time.Now(); now.Sub(b.sizes.at) >= age {
		m := b.db.Metrics()
		b.sizes.at = now
		b.sizes.disk = int64(m.DiskSpaceUsage())
		b.sizes.log = int64(m.WAL.PhysicalSize + m.WAL.ObsoletePhysicalSize)
		b.sizes.live = int64(m.WAL.Size)
		for i := range m.Levels {
			b.sizes.live += m.Levels[i].TablesSize
		}
	}
	return engine.Stats{
		LiveBytes: b.sizes.live, DiskBytes: b.sizes.disk, LogBytes: b.sizes.log,
		WrittenBytes: b.fence.written.Load(),
		Batches:      b.batches.Load(), Ops: b.ops.Load(), Syncs: b.syncs.Load(),
	}
}

// drainPoll is how often Drain looks, and drainQuiet how often in a row it must see nothing:
// pebble starts the next compaction when one ends, but not in the same instant.
const (
	drainPoll  = 2 * time.Millisecond
	drainQuiet = 5
)

// Drain waits for flushes and compactions. The active memtable stays in memory: it is full work
// of the engine only when it is full.
func (b *backend) Drain(ctx context.Context) error {
	if err := b.guard.Enter(); err != nil {
		return err
	}
	defer b.guard.Exit()
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for quiet := 0; quiet < drainQuiet; {
		if err := b.guard.Failure(); err != nil {
			return err
		}
		if cause := b.fence.failure(); cause != nil {
			return b.guard.Fail(cause)
		}
		// A full memtable's flush is in progress from the moment it is replaced. One that pebble
		// left aside below half its size (while memtables still ramp up) is not going to be flushed.
		m := b.db.Metrics()
		if m.Compact.NumInProgress == 0 && m.Flush.NumInProgress == 0 {
			quiet++
		} else {
			quiet = 0
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// Close syncs the log, so that nothing applied is lost, and waits for pebble's goroutines.
func (b *backend) Close() error { return b.guard.Close(b.release) }

func (b *backend) release() error {
	var err error
	failed := b.guard.Failure() != nil
	if !failed {
		err = b.sync()
		b.syncs.Add(-1) // no writer waited for this one
	}
	b.last = b.stats(0)
	if !b.stuck.Load() { // else its goroutines live on behind the fence
		cerr := b.db.Close()
		if !failed && err == nil {
			if cause := b.fence.failure(); cause != nil {
				err = b.guard.Fail(cause)
			} else if cerr != nil {
				err = translate("close", cerr)
			}
		}
	}
	if werr := b.fence.witness.close(); err == nil && !failed {
		err = werr
	}
	if derr := b.dir.Close(); err == nil {
		err = derr
	}
	return err
}

// logger carries pebble's messages to slog. Fatalf returns, which pebble does not expect; the
// fence keeps what happens then off the disk.
type logger struct {
	out   *slog.Logger
	fatal func(error)
}

func (l *logger) log(level slog.Level, format string, args []any) {
	if l.out != nil && l.out.Enabled(context.Background(), level) {
		l.out.Log(context.Background(), level, "pebble", "message", fmt.Sprintf(format, args...))
	}
}

func (l *logger) Infof(format string, args ...any)  { l.log(slog.LevelDebug, format, args) }
func (l *logger) Errorf(format string, args ...any) { l.log(slog.LevelWarn, format, args) }
func (l *logger) Fatalf(format string, args ...any) {
	l.log(slog.LevelError, format, args)
	l.fatal(fmt.Errorf(format, args...))
}
