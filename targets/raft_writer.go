package targets

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/results"
)

// raftWrite is a Ready on its way into the log.
type raftWrite struct {
	rd      raft.Ready
	applied raft.Index
	ops     int // the leader's writes in it
	given   time.Duration
}

// raftWriter writes a member's log on a goroutine of its own, beside the core: all Readies that wait,
// then one sync, then what may be said only now, then the acknowledgement of the last.
type raftWriter struct {
	m    *raftMember
	log  RaftLog
	conf raft.ConfState
	wake chan struct{} // capacity 1

	mu      sync.Mutex
	waiting []raftWrite

	// The goroutine's own.
	taken  []raftWrite
	bytes  int64      // of entries since the last cut
	before raft.Index // what was applied at the last cut
	cut    raft.Index // the newest snapshot in the log, behind which it begins
}

// write queues a Ready. Only while hasRoom.
func (w *raftWriter) write(j raftWrite) {
	w.mu.Lock()
	w.waiting = append(w.waiting, j)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// hasRoom reports whether one more Ready may be queued.
func (w *raftWriter) hasRoom() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting) < maxRaftWrites
}

// run writes until ctx has ended or a write has failed. What waits then is not written.
func (w *raftWriter) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		clear(w.taken)
		w.mu.Lock()
		w.waiting, w.taken = w.taken[:0], w.waiting
		w.mu.Unlock()
		if len(w.taken) == 0 {
			continue
		}
		w.m.inbox.signal() // there is room again
		if err := w.writeAll(); err != nil {
			w.m.g.fail(fmt.Errorf("log of member %d: %w", w.m.id, err))
			return
		}
	}
}

// writeAll makes everything taken durable and acknowledges it.
func (w *raftWriter) writeAll() error {
	g := w.m.g
	began, mustSync := g.now(), false
	for i := range w.taken {
		j := &w.taken[i]
		for k := range j.rd.Entries {
			w.bytes += int64(len(j.rd.Entries[k].Data))
		}
		if s := j.rd.Snapshot; s != nil {
			w.cut = s.Index
		}
		if g.cfg.Durability == results.DurabilitySync && len(j.rd.Entries) > 0 {
			if err := w.writeEach(j); err != nil {
				return err
			}
			continue
		}
		mustSync = mustSync || j.rd.MustSync
		if err := w.log.Write(j.rd.Snapshot, j.rd.Entries, j.rd.HardState, false); err != nil {
			return err
		}
	}
	written := g.now()
	mustSync = mustSync && g.cfg.Durability != results.DurabilityNone
	if mustSync {
		if err := w.log.Sync(); err != nil {
			return err
		}
	}
	synced := g.now()
	for i := range w.taken {
		j := &w.taken[i]
		g.send(j.rd.AfterPersist)
		if j.ops > 0 && g.cfg.Durability != results.DurabilitySync {
			w.stamp(j.given, began, written, synced, j.ops)
		}
	}
	last := &w.taken[len(w.taken)-1]
	applied := last.applied
	w.m.inbox.persisted(raftDurable{number: last.rd.Number, at: synced})
	return w.cutLog(applied)
}

// writeEach gives each entry a write and a sync of its own.
func (w *raftWriter) writeEach(j *raftWrite) error {
	rd, given := &j.rd, j.given
	for i := range rd.Entries {
		var hard raft.HardState
		if i == len(rd.Entries)-1 {
			hard = rd.HardState
		}
		began := w.m.g.now()
		if err := w.log.Write(rd.Snapshot, rd.Entries[i:i+1], hard, false); err != nil {
			return err
		}
		rd.Snapshot = nil
		written := w.m.g.now()
		if err := w.log.Sync(); err != nil {
			return err
		}
		if j.ops > 0 {
			w.stamp(given, began, written, w.m.g.now(), 1)
		}
	}
	return nil
}

// stamp records the stages of a batch in the leader's log.
func (w *raftWriter) stamp(given, began, written, synced time.Duration, ops int) {
	stages := w.m.g.stages
	stages.Record(stageWait, began-given, ops)
	stages.Record(stageAppend, written-began, ops)
	if synced > written {
		stages.Record(stageSync, synced-written, ops)
	}
}

// cutLog lets the log begin later, when it has grown enough: behind what was applied when it was last
// cut, so that a member which is a little behind still finds what it needs.
func (w *raftWriter) cutLog(applied raft.Index) error {
	if w.bytes < w.m.g.cfg.CutBytes {
		return nil
	}
	at := w.before
	w.bytes, w.before = 0, applied
	if at <= w.cut {
		return nil
	}
	if err := w.log.CreateSnapshot(at, w.conf, nil); err != nil {
		return err
	}
	if err := w.log.Compact(at); err != nil {
		return err
	}
	w.cut = at
	if w.m.g.cfg.Durability == results.DurabilityNone {
		return w.log.Sync() // which lets go of what was cut
	}
	return nil
}
