package engine

import (
	"errors"
	"fmt"
)

type pendingKind uint8

const (
	pendingSet pendingKind = iota
	pendingDelete
	pendingRange // key is lo, value is hi
)

// pendingOp is one write. Its slices point into the memory of its batch.
type pendingOp struct {
	kind       pendingKind
	space      Space
	key, value []byte
}

// pendingBatch is Buffered's Batch: the operations in their order.
type pendingBatch struct {
	owner  *buffered
	ops    []pendingOp
	data   []byte // slices of ops into an array that it has outgrown stay good
	ranges int
	err    error // of the first bad key
}

// NewBatch returns an empty batch.
func (u *buffered) NewBatch() Batch { return &pendingBatch{owner: u} }

func (b *pendingBatch) Set(s Space, key, value []byte) {
	b.check(key)
	b.add(pendingSet, s, key, value)
}

func (b *pendingBatch) Delete(s Space, key []byte) {
	b.check(key)
	b.add(pendingDelete, s, key, nil)
}

func (b *pendingBatch) DeleteRange(s Space, lo, hi []byte) {
	b.ranges++
	b.add(pendingRange, s, lo, hi)
	switch o := &b.ops[len(b.ops)-1]; { // a nil hi and an empty one are not the same
	case hi == nil:
		o.value = nil
	case o.value == nil:
		o.value = []byte{}
	}
}

func (b *pendingBatch) Len() int { return len(b.ops) }

func (b *pendingBatch) SizeBytes() int { return len(b.data) }

func (b *pendingBatch) Reset() {
	clear(b.ops) // lets go of outgrown arrays
	b.ops, b.data, b.ranges, b.err = b.ops[:0], b.data[:0], 0, nil
}

func (b *pendingBatch) check(key []byte) {
	if b.err == nil {
		b.err = CheckKey(key)
	}
}

func (b *pendingBatch) add(kind pendingKind, s Space, key, value []byte) {
	at := len(b.data)
	b.data = append(append(b.data, key...), value...)
	mid, end := at+len(key), len(b.data)
	b.ops = append(b.ops, pendingOp{kind: kind, space: s, key: b.data[at:mid:mid], value: b.data[mid:end:end]})
}

// expand returns the operations of b with each DeleteRange replaced by deletions of the keys it
// covers: those of sn and those set before it in b. sn is the newest view; expand closes it.
func (b *pendingBatch) expand(sn *bufferedSnapshot, l limit) (_ []pendingOp, err error) {
	defer func() { err = errors.Join(err, sn.Close()) }()
	// The batch so far is a group of its own above the view.
	own := newGroup(sn.view.seq, b.ranges)
	sn.push(own)
	ops := make([]pendingOp, 0, len(b.ops))
	var bytes int64
	add := func(o pendingOp) error {
		sn.view.seq++
		own.put(&o, sn.owner.hash(o.space, o.key), sn.view.seq)
		ops = append(ops, o)
		bytes += int64(len(o.key) + len(o.value))
		if !l.takes(int64(len(ops)), bytes) {
			return fmt.Errorf("%w: with its range deletions expanded it has more than %d operations or %d bytes (0: any)",
				ErrBatchTooBig, l.hardOps, l.hardBytes)
		}
		return nil
	}
	for _, o := range b.ops {
		if o.kind != pendingRange {
			if err := add(o); err != nil {
				return nil, err
			}
			continue
		}
		it := sn.Scan(o.space, o.key, o.value)
		for it.Next() && err == nil {
			key := append([]byte(nil), it.Key()...)
			err = add(pendingOp{kind: pendingDelete, space: o.space, key: key})
		}
		if cerr := it.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return nil, err
		}
	}
	return ops, nil
}
