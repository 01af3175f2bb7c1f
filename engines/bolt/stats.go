package bolt

import (
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/etalon-kv/etalon/engine"
)

// opened refuses a file that was cut off, and takes the figures that Open left: bbolt commits there once when the list of free pages
// goes back into a file that was kept without one.
func (s *store) opened() error {
	info, err := s.db.os.Stat()
	if err != nil {
		return fmt.Errorf("bolt: open: %w", err)
	}
	s.fileBytes = info.Size()
	s.disk.Store(allocatedBytes(info))
	v, err := s.views.acquire()
	if err != nil {
		return err
	}
	used := v.tx.Size()
	s.views.release(v)
	if used > s.fileBytes {
		return fmt.Errorf("%w: %s has %d bytes, its meta page says %d", engine.ErrCorrupt, s.db.os.Name(), s.fileBytes, used)
	}
	stats := s.db.Stats()
	if stats.TxStats.GetWrite() > 0 {
		return s.committed(&stats.TxStats)
	}
	return nil
}

// committed counts what a commit wrote: each page it allocated once, one meta page, two syncs, and
// a third if the file was enlarged. It looks at the file here, so that Stats need not.
func (s *store) committed(tx *bbolt.TxStats) error {
	s.written.Add(tx.GetPageAlloc() + int64(s.db.pageBytes))
	s.syncs.Add(2)
	info, err := s.db.os.Stat()
	if err != nil {
		return fmt.Errorf("bolt: %w", err)
	}
	s.disk.Store(allocatedBytes(info))
	if info.Size() > s.fileBytes {
		s.fileBytes = info.Size()
		s.syncs.Add(1)
	}
	return nil
}

// Stats: LiveBytes are the pages in use without the free ones and those that only older Snapshots
// need; what is unused inside a page counts as live, since bbolt does not know it. There is no log.
func (s *store) Stats() engine.Stats {
	// Not by the guard: a Close that waits there for a commit would hold up readers that hold a
	// Snapshot, and then find it open.
	s.statsMu.Lock()
	defer s.statsMu.Unlock()
	if s.closed {
		return s.last
	}
	st, err := s.measure()
	if err != nil {
		st.LiveBytes, st.DiskBytes = -1, -1
	}
	return st
}

func (s *store) measure() (engine.Stats, error) {
	st := engine.Stats{
		LiveBytes:    -1,
		DiskBytes:    -1,
		WrittenBytes: s.written.Load(),
		Batches:      s.batches.Load(),
		Ops:          s.ops.Load(),
		Syncs:        s.syncs.Load(),
	}
	v, err := s.views.acquire()
	if err != nil {
		return st, err
	}
	used := v.tx.Size()
	if err := s.views.release(v); err != nil {
		return st, err
	}
	lib := s.db.Stats()
	st.LiveBytes = max(used-int64(lib.FreePageN+lib.PendingPageN)*int64(s.db.pageBytes), 0)
	st.DiskBytes = s.disk.Load()
	return st, nil
}
