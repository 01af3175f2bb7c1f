package badger

import (
	"context"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/etalon-kv/etalon/engine"
)

// sizesAge is how long the sizes of files are kept.
const sizesAge = 500 * time.Millisecond

// sizes are the figures of Stats that come from the directory.
type sizes struct {
	mu              sync.Mutex
	at              time.Time
	live, disk, log int64
}

// Stats are exact counts, and sizes at most sizesAge old, from the allocated blocks of the files
// (badger makes logs large and sparse). LiveBytes are tables and logs: badger cannot tell what in
// them is obsolete. WrittenBytes is -1: badger writes through maps, and its counters are of all
// databases of the process together.
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
	if now := time.Now(); now.Sub(b.sizes.at) >= age {
		b.sizes.at = now
		b.sizes.live, b.sizes.disk, b.sizes.log = -1, -1, -1
		if files, err := listFiles(b.dir.Path()); err == nil {
			b.sizes.measure(files)
		}
	}
	return engine.Stats{
		LiveBytes: b.sizes.live, DiskBytes: b.sizes.disk, LogBytes: b.sizes.log, WrittenBytes: -1,
		Batches: b.batches.Load(), Ops: b.ops.Load(), Syncs: b.syncs.Load(),
	}
}

func (s *sizes) measure(files []file) {
	s.live, s.disk, s.log = 0, 0, 0
	for _, f := range files {
		s.disk += f.allocated
		switch f.ext {
		case "mem", "vlog":
			s.log += f.allocated
			s.live += f.allocated
		case "sst":
			s.live += f.allocated
		}
	}
}

// file is an entry of the directory.
type file struct {
	name, ext       string
	size, allocated int64
}

// listFiles ignores files that vanish meanwhile.
func listFiles(dir string) ([]file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []file
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		f := file{name: e.Name(), size: info.Size(), allocated: info.Size()}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			f.allocated = int64(st.Blocks) * 512
		}
		if dot := strings.LastIndexByte(f.name, '.'); dot >= 0 {
			f.ext = f.name[dot+1:]
		}
		all = append(all, f)
	}
	return all, nil
}

// drainPoll is how often Drain looks, drainQuiet how often in a row it must see nothing to do, and
// drainStill how often in a row it must see no change where badger sees work and does none (its
// compactors look every 50 ms and refuse some compactions).
const (
	drainPoll  = 10 * time.Millisecond
	drainQuiet = 12
	drainStill = 500
)

// Drain waits until one memtable is left and no level asks for a compaction. badger tells nobody
// what it is doing, so it is watched.
func (b *backend) Drain(ctx context.Context) error {
	if err := b.guard.Enter(); err != nil {
		return err
	}
	defer b.guard.Exit()
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	var before [2]int64
	for quiet, still := 0, 0; quiet < drainQuiet && still < drainStill; {
		files, err := listFiles(b.dir.Path())
		if err != nil {
			return err
		}
		busy, now := b.working(files)
		if quiet++; busy || now != before {
			quiet = 0
		}
		if still++; now != before {
			still = 0
		}
		before = now
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// working tells whether badger has something to do, and a summary that changes when it does it.
func (b *backend) working(files []file) (busy bool, summary [2]int64) {
	logs := 0
	for _, f := range files {
		switch f.ext {
		case "mem":
			logs++
		case "sst":
			summary[0]++
			summary[1] += f.size
		}
	}
	busy = logs > 1
	for _, l := range b.db.Levels() {
		if l.Level == 0 {
			busy = busy || l.NumTables >= b.opts.L0Tables
		} else {
			busy = busy || l.Score >= 1
		}
	}
	return busy, summary
}
