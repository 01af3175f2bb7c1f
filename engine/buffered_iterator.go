package engine

// Scan merges the layers and the base.
func (sn *bufferedSnapshot) Scan(s Space, lo, hi []byte) Iterator {
	return sn.scan(s, lo, hi, false)
}

// ScanBack is Scan from the end.
func (sn *bufferedSnapshot) ScanBack(s Space, lo, hi []byte) Iterator {
	return sn.scan(s, lo, hi, true)
}

func (sn *bufferedSnapshot) scan(s Space, lo, hi []byte, back bool) Iterator {
	if sn.closed.Load() {
		return Ended(ErrClosed)
	}
	if EmptyRange(lo, hi) {
		return Ended(nil)
	}
	m, ok := sn.owner.merges.Get().(*merge)
	if !ok {
		m = &merge{}
	}
	m.start(sn, s, lo, hi, back)
	return &mergeIterator{snap: sn, merge: m}
}

// readAhead is how many pairs are taken from a base at once for a caller that asks key by key.
const readAhead = 8

// mergeIterator walks the base and the layers side by side. It is a Chunker.
type mergeIterator struct {
	snap  *bufferedSnapshot
	merge *merge // nil once closed
	ended bool
	err   error
}

func (it *mergeIterator) Next() bool {
	m := it.merge
	if m == nil {
		return false
	}
	if at := m.at + 1; at < len(m.run) && !it.snap.closed.Load() {
		m.at = at
		return true
	}
	m.size = min(2*m.size+2, readAhead)
	return it.turn(m.size)
}

// Chunk hands out the rest of the run, or the next one.
func (it *mergeIterator) Chunk(most int) []Pair {
	m := it.merge
	if m == nil {
		return nil
	}
	first := m.at + 1
	if first >= len(m.run) || it.snap.closed.Load() {
		if !it.turn(most) || m.lazy && it.Value() == nil {
			return nil
		}
		first = 0
	}
	end := first + min(len(m.run)-first, most)
	m.at = end - 1
	return m.run[first:end:end]
}

// turn finds the next run and shows its first pair.
func (it *mergeIterator) turn(most int) bool {
	if it.ended || it.snap.closed.Load() {
		return it.end(nil)
	}
	if err := it.merge.fill(most); err != nil || len(it.merge.run) == 0 {
		return it.end(err)
	}
	return true
}

func (it *mergeIterator) end(err error) bool {
	if !it.ended {
		it.ended, it.err = true, err
	}
	if m := it.merge; m != nil {
		m.run, m.at, m.lazy = nil, 0, false
	}
	return false
}

func (it *mergeIterator) Key() []byte {
	if m := it.merge; m != nil && uint(m.at) < uint(len(m.run)) && !it.snap.closed.Load() {
		return m.run[m.at].Key
	}
	return nil
}

// Value asks a base that hands out one pair at a time only now: it may have to fetch it. If that
// finds damage, the iteration ends.
func (it *mergeIterator) Value() []byte {
	m := it.merge
	if m == nil || uint(m.at) >= uint(len(m.run)) || it.snap.closed.Load() {
		return nil
	}
	if m.lazy {
		value := m.base.Value()
		if value == nil {
			it.end(m.base.Err())
			return nil
		}
		m.run[0].Value, m.lazy = value, false
	}
	return m.run[m.at].Value
}

func (it *mergeIterator) Err() error {
	if it.merge == nil || it.snap.closed.Load() {
		return ErrClosed
	}
	return it.err
}

// Close gives the merge to the next iterator.
func (it *mergeIterator) Close() error {
	m := it.merge
	if m == nil {
		return ErrClosed
	}
	err := it.Err()
	it.ended, it.merge = true, nil
	m.base.Close() // its error, if any, is in Err already
	m.reset()
	it.snap.owner.merges.Put(m)
	return err
}
