package bolt

import (
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/etalon-kv/etalon/engine"
)

// opened refuses a file that was cut off, and takes the figures that Open left: bbolt commits there
// once when the list of free pages goes back into a file that was kept without one.
func (s *store) opened() error {
	info, err := s.db.os.Stat()
	if err != nil {
		return fmt.Errorf("bolt: open: %w", err)
	}
	s.fileBytes = info.Size()
	used, err := s.measure()
	if err != nil {
		return err
	}
	if used > s.fileBytes {
		return fmt.Errorf("%w: %s has %d bytes, its meta page says %d", engine.ErrCorrupt, s.db.os.Name(), s.fileBytes, used)
	}
	s.populated = used
	stats := s.db.Stats()
	if stats.TxStats.GetWrite() > 0 {
		s.committed(&stats.TxStats)
	}
	return nil
}

// committed counts what a commit wrote: each page it allocated once, one meta page, two syncs.
func (s *store) committed(tx *bbolt.TxStats) {
	s.written.Add(tx.GetPageAlloc() + int64(s.db.pageBytes))
	s.syncs.Add(2)
}

// grown counts a third sync if the last commit enlarged the file, in which used bytes are now in use: bbolt
// wants room for one page more.
//
// It seldom looks at the file itself. Where the system keeps fine times (Linux from 6.13 on), a look has the
// next write note a new time in the file's journal: a synced put after each was 15 % slower.
func (s *store) grown(used int64) error {
	if used+int64(s.db.pageBytes) <= s.fileBytes {
		return nil
	}
	info, err := s.db.os.Stat()
	if err != nil {
		return fmt.Errorf("bolt: %w", err)
	}
	if info.Size() > s.fileBytes {
		s.fileBytes = info.Size()
		s.syncs.Add(1)
	}
	return nil
}

// diskBytes is what the file takes on disk; after Close, what it took.
func (s *store) diskBytes() int64 {
	if info, err := s.db.os.Stat(); err == nil {
		s.disk.Store(allocatedBytes(info))
	}
	return s.disk.Load()
}

// reach enters what the last commit wrote behind the used bytes before into the page table. Left to
// the readers, it would cost each new page one of them a fault: a good part of a lookup, and most of
// one in a store that grows.
func (s *store) reach(used int64) {
	if used > s.populated && !s.opts.LazyPages {
		populate(s.db.mapped(used)[s.populated:])
		s.populated = used
	}
}

// measure notes how many bytes are live in the newest state, and returns how many the file has in
// use and in free pages. The view that it opens is the one that the next Snapshots share.
func (s *store) measure() (used int64, err error) {
	v, err := s.views.acquire()
	if err != nil {
		return 0, err
	}
	used = v.tx.Size()
	lib := s.db.Stats()
	s.live.Store(max(used-int64(lib.FreePageN+lib.PendingPageN)*int64(s.db.pageBytes), 0))
	return used, s.views.release(v)
}

// Stats: LiveBytes are the pages in use without the free ones and those that only older Snapshots
// need; what is unused inside a page counts as live, since bbolt does not know it. There is no log.
//
// But for the size of the file it reads what the last commit left: readers that ask beside the writer must
// not queue here while they hold a Snapshot, or a Close that waits for a moment without one may never find it.
func (s *store) Stats() engine.Stats {
	return engine.Stats{
		LiveBytes:    s.live.Load(),
		DiskBytes:    s.diskBytes(),
		WrittenBytes: s.written.Load(),
		Batches:      s.batches.Load(),
		Ops:          s.ops.Load(),
		Syncs:        s.syncs.Load(),
	}
}
