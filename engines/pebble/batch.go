package pebble

import (
	"fmt"

	lib "github.com/cockroachdb/pebble/v2"

	"github.com/etalon-kv/etalon/engine"
)

// nodeBytes is more than a memtable takes for an entry besides its key and value.
const nodeBytes = 192

// batch is a pebble batch in the making. Keys and values are copied once, into it.
type batch struct {
	owner *backend
	b     *lib.Batch
	n     int
	size  int
	// err is why Apply will refuse the batch; from ErrBatchTooBig on nothing is stored any more.
	err error
	// applied: pebble will not touch b again, see thaw.
	applied bool
}

// NewBatch never fails; a batch of a closed backend is refused by Apply.
func (b *backend) NewBatch() engine.Batch {
	return &batch{owner: b, b: b.db.NewBatch()}
}

// admit counts an operation and tells whether there is room for it.
func (b *batch) admit(keyLen, valueLen int) bool {
	b.n++
	b.size += keyLen + valueLen
	if b.size > maxBatchBytes || b.n > maxBatchOps {
		if b.err == nil {
			b.err = fmt.Errorf("%w: %d bytes in %d operations, want at most %d and %d",
				engine.ErrBatchTooBig, b.size, b.n, maxBatchBytes, maxBatchOps)
		}
		return false
	}
	if b.applied {
		b.thaw()
	}
	return true
}

// badKey records the first invalid key.
func (b *batch) badKey(key []byte) bool {
	if uint(len(key)-1) < engine.MaxKeyBytes {
		return false
	}
	if b.err == nil {
		b.err = engine.CheckKey(key)
	}
	return true
}

func (b *batch) Set(s engine.Space, key, value []byte) {
	if !b.admit(len(key), len(value)) || b.badKey(key) {
		return
	}
	op := b.b.SetDeferred(1+len(key), len(value))
	op.Key[0] = byte(s)
	copy(op.Key[1:], key)
	copy(op.Value, value)
}

func (b *batch) Delete(s engine.Space, key []byte) {
	if !b.admit(len(key), 0) || b.badKey(key) {
		return
	}
	op := b.b.DeleteDeferred(1 + len(key))
	op.Key[0] = byte(s)
	copy(op.Key[1:], key)
}

func (b *batch) DeleteRange(s engine.Space, lo, hi []byte) {
	if !b.admit(len(lo), len(hi)) || engine.EmptyRange(lo, hi) {
		return
	}
	switch {
	case hi != nil:
		op := b.b.DeleteRangeDeferred(1+len(lo), 1+len(hi))
		op.Key[0], op.Value[0] = byte(s), byte(s)
		copy(op.Key[1:], lo)
		copy(op.Value[1:], hi)
	case s < 255:
		op := b.b.DeleteRangeDeferred(1+len(lo), 1)
		op.Key[0], op.Value[0] = byte(s), byte(s)+1
		copy(op.Key[1:], lo)
	default: // no byte is above space 255: a bound longer than any key is
		op := b.b.DeleteRangeDeferred(1+len(lo), 2+max(len(lo), engine.MaxKeyBytes))
		op.Key[0] = byte(s)
		copy(op.Key[1:], lo)
		for i := range op.Value {
			op.Value[i] = 0xff
		}
	}
}

func (b *batch) Len() int       { return b.n }
func (b *batch) SizeBytes() int { return b.size }

func (b *batch) Reset() {
	b.b.Reset()
	b.n, b.size, b.err, b.applied = 0, 0, nil, false
}

// thaw replaces a batch that pebble has committed by one of the same content.
func (b *batch) thaw() {
	b.b, b.applied = b.copy(), false
}

// copy returns a batch of the same content that pebble may keep.
func (b *batch) copy() *lib.Batch {
	fresh := b.owner.db.NewBatch()
	// The only error is bytes that are no batch, and these come from pebble.
	if err := fresh.SetRepr(append([]byte(nil), b.b.Repr()...)); err != nil {
		panic(fmt.Sprintf("pebble: batch of %d bytes not accepted back: %v", b.size, err))
	}
	return fresh
}

// Apply commits the batch.
func (b *backend) Apply(eb engine.Batch, sync bool) error {
	if err := b.guard.EnterWrite(); err != nil {
		return err
	}
	defer b.guard.Exit()
	ba, ok := eb.(*batch)
	if !ok || ba.owner != b {
		return fmt.Errorf("pebble: %w: %T", engine.ErrForeignBatch, eb)
	}
	if ba.err != nil {
		return ba.err
	}
	b.batches.Add(1)
	b.ops.Add(int64(ba.n))
	if ba.b.Empty() { // nothing, or empty ranges only
		if sync {
			return b.sync()
		}
		return nil
	}
	if ba.applied {
		ba.thaw()
	}
	commit := ba.b
	if ba.size+ba.n*nodeBytes >= int(b.opts.MemTableBytes/4) {
		// Near half a memtable pebble keeps a batch instead of copying it, so it gets its own.
		commit = ba.copy()
	} else {
		ba.applied = true
	}
	how := lib.NoSync
	if sync {
		b.syncs.Add(1)
		how = lib.Sync
	}
	return b.commit("apply", func() error { return b.db.Apply(commit, how) })
}
