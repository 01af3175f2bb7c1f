package replica

import (
	"fmt"
	"time"
)

// writeJob is one thing that the log writer is to do: a Write, or a Cut, or neither: to end.
type writeJob struct {
	write *Write
	cut   *Cut
	given time.Time
}

// writeLog is the log writer: it writes all that waits, syncs once, lets the acknowledgements go, and
// tells the loop. The first failure is the last thing it does.
func (r *Replica) writeLog() {
	defer r.running.Done()
	var jobs []writeJob
	for {
		jobs = r.writes.take(jobs)
		if len(jobs) == 0 || r.in.stopped() != nil {
			return
		}
		if err := r.writeAll(jobs); err != nil {
			r.stop(fmt.Errorf("%w: writing the log: %w", ErrStopped, err))
			return
		}
	}
}

func (r *Replica) writeAll(jobs []writeJob) error {
	sync, began, entries := false, r.stamp.now(), 0
	var last *Write
	for i := range jobs {
		w := jobs[i].write
		if w == nil {
			if err := r.cutLog(jobs[i].cut); err != nil {
				return err
			}
			continue
		}
		if len(w.Entries) > 0 && r.stamp.tell != nil {
			r.stamp.tell(StageAppend, began.Sub(jobs[i].given), len(w.Entries))
			entries += len(w.Entries)
		}
		if w.Snapshot != nil {
			if err := r.install(w.Snapshot); err != nil {
				return err
			}
		}
		if err := r.cfg.Log.Write(w.Snapshot, w.Entries, w.Hard, false); err != nil {
			return err
		}
		sync = sync || w.Sync
		if last != nil {
			w.Merge(last)
		}
		last = w
	}
	if sync {
		if err := r.cfg.Log.Sync(); err != nil {
			return err
		}
		r.stamp.since(StageSync, began, entries)
	}
	if last == nil {
		return nil
	}
	for i := range jobs {
		if w := jobs[i].write; w != nil {
			r.send(w.After)
		}
	}
	r.in.persisted(last)
	return nil
}

// cutLog notes a snapshot and forgets entries. Both become durable with the next sync, which is soon
// enough.
func (r *Replica) cutLog(c *Cut) error {
	if err := r.cfg.Log.CreateSnapshot(c.At, c.Conf, nil); err != nil {
		return err
	}
	if c.Through == 0 {
		return nil
	}
	return r.cfg.Log.Compact(c.Through)
}
