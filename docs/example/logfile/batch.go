package logfile

import (
	"bytes"
	"slices"

	"github.com/etalon-kv/etalon/engine"
)

// doc:batch
type kind uint8

const (
	kindSet kind = iota
	kindDelete
	kindRange     // [key, value)
	kindRangeOpen // [key, end of the space)
)

type op struct {
	kind       kind
	space      engine.Space
	key, value []byte
}

type batch struct {
	owner *store
	ops   []op
	size  int
	err   error // of the first bad key: Set and Delete return nothing, so Apply tells
}

func (s *store) NewBatch() engine.Batch { return &batch{owner: s} }

func (b *batch) Set(s engine.Space, key, value []byte) { b.add(kindSet, s, key, value) }

func (b *batch) Delete(s engine.Space, key []byte) { b.add(kindDelete, s, key, nil) }

func (b *batch) DeleteRange(s engine.Space, lo, hi []byte) {
	if hi == nil {
		b.add(kindRangeOpen, s, lo, nil)
	} else {
		b.add(kindRange, s, lo, hi)
	}
}

func (b *batch) add(k kind, s engine.Space, key, value []byte) {
	if b.err == nil && (k == kindSet || k == kindDelete) {
		b.err = engine.CheckKey(key)
	}
	// Copies: the caller may reuse its slices, and Reset may come while a Snapshot shows them.
	b.ops = append(b.ops, op{k, s, append([]byte{}, key...), append([]byte{}, value...)})
	b.size += len(key) + len(value)
}

func (b *batch) Len() int       { return len(b.ops) }
func (b *batch) SizeBytes() int { return b.size }
func (b *batch) Reset()         { b.ops, b.size, b.err = b.ops[:0], 0, nil }

// doc:end

// find returns where key is, or belongs, in list.
func find(list []entry, key []byte) (int, bool) {
	return slices.BinarySearchFunc(list, key, func(e entry, key []byte) int { return bytes.Compare(e.key, key) })
}

// span returns the indices of the keys of [lo, hi), by the rules of Batch.DeleteRange.
func span(list []entry, lo, hi []byte) (from, to int) {
	if engine.EmptyRange(lo, hi) {
		return 0, 0
	}
	from, _ = find(list, lo)
	to = len(list)
	if hi != nil {
		to, _ = find(list, hi)
	}
	return from, to
}

// apply carries out o on list, which it may change.
func (o op) apply(list []entry) []entry {
	switch o.kind {
	case kindRangeOpen:
		from, to := span(list, o.key, nil)
		return slices.Delete(list, from, to)
	case kindRange:
		from, to := span(list, o.key, o.value)
		return slices.Delete(list, from, to)
	}
	at, found := find(list, o.key)
	switch {
	case o.kind == kindSet && found:
		list[at].value = o.value
	case o.kind == kindSet:
		list = slices.Insert(list, at, entry{o.key, o.value})
	case found:
		list = slices.Delete(list, at, at+1)
	}
	return list
}
