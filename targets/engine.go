package targets

import (
	"context"
	"errors"
	"fmt"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/results"
)

// space is where an Engine keeps its data.
const space engine.Space = 1

// Engine is the target of a bare storage backend: an operation is one Snapshot and its reads, or
// one batch of writes, committed with the durability asked for. Sessions may run side by side;
// writes take turns, because a Backend has one writer.
type Engine struct {
	under  backend
	commit committer[engine.Batch]
}

// NewEngine drives b with the given durability: sync gives each write an Apply and a sync of its
// own, group lets waiting writers share them, interval acknowledges before the sync (b is then an
// engine.Buffered, which syncs in the background), none never asks for one. dir is where b keeps
// its files, for the count of the device below; "" = nowhere. The caller keeps b and closes it after
// the sessions.
func NewEngine(b engine.Backend, d results.Durability, dir string) (*Engine, error) {
	group, sync, err := commitHow(d)
	if err != nil {
		return nil, err
	}
	e := &Engine{under: newBackend(b, d, dir)}
	how := batching[engine.Batch]{
		make:  b.NewBatch,
		reset: engine.Batch.Reset,
		apply: func(batch engine.Batch) error { return b.Apply(batch, sync) },
		full:  func(batch engine.Batch) bool { return e.under.full(batch.Len(), batch.SizeBytes()) },
	}
	if e.commit = single(how); group {
		e.commit = grouped(how)
	}
	return e, nil
}

// Durability is the label of what the target gives.
func (e *Engine) Durability() results.Durability { return e.under.label }

// Consistency is that of one store without replicas.
func (e *Engine) Consistency() results.Consistency { return results.Local }

// Options are the backend's effective options.
func (e *Engine) Options() map[string]map[string]string { return e.under.options() }

// Gauges are the backend's statistics, and the device's.
func (e *Engine) Gauges() bench.Gauges { return e.under.gauges() }

// Drain waits for the backend's background work, if it has any.
func (e *Engine) Drain(ctx context.Context) error { return e.under.drain(ctx) }

// ErrorClass names the class of an error of Do; "" is one it does not know.
func (e *Engine) ErrorClass(err error) string { return classOf(err, engineClasses()) }

// Open starts a session.
func (e *Engine) Open(context.Context, int) (bench.Session, error) {
	s := &session{engine: e}
	s.fill = s.write // bound once: a method value made in Do would cost an allocation each time
	return s, nil
}

type session struct {
	engine *Engine
	op     *bench.Op // of the Do under way, for fill
	fill   func(engine.Batch)
	value  []byte
}

func (s *session) Do(_ context.Context, op *bench.Op) error {
	s.op = op
	switch op.Kind {
	case bench.Get:
		return s.get(op)
	case bench.Scan:
		return s.scan(op)
	case bench.ReadModifyWrite:
		// The value that is written does not depend on the one read, so op.Value must outlive the read.
		write := op.Value
		if err := s.get(op); err != nil && !errors.Is(err, bench.ErrNotFound) {
			return err
		}
		read := op.Bytes
		op.Value = write
		err := s.put(op)
		op.Bytes += read
		return err
	case bench.Put, bench.Insert, bench.Delete:
		return s.put(op)
	default:
		return fmt.Errorf("targets: operation %v is not for a bare engine", op.Kind)
	}
}

func (s *session) get(op *bench.Op) (err error) {
	op.Items, op.Bytes = 0, 0
	snap, err := s.engine.under.Snapshot()
	if err != nil {
		return err
	}
	s.value, err = snap.Get(s.value[:0], space, op.Key)
	if closeErr := snap.Close(); err == nil {
		err = closeErr
	}
	if errors.Is(err, engine.ErrNotFound) {
		return bench.ErrNotFound
	}
	if err != nil {
		return err
	}
	op.Value = s.value
	op.Items, op.Bytes = 1, int64(len(op.Key)+len(s.value))
	return nil
}

func (s *session) scan(op *bench.Op) (err error) {
	op.Items, op.Bytes = 0, 0
	snap, err := s.engine.under.Snapshot()
	if err != nil {
		return err
	}
	it := snap.Scan(space, op.Key, op.End)
	for w := engine.Walk(it, op.Limit); w.Next(); {
		op.Items += len(w.Run())
		for _, p := range w.Run() {
			op.Bytes += int64(len(p.Key) + len(p.Value))
		}
	}
	err = it.Close()
	if closeErr := snap.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (s *session) put(op *bench.Op) error {
	op.Items, op.Bytes = 0, 0
	if err := s.engine.commit(s.fill); err != nil {
		return err
	}
	op.Items, op.Bytes = 1+len(op.More), dataBytes(op)
	return nil
}

func (s *session) write(b engine.Batch) {
	if s.op.Kind == bench.Delete {
		b.Delete(space, s.op.Key)
		for i := range s.op.More {
			b.Delete(space, s.op.More[i].Key)
		}
		return
	}
	b.Set(space, s.op.Key, s.op.Value)
	for i := range s.op.More {
		b.Set(space, s.op.More[i].Key, s.op.More[i].Value)
	}
}

func (s *session) Close() error { return nil }

var (
	_ bench.Target       = (*Engine)(nil)
	_ bench.Drainer      = (*Engine)(nil)
	_ bench.Gauger       = (*Engine)(nil)
	_ bench.Labeled      = (*Engine)(nil)
	_ bench.Described    = (*Engine)(nil)
	_ bench.ErrorClasser = (*Engine)(nil)
)
