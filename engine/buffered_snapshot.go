package engine

import "sync/atomic"

// base is a Snapshot of the inner backend, shared by all who read above it. buffered holds one
// reference to the newest; under its mu the count is therefore never 0.
type base struct {
	snap Snapshot
	refs atomic.Int64
}

func newBase(s Snapshot) *base {
	b := &base{snap: s}
	b.refs.Store(1)
	return b
}

func (b *base) release() error {
	if b.refs.Add(-1) == 0 {
		return b.snap.Close()
	}
	return nil
}

// maxLayers: the two groups, and during expand the batch itself.
const maxLayers = 3

// bufferedSnapshot reads the layers, newest first, and then the base.
type bufferedSnapshot struct {
	owner  *buffered
	view   view
	layers [maxLayers]*group
	n      int
	pinned bool
	closed atomic.Bool
}

// Snapshot pins the newest view.
func (u *buffered) Snapshot() (Snapshot, error) {
	if err := u.guard.Pin(); err != nil {
		return nil, err
	}
	sn := u.pin()
	sn.pinned = true
	return sn, nil
}

// pin makes a Snapshot that Close does not know of.
func (u *buffered) pin() *bufferedSnapshot {
	sn := &bufferedSnapshot{owner: u}
	u.mu.Lock()
	sn.view = u.now
	sn.view.base.refs.Add(1)
	u.mu.Unlock()
	if sn.view.committing != nil {
		sn.push(sn.view.committing)
	}
	if f := sn.view.filling; sn.view.seq > f.from {
		sn.push(f)
	}
	return sn
}

// push puts g above the other layers.
func (sn *bufferedSnapshot) push(g *group) {
	copy(sn.layers[1:], sn.layers[:sn.n])
	sn.layers[0] = g
	sn.n++
}

func (sn *bufferedSnapshot) Get(dst []byte, s Space, key []byte) ([]byte, error) {
	if sn.closed.Load() {
		return dst, ErrClosed
	}
	if sn.n > 0 {
		hash := sn.owner.hash(s, key)
		for _, g := range sn.layers[:sn.n] {
			var after uint64
			var v *version
			if n := g.table.Load().find(hash, s, key); n != nil {
				if v = n.at(sn.view.seq); v != nil {
					after = v.seq
				}
			}
			if covered(g.rangeDeletes(), s, key, after, sn.view.seq) || v != nil && v.deleted {
				return dst, ErrNotFound
			}
			if v != nil {
				return append(dst, v.value...), nil
			}
		}
	}
	return sn.view.base.snap.Get(dst, s, key)
}

// Close lets go of the base.
func (sn *bufferedSnapshot) Close() error {
	if sn.closed.Swap(true) {
		return ErrClosed
	}
	err := sn.view.base.release()
	if sn.pinned {
		sn.owner.guard.Unpin()
	}
	return err
}
