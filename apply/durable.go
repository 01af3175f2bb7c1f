package apply

import (
	"sync"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/raft"
)

// durability knows up to which entry the state would survive a crash. Of an engine that syncs by
// itself it asks how far that is; others it has synced now and then by a commit.
type durability struct {
	mu       sync.Mutex
	progress engine.Progressing // nil for an engine that does not sync by itself
	always   bool               // every commit is durable
	never    bool               // nothing is
	synced   raft.Index
	marks    []mark // ascending
	lastDue  raft.Index
}

// mark: when the engine has made that many batches durable, the entries up to index are.
type mark struct {
	batches int64
	index   raft.Index
}

// maxMarks bounds the list: beyond, every other mark is forgotten, which only makes the answer late.
const maxMarks = 1024

// begin starts anew with a state of which everything is durable.
func (d *durability) begin(s *state) {
	d.mu.Lock()
	defer d.mu.Unlock()
	caps := s.backend.Caps()
	d.progress, d.marks = nil, d.marks[:0]
	if caps.Progress {
		d.progress = s.backend.(engine.Progressing)
	}
	d.never, d.always = !caps.Persistent, caps.AlwaysSync
	d.synced, d.lastDue = s.at.Index, s.at.Index
}

// due tells whether the commit that ends at the entry at should be synced.
func (d *durability) due(at raft.Index, every int) bool {
	return !d.never && !d.always && d.progress == nil && at-d.lastDue >= raft.Index(every)
}

// committed notes a commit.
func (d *durability) committed(at raft.Index, sync bool) {
	if d.never {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case sync || d.always:
		d.synced, d.lastDue, d.marks = at, at, d.marks[:0]
	case d.progress != nil:
		// Others (a compaction) may have applied batches since: then the mark is late, never early.
		applied, durable := d.progress.Progress()
		d.settle(durable)
		if len(d.marks) == maxMarks {
			for i := range maxMarks / 2 {
				d.marks[i] = d.marks[2*i+1]
			}
			d.marks = d.marks[:maxMarks/2]
		}
		d.marks = append(d.marks, mark{applied, at})
	}
}

// settle takes the marks that so many durable batches reach.
func (d *durability) settle(durable int64) {
	n := 0
	for n < len(d.marks) && d.marks[n].batches <= durable {
		d.synced = d.marks[n].index
		n++
	}
	d.marks = append(d.marks[:0], d.marks[n:]...)
}

// Durable returns up to which entry the state would survive a crash now. It never waits, and rises by
// itself. It is 0 for an engine that keeps nothing.
func (m *Machine) Durable() raft.Index {
	d := &m.durable
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.never {
		return 0
	}
	if d.progress != nil {
		_, durable := d.progress.Progress()
		d.settle(durable)
	}
	return d.synced
}
