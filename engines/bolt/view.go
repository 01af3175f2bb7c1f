package bolt

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"github.com/etalon-kv/etalon/engine"
)

// views hands out the read transaction of the newest state to all Snapshots taken of it.
type views struct {
	db *file
	mu sync.Mutex
	// newest is nil until somebody asks; the list itself holds one reference.
	newest *view
	forms  [256]atomic.Pointer[forms] // of the spaces, whatever the view
}

// view is one read transaction, shared.
type view struct {
	tx        *bbolt.Tx
	data      []byte // the map up to the end of what tx sees
	pageBytes int
	views     *views
	refs      int // under views.mu; the last one ends the transaction
	spaces    [256]atomic.Pointer[space]
}

// space is a bucket in a view; bucket is nil where the space was never written. Both parts of a
// bucket that reading touches do not change, so all readers share it; a cursor is used by one.
type space struct {
	bucket     *bbolt.Bucket
	tree       tree
	idleCursor atomic.Pointer[bbolt.Cursor]
	idleWalker atomic.Pointer[walker]
}

// acquire returns the view of the newest state. bbolt's locks that it takes are held by a writer
// only while it changes fields in memory and the page cache, since the map never moves.
func (vs *views) acquire() (*view, error) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if vs.newest == nil {
		tx, err := vs.begin()
		if err != nil {
			return nil, err
		}
		vs.newest = &view{tx: tx, data: vs.db.mapped(tx.Size()), pageBytes: vs.db.pageBytes, views: vs, refs: 1}
	}
	vs.newest.refs++
	return vs.newest, nil
}

func (vs *views) begin() (tx *bbolt.Tx, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer rescue(&err)
	tx, err = vs.db.Begin(false)
	if err != nil {
		return nil, fmt.Errorf("bolt: begin read: %w", err)
	}
	return tx, nil
}

func (vs *views) release(v *view) error {
	vs.mu.Lock()
	v.refs--
	last := v.refs == 0
	vs.mu.Unlock()
	if !last {
		return nil
	}
	return v.tx.Rollback()
}

// drop makes the next acquire see the newest state.
func (vs *views) drop() {
	vs.mu.Lock()
	v := vs.newest
	vs.newest = nil
	vs.mu.Unlock()
	if v != nil {
		vs.release(v) // a read transaction that is open ends without error
	}
}

func (v *view) space(s engine.Space) *space {
	if sp := v.spaces[s].Load(); sp != nil {
		return sp
	}
	sp := &space{bucket: v.tx.Bucket([]byte{byte(s)})}
	if sp.bucket != nil {
		sp.tree = newTree(v.data, v.pageBytes, sp.bucket, v.views.formsOf(s))
	}
	if !v.spaces[s].CompareAndSwap(nil, sp) {
		sp = v.spaces[s].Load()
	}
	return sp
}

func (vs *views) formsOf(s engine.Space) *forms {
	if vs.forms[s].Load() == nil {
		vs.forms[s].CompareAndSwap(nil, new(forms))
	}
	return vs.forms[s].Load()
}

// look is space for who does not expect a panic.
func (v *view) look(s engine.Space) (sp *space, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer rescue(&err)
	return v.space(s), nil
}

// cursor lends a cursor; giveBack returns it for the next one. A cursor keeps its memory, and
// making one is half of the cost of a Get.
func (sp *space) cursor() *bbolt.Cursor {
	if c := sp.idleCursor.Swap(nil); c != nil {
		return c
	}
	return sp.bucket.Cursor()
}

func (sp *space) giveBack(c *bbolt.Cursor) { sp.idleCursor.Store(c) }

// walker lends a walker; Close of the iterator returns it.
func (sp *space) walker() *walker {
	if w := sp.idleWalker.Swap(nil); w != nil {
		return w
	}
	return &walker{}
}

// rescue turns a panic of bbolt into an error.
func rescue(err *error) {
	if r := recover(); r != nil {
		*err = corrupt(r)
	}
}
