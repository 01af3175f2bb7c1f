package bench

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// mapTarget is a small store in memory, with places to break it.
type mapTarget struct {
	mu    sync.RWMutex
	data  map[string][]byte
	order []string // sorted keys, nil = to be made
	fakeRevisions

	// spoil, if set, may change what an operation does: it returns false to skip it.
	spoil func(op *Op) bool
	// before, if set, is called at the start of every Do.
	before func(ctx context.Context, op *Op) error
}

func newMapTarget() *mapTarget { return &mapTarget{data: map[string][]byte{}} }

func (t *mapTarget) Open(context.Context, int) (Session, error) { return &mapSession{t: t}, nil }

type mapSession struct {
	t    *mapTarget
	read []byte
}

func (s *mapSession) Close() error { return nil }

func (s *mapSession) Do(ctx context.Context, op *Op) error {
	t := s.t
	if t.before != nil {
		if err := t.before(ctx, op); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.revise(op)
	if t.spoil != nil && !t.spoil(op) {
		op.Items, op.Bytes = 1, int64(len(op.Key)+len(op.Value))
		return nil
	}
	switch op.Kind {
	case Get:
		v, ok := t.data[string(op.Key)]
		if !ok {
			return ErrNotFound
		}
		s.read = append(s.read[:0], v...)
		op.Value = s.read
		op.Items, op.Bytes = 1, int64(len(op.Key)+len(v))
	case Scan:
		t.scan(op)
	case Delete:
		delete(t.data, string(op.Key))
		t.order = nil
		op.Items, op.Bytes = 1, int64(len(op.Key))
	default:
		t.set(op, op.Key, op.Value)
		for _, p := range op.More {
			t.set(op, p.Key, p.Value)
		}
	}
	return nil
}

func (t *mapTarget) set(op *Op, key, value []byte) {
	if _, there := t.data[string(key)]; !there && t.order != nil {
		at, _ := slices.BinarySearch(t.order, string(key))
		t.order = slices.Insert(t.order, at, string(key))
	}
	t.data[string(key)] = slices.Clone(value)
	op.Items++
	op.Bytes += int64(len(key) + len(value))
}

func (t *mapTarget) scan(op *Op) {
	if t.order == nil {
		for k := range t.data {
			t.order = append(t.order, k)
		}
		slices.Sort(t.order)
	}
	at, _ := slices.BinarySearchFunc(t.order, op.Key, func(k string, key []byte) int { return strings.Compare(k, string(key)) })
	for _, k := range t.order[at:min(at+op.Limit, len(t.order))] {
		op.Items++
		op.Bytes += int64(len(k) + len(t.data[k]))
	}
}
