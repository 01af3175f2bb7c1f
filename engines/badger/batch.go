package badger

import (
	"errors"
	"fmt"
	"slices"

	lib "github.com/dgraph-io/badger/v4"

	"github.com/etalon-kv/etalon/engine"
)

// bang is the space whose prefix is the first byte of badger's own keys.
const bang engine.Space = '!'

// prefixLen is the length of the prefix of space s.
func prefixLen(s engine.Space) int {
	if s == bang {
		return 2
	}
	return 1
}

// appendKey appends key as badger gets it: any prefix of it, too, for bounds.
func appendKey(dst []byte, s engine.Space, key []byte) []byte {
	dst = append(dst, byte(s))
	if s == bang {
		dst = append(dst, 0)
	}
	return append(dst, key...)
}

// appendEnd appends the first key behind space s, or nothing for the last space.
func appendEnd(dst []byte, s engine.Space) []byte {
	switch s {
	case bang:
		return append(dst, byte(s), 1)
	case 255:
		return dst
	}
	return append(dst, byte(s)+1)
}

// op is one operation; key, bound and value are ranges of the arena.
type op struct {
	kind     byte
	space    engine.Space
	key, end int // arena[key:end] is the key, with its prefix (a deleted range: lo, without)
	val      int // arena[end:val] is the value (a deleted range: hi)
	open     bool
}

const (
	opSet = iota
	opDelete
	opDeleteRange
)

// batch is a list of operations with an arena for their bytes, which badger keeps during a commit.
type batch struct {
	owner *backend
	ops   []op
	arena []byte
	size  int
	err   error
	// entries are what badger is handed, one an operation.
	entries []lib.Entry
}

// NewBatch never fails; a batch of a closed backend is refused by Apply.
func (b *backend) NewBatch() engine.Batch { return &batch{owner: b} }

func (b *batch) add(kind byte, s engine.Space, key, value []byte) {
	b.size += len(key) + len(value)
	if kind != opDeleteRange && uint(len(key)-1) >= engine.MaxKeyBytes && b.err == nil {
		b.err = engine.CheckKey(key)
	}
	if len(value) >= valueThreshold && kind == opSet && b.err == nil {
		b.err = fmt.Errorf("%w: a value of %d bytes, want at most %d", engine.ErrBatchTooBig, len(value), valueThreshold-1)
	}
	o := op{kind: kind, space: s, key: len(b.arena)}
	if b.err == nil {
		if kind == opDeleteRange {
			b.arena = append(b.arena, key...)
		} else {
			b.arena = appendKey(b.arena, s, key)
		}
		o.end = len(b.arena)
		b.arena = append(b.arena, value...)
		o.val = len(b.arena)
		o.open = kind == opDeleteRange && value == nil
	}
	b.ops = append(b.ops, o)
}

func (b *batch) Set(s engine.Space, key, value []byte) { b.add(opSet, s, key, value) }
func (b *batch) Delete(s engine.Space, key []byte)     { b.add(opDelete, s, key, nil) }
func (b *batch) DeleteRange(s engine.Space, lo, hi []byte) {
	b.add(opDeleteRange, s, lo, hi)
}

func (b *batch) Len() int       { return len(b.ops) }
func (b *batch) SizeBytes() int { return b.size }

func (b *batch) Reset() {
	b.ops, b.arena, b.size, b.err = b.ops[:0], b.arena[:0], 0, nil
}

// Apply commits the batch as one transaction.
func (b *backend) Apply(eb engine.Batch, sync bool) error {
	if err := b.guard.EnterWrite(); err != nil {
		return err
	}
	defer b.guard.Exit()
	ba, ok := eb.(*batch)
	if !ok || ba.owner != b {
		return fmt.Errorf("badger: %w: %T", engine.ErrForeignBatch, eb)
	}
	if ba.err != nil {
		return fmt.Errorf("badger: %w", ba.err)
	}
	if len(ba.ops) > 0 {
		if err := b.commit(ba); err != nil {
			return err
		}
	}
	b.batches.Add(1)
	b.ops.Add(int64(len(ba.ops)))
	if !sync {
		return nil
	}
	b.syncs.Add(1)
	return b.sync()
}

// commit makes one transaction of the batch and commits it.
func (b *backend) commit(ba *batch) (err error) {
	defer b.rescue("apply", &err)
	txn := b.db.NewTransaction(true)
	defer txn.Discard()
	if err := ba.fill(txn); err != nil {
		if errors.Is(err, lib.ErrTxnTooBig) {
			return fmt.Errorf("badger: %w: %d bytes in %d operations", engine.ErrBatchTooBig, ba.size, len(ba.ops))
		}
		return fmt.Errorf("badger: apply: %w", err) // nothing was committed
	}
	full := b.mem.full()
	if full {
		if err := b.sync(); err != nil {
			return err
		}
	}
	if err := txn.Commit(); err != nil {
		return b.guard.Fail(fmt.Errorf("badger: apply: %w", err))
	}
	if full {
		if err := syncDir(b.dir.Path()); err != nil {
			return b.guard.Fail(fmt.Errorf("badger: apply: %w", err))
		}
	}
	b.mem.unmap()
	return nil
}

// fill puts the operations into txn, where later ones replace earlier ones of the same key.
func (b *batch) fill(txn *lib.Txn) error {
	b.entries = slices.Grow(b.entries[:0], len(b.ops))[:len(b.ops)] // not moved any more from here
	for i := range b.ops {
		o := &b.ops[i]
		var err error
		switch o.kind {
		case opSet:
			b.entries[i] = lib.Entry{Key: b.arena[o.key:o.end:o.end], Value: b.arena[o.end:o.val:o.val]}
			err = txn.SetEntry(&b.entries[i])
		case opDelete:
			err = txn.Delete(b.arena[o.key:o.end:o.end])
		case opDeleteRange:
			lo, hi := b.arena[o.key:o.end:o.end], b.arena[o.end:o.val:o.val]
			if o.open {
				hi = nil
			}
			err = deleteRange(txn, o.space, lo, hi)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// deleteRange deletes every key of [lo, hi) that txn sees, its own writes included.
func deleteRange(txn *lib.Txn, s engine.Space, lo, hi []byte) error {
	if engine.EmptyRange(lo, hi) {
		return nil
	}
	c := newCursor(txn, s, lo, hi, false)
	defer c.it.Close()
	for c.next() {
		if err := txn.Delete(c.it.Item().KeyCopy(nil)); err != nil {
			return err
		}
	}
	return nil
}
