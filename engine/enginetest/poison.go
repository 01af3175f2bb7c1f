package enginetest

import (
	"context"
	"slices"

	"github.com/etalon-kv/etalon/engine"
)

// Poison returns b behind a wrapper that makes mistakes with the lifetimes of slices visible, on
// both sides of the contract. What the caller may reuse after a call (keys, values and bounds) is
// passed to b as a copy that is overwritten as soon as the call returns; what b lends until the
// next Next or Close (an iterator's Key and Value) reaches the caller as a copy that is
// overwritten then. It is slow, and as safe for concurrent use as b. Whoever keeps data in a
// Backend should run their own tests over it once.
func Poison(b engine.Backend) engine.Backend { return &poisoned{Backend: b} }

type poisoned struct{ engine.Backend }

// Drain is called only if Caps promise it, so b is a Drainer.
func (p *poisoned) Drain(ctx context.Context) error { return p.Backend.(engine.Drainer).Drain(ctx) }

// Options are those of b, if it is Described.
func (p *poisoned) Options() map[string]string {
	if d, ok := p.Backend.(engine.Described); ok {
		return d.Options()
	}
	return nil
}

func (p *poisoned) NewBatch() engine.Batch { return &poisonedBatch{p.Backend.NewBatch()} }

func (p *poisoned) Apply(b engine.Batch, sync bool) error {
	if own, ok := b.(*poisonedBatch); ok {
		b = own.Batch
	}
	return p.Backend.Apply(b, sync)
}

func (p *poisoned) Snapshot() (engine.Snapshot, error) {
	view, err := p.Backend.Snapshot()
	if err != nil {
		return nil, err
	}
	return &poisonedView{view}, nil
}

// lend calls f with a copy of each slice and overwrites the copies afterwards. nil stays nil.
func lend(f func(a, b []byte), a, b []byte) {
	a, b = lendCopy(a), lendCopy(b)
	f(a, b)
	spoil(a)
	spoil(b)
}

func lendCopy(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)+1), b...)
}

func spoil(b []byte) {
	for len(b) > 0 { // by blocks: the race detector looks at every single store
		b = b[copy(b, "\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb\xdb"):]
	}
}

type poisonedBatch struct{ engine.Batch }

func (p *poisonedBatch) Set(s engine.Space, key, value []byte) {
	lend(func(key, value []byte) { p.Batch.Set(s, key, value) }, key, value)
}

func (p *poisonedBatch) Delete(s engine.Space, key []byte) {
	lend(func(key, _ []byte) { p.Batch.Delete(s, key) }, key, nil)
}

func (p *poisonedBatch) DeleteRange(s engine.Space, lo, hi []byte) {
	lend(func(lo, hi []byte) { p.Batch.DeleteRange(s, lo, hi) }, lo, hi)
}

type poisonedView struct{ engine.Snapshot }

func (p *poisonedView) Get(dst []byte, s engine.Space, key []byte) (out []byte, err error) {
	lend(func(key, _ []byte) { out, err = p.Snapshot.Get(dst, s, key) }, key, nil)
	return out, err
}

// GetMany is that of the Snapshot, if it has one.
func (p *poisonedView) GetMany(dst []byte, s engine.Space, keys [][]byte, spans []engine.Span) ([]byte, error) {
	lent := make([][]byte, len(keys))
	for i, k := range keys {
		lent[i] = lendCopy(k)
	}
	out, err := engine.GetMany(p.Snapshot, dst, s, lent, spans)
	for _, k := range lent {
		spoil(k)
	}
	return out, err
}

func (p *poisonedView) Scan(s engine.Space, lo, hi []byte) (it engine.Iterator) {
	lend(func(lo, hi []byte) { it = p.Snapshot.Scan(s, lo, hi) }, lo, hi)
	return &poisonedIterator{Iterator: it}
}

func (p *poisonedView) ScanBack(s engine.Space, lo, hi []byte) (it engine.Iterator) {
	lend(func(lo, hi []byte) { it = p.Snapshot.ScanBack(s, lo, hi) }, lo, hi)
	return &poisonedIterator{Iterator: it}
}

type poisonedIterator struct {
	engine.Iterator
	lent [][]byte // since the last Next
}

func (p *poisonedIterator) Next() bool {
	p.spoil()
	return p.Iterator.Next()
}

func (p *poisonedIterator) Key() []byte   { return p.lendOut(p.Iterator.Key()) }
func (p *poisonedIterator) Value() []byte { return p.lendOut(p.Iterator.Value()) }

// Chunk hands out copies, one pair at a time if the Iterator underneath does.
func (p *poisonedIterator) Chunk(most int) []engine.Pair {
	p.spoil()
	ahead, ok := p.Iterator.(engine.Chunker)
	if !ok {
		if !p.Iterator.Next() {
			return nil
		}
		key, value := p.Key(), p.Value()
		if value == nil { // damage, found by Value
			return nil
		}
		return []engine.Pair{{Key: key, Value: value}}
	}
	chunk := slices.Clone(ahead.Chunk(most))
	for i := range chunk {
		chunk[i] = engine.Pair{Key: p.lendOut(chunk[i].Key), Value: p.lendOut(chunk[i].Value)}
	}
	return chunk
}

func (p *poisonedIterator) Close() error {
	p.spoil()
	return p.Iterator.Close()
}

func (p *poisonedIterator) lendOut(b []byte) []byte {
	b = lendCopy(b)
	p.lent = append(p.lent, b)
	return b
}

func (p *poisonedIterator) spoil() {
	for _, b := range p.lent {
		spoil(b)
	}
	p.lent = p.lent[:0]
}
