package selftest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etalon-kv/etalon/bench"
)

// fake is a target, and its own session, that does what do says; a nil do does nothing.
type fake struct {
	do func(ctx context.Context, op *bench.Op) error
}

func (f fake) Open(context.Context, int) (bench.Session, error) { return f, nil }
func (f fake) Close() error                                     { return nil }

func (f fake) Do(ctx context.Context, op *bench.Op) error {
	op.Items = 1 + len(op.More)
	op.Bytes = int64(len(op.Key) + len(op.Value))
	if f.do == nil {
		return nil
	}
	return f.do(ctx, op)
}

// ready is a Fixture that says that t holds all records.
func ready(t bench.Target) func(context.Context) (bench.Target, bool, error) {
	return func(context.Context) (bench.Target, bool, error) { return t, true, nil }
}

// spin takes d, without sleeping, which is not exact enough.
func spin(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; {
	}
}

// stalling is a target that answers at once, except for the middle half of stallRun after its first
// operation: what arrives then waits for the end of that half.
func stalling() fake {
	var began atomic.Pointer[time.Time]
	return fake{do: func(ctx context.Context, _ *bench.Op) error {
		now := time.Now()
		start := began.Load()
		if start == nil {
			began.CompareAndSwap(nil, &now)
			start = began.Load()
		}
		if at := now.Sub(*start); at < stallRun/4 || at >= stallRun*3/4 {
			return nil
		}
		select {
		case <-time.After(stallRun*3/4 - now.Sub(*start)):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
}

// store is a small key-value store in memory, with a place to spoil it.
type store struct {
	data  sync.Map // string → []byte
	spoil func(op *bench.Op, value []byte) (stored []byte, keep bool)
}

func (s *store) do(_ context.Context, op *bench.Op) error {
	if op.Kind == bench.Get {
		v, ok := s.data.Load(string(op.Key))
		if !ok {
			return bench.ErrNotFound
		}
		op.Value = v.([]byte)
		return nil
	}
	s.set(op, op.Key, op.Value)
	for _, p := range op.More {
		s.set(op, p.Key, p.Value)
	}
	return nil
}

func (s *store) set(op *bench.Op, key, value []byte) {
	stored, keep := append([]byte(nil), value...), true
	if s.spoil != nil {
		stored, keep = s.spoil(op, stored)
	}
	if keep {
		s.data.Store(string(key), stored)
	}
}
