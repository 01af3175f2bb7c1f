package mem

import (
	"github.com/etalon-kv/etalon/engine"
)

type opKind uint8

const (
	opSet opKind = iota
	opDelete
	opDeleteRange
)

// op is one operation of a batch. Its strings are never changed, so the trees share them.
type op struct {
	kind  opKind
	space engine.Space
	key   string // lo of a range
	value string // hi of a range
	toEnd bool   // a range without hi
}

// covered lists the keys of t that a range deletion removes.
func (o *op) covered(t *tree) []string {
	if !o.toEnd && o.key >= o.value {
		return nil
	}
	var keys []string
	t.Ascend(o.key, func(key, _ string) bool {
		if !o.toEnd && key >= o.value {
			return false
		}
		keys = append(keys, key)
		return true
	})
	return keys
}

// batch implements engine.Batch.
type batch struct {
	owner     *db
	ops       []op
	sizeBytes int
	bad       error // of the first invalid key
}

func (b *batch) Set(s engine.Space, key, value []byte) {
	both := make([]byte, len(key)+len(value))
	copy(both[copy(both, key):], value)
	text := view(both) // nobody writes to both again
	b.check(key)
	b.add(op{kind: opSet, space: s, key: text[:len(key)], value: text[len(key):]})
}

func (b *batch) Delete(s engine.Space, key []byte) {
	b.check(key)
	b.add(op{kind: opDelete, space: s, key: string(key)})
}

func (b *batch) DeleteRange(s engine.Space, lo, hi []byte) {
	b.add(op{kind: opDeleteRange, space: s, key: string(lo), value: string(hi), toEnd: hi == nil})
}

func (b *batch) add(o op) {
	b.ops = append(b.ops, o)
	b.sizeBytes += len(o.key) + len(o.value)
}

func (b *batch) check(key []byte) {
	if b.bad == nil {
		b.bad = engine.CheckKey(key)
	}
}

func (b *batch) Len() int       { return len(b.ops) }
func (b *batch) SizeBytes() int { return b.sizeBytes }

func (b *batch) Reset() {
	clear(b.ops) // the strings belong to the trees now
	b.ops, b.sizeBytes, b.bad = b.ops[:0], 0, nil
}
