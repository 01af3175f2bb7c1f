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
		if v, pending := sn.pending(s, key); v != nil {
			return append(dst, v.value...), nil
		} else if pending {
			return dst, ErrNotFound
		}
	}
	return sn.view.base.snap.Get(dst, s, key)
}

// pending is what the layers have of key: a value, a deletion (nil, true), or nothing.
func (sn *bufferedSnapshot) pending(s Space, key []byte) (v *version, pending bool) {
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
			return nil, true
		}
		if v != nil {
			return v, true
		}
	}
	return nil, false
}

// GetMany answers from the layers what is pending and asks the base for the rest at once.
func (sn *bufferedSnapshot) GetMany(dst []byte, s Space, keys [][]byte, spans []Span) ([]byte, error) {
	if sn.closed.Load() {
		return dst, ErrClosed
	}
	base := sn.view.base.snap
	if sn.n == 0 {
		return GetMany(base, dst, s, keys, spans)
	}
	const unknown = -2
	rest := 0
	for i, key := range keys {
		from := len(dst)
		switch v, pending := sn.pending(s, key); {
		case v != nil:
			dst = append(dst, v.value...)
			spans[i] = Span{from, len(dst)}
		case pending:
			spans[i] = Span{From: -1}
		default:
			spans[i] = Span{From: unknown}
			rest++
		}
	}
	switch rest {
	case 0:
		return dst, nil
	case len(keys):
		return GetMany(base, dst, s, keys, spans)
	}
	restKeys, restSpans := make([][]byte, 0, rest), make([]Span, rest)
	for i := range keys {
		if spans[i].From == unknown {
			restKeys = append(restKeys, keys[i])
		}
	}
	dst, err := GetMany(base, dst, s, restKeys, restSpans)
	if err != nil {
		return dst, err
	}
	for i, n := 0, 0; n < rest; i++ {
		if spans[i].From == unknown {
			spans[i] = restSpans[n]
			n++
		}
	}
	return dst, nil
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
