package apply

import (
	"sync"

	"github.com/etalon-kv/etalon/raft"
)

// durability knows up to which entry the state would survive a crash.
type durability struct {
	mu sync.Mutex
	// exact counts the batches of an engine that syncs by itself; nil for others.
	exact   func() (applied, durable int64)
	always  bool // every commit is durable
	never   bool // nothing is
	marks   []mark
	synced  raft.Index
	lastSyn raft.Index
}

// mark: once the engine has made that many batches durable, so are the entries up to index.
type mark struct {
	batches int64
	index   raft.Index
}

func (d *durability) begin(s *state) {
	d.mu.Lock()
	defer d.mu.Unlock()
	caps := s.backend.Caps()
	d.exact, d.marks = nil, nil
	d.never, d.always = !caps.Persistent, caps.AlwaysSync
	d.synced, d.lastSyn = s.at.Index, s.at.Index
}

func (d *durability) due(at raft.Index, every int) bool {
	return !d.never && !d.always && d.exact == nil && at-d.lastSyn >= raft.Index(every)
}

func (d *durability) committed(at raft.Index, sync bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if sync || d.always {
		d.synced, d.lastSyn = at, at
	}
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
	return d.synced
}
