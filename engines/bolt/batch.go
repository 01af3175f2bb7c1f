package bolt

import (
	"bytes"
	"slices"

	"github.com/etalon-kv/etalon/engine"
)

type opKind uint8

const (
	opSet opKind = iota
	opDelete
	opDeleteRange
)

// op is one write; its key and value are offsets into batch.data, which may move as it grows.
// A range deletion keeps lo as its key and hi as its value.
type op struct {
	kind     opKind
	open     bool // opDeleteRange: hi is nil
	space    engine.Space
	key      int // data[key:value] is the key
	value    int // data[value:end] is the value
	end      int
	position int // in the batch: the order of writes to one key
}

// batch is the list of writes in one piece of memory.
type batch struct {
	owner *store
	data  []byte
	ops   []op
	order []op  // scratch of sorted
	err   error // of the first bad key
}

// NewBatch returns an empty batch.
func (s *store) NewBatch() engine.Batch { return &batch{owner: s} }

func (b *batch) Set(s engine.Space, key, value []byte) { b.add(opSet, s, key, value) }

func (b *batch) Delete(s engine.Space, key []byte) { b.add(opDelete, s, key, nil) }

func (b *batch) DeleteRange(s engine.Space, lo, hi []byte) {
	b.append(op{kind: opDeleteRange, open: hi == nil, space: s}, lo, hi)
}

func (b *batch) Len() int { return len(b.ops) }

func (b *batch) SizeBytes() int { return len(b.data) }

func (b *batch) Reset() { b.data, b.ops, b.err = b.data[:0], b.ops[:0], nil }

func (b *batch) add(kind opKind, s engine.Space, key, value []byte) {
	if b.err == nil {
		b.err = engine.CheckKey(key)
	}
	b.append(op{kind: kind, space: s}, key, value)
}

func (b *batch) append(o op, key, value []byte) {
	o.key, o.value = len(b.data), len(b.data)+len(key)
	o.end, o.position = o.value+len(value), len(b.ops)
	b.data = append(append(b.data, key...), value...)
	b.ops = append(b.ops, o)
}

// ordered returns the operations with every stretch between two range deletions sorted by key:
// bbolt then touches each leaf once and appends where it would insert. Of several writes to a key
// the last comes last.
func (b *batch) ordered() []op {
	b.order = append(b.order[:0], b.ops...)
	rest := b.order
	for len(rest) > 0 {
		n := slices.IndexFunc(rest, func(o op) bool { return o.kind == opDeleteRange })
		if n < 0 {
			n = len(rest)
		}
		if stretch := rest[:n]; !slices.IsSortedFunc(stretch, b.compare) {
			slices.SortFunc(stretch, b.compare)
		}
		rest = rest[min(n+1, len(rest)):]
	}
	return b.order
}

func (b *batch) compare(x, y op) int {
	if x.space != y.space {
		return int(x.space) - int(y.space)
	}
	if c := bytes.Compare(b.data[x.key:x.value], b.data[y.key:y.value]); c != 0 {
		return c
	}
	return x.position - y.position
}
