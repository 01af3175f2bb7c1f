package targets

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/results"
)

// MVCC is the target of a multi-version store: an operation is a read at one revision, or a write
// transaction that makes a revision of its own, with all pairs of a batch in it. A
// read-modify-write reads a key, then puts it in a transaction that first compares its mod
// revision with the one read; if it has changed meanwhile the operation reads again, so conflicts
// show as time and never as errors. Nothing is compacted unless Compact is called: a run that
// overwrites grows.
//
// Sessions may run side by side.
type MVCC struct {
	store  *mvcc.Store
	under  backend
	commit committer[*transactions]

	hubOnce sync.Once // a store that nobody watches has no hub
	hub     *mvcc.Hub
	hubErr  error
}

// transactions are those of a group, in the order in which they are carried out, each in a
// revision of its own.
type transactions struct {
	list       []*mvccSession
	ops, bytes int
}

// NewMVCC drives s, which stands on b, with the given durability: sync gives each transaction a
// commit and a sync of its own; group carries out those that wait at the same time one after the
// other, in one commit; interval and none commit without a sync (for interval b is an
// engine.Buffered, which syncs in the background). dir is where b keeps its files, for the count of
// the device below it; "" = nowhere. The caller keeps s and b and closes them after the sessions.
func NewMVCC(s *mvcc.Store, b engine.Backend, d results.Durability, dir string) (*MVCC, error) {
	group, sync, err := commitHow(d)
	if err != nil {
		return nil, err
	}
	m := &MVCC{store: s, under: newBackend(b, d, dir)}
	how := batching[*transactions]{
		make:  func() *transactions { return new(transactions) },
		reset: func(t *transactions) { *t = transactions{list: t.list[:0]} },
		apply: func(t *transactions) error { return m.apply(t, sync) },
		full:  func(t *transactions) bool { return m.under.full(t.ops, t.bytes) },
	}
	if m.commit = single(how); group {
		m.commit = grouped(how)
	}
	return m, nil
}

// apply carries out t in one commit. What is wrong with one transaction is told to its session
// alone.
func (m *MVCC) apply(t *transactions, sync bool) error {
	txn, err := m.store.Begin()
	if err != nil {
		return err
	}
	defer txn.Rollback()
	for _, s := range t.list {
		s.err = s.carryOut(txn)
		s.rev = txn.Rev()
		txn.Next()
	}
	_, err = txn.Commit(sync)
	return err
}

// Durability is the label of what the target gives.
func (m *MVCC) Durability() results.Durability { return m.under.label }

// Consistency is that of one store without replicas.
func (m *MVCC) Consistency() results.Consistency { return results.Local }

// Options are the effective options of the store and of the backend below it.
func (m *MVCC) Options() map[string]map[string]string {
	options := m.under.options()
	if options == nil {
		options = make(map[string]map[string]string)
	}
	options["mvcc"] = map[string]string{"maxWriteBytes": strconv.Itoa(m.store.MaxWriteBytes())}
	return options
}

// Gauges are the backend's statistics, and the device's.
func (m *MVCC) Gauges() bench.Gauges { return m.under.gauges() }

// Drain waits for the backend's background work, if it has any.
func (m *MVCC) Drain(ctx context.Context) error { return m.under.drain(ctx) }

// ErrorClass names the class of an error of Do; "" is one it does not know.
func (m *MVCC) ErrorClass(err error) string {
	return classOf(err, append([]errorClass{
		{mvcc.ErrCorrupt, "corrupt"},
		{mvcc.ErrStopped, "stopped"},
		{mvcc.ErrClosed, "closed"},
		{mvcc.ErrCompacted, "compacted"},
		{mvcc.ErrFutureRevision, "future-revision"},
		{mvcc.ErrTooLarge, "too-large"},
		{mvcc.ErrEmptyKey, "empty-key"},
	}, engineClasses()...))
}

// Open starts a session.
func (m *MVCC) Open(context.Context, int) (bench.Session, error) {
	s := &mvccSession{target: m}
	s.add = func(t *transactions) { // bound once: made in Do it would cost an allocation each time
		t.list = append(t.list, s)
		t.ops += 1 + len(s.op.More)
		t.bytes += int(dataBytes(s.op))
	}
	return s, nil
}

type mvccSession struct {
	target *MVCC
	add    func(*transactions)

	// Of the write under way: what is asked, and what came of it.
	op      *bench.Op
	compare bool  // put only if the mod revision of the key is still seen
	seen    int64 // 0: the key was not there
	err     error
	rev     int64
}

// errChanged: the key was written since it was read.
var errChanged = errors.New("targets: key has changed since it was read")

func (s *mvccSession) Do(ctx context.Context, op *bench.Op) error {
	s.op = op
	switch op.Kind {
	case bench.Get:
		kv, found, err := s.get(op)
		if err == nil && !found {
			err = bench.ErrNotFound
		}
		op.Value = kv.Value
		return err
	case bench.Scan:
		return s.scan(op)
	case bench.ReadModifyWrite:
		return s.readModifyWrite(ctx, op)
	case bench.Put, bench.Insert, bench.Delete:
		s.compare = false
		return s.write(op)
	default:
		return fmt.Errorf("targets: operation %v is not for a multi-version store", op.Kind)
	}
}

// get reads op.Key at op.Rev. It leaves op.Value alone.
func (s *mvccSession) get(op *bench.Op) (mvcc.KeyValue, bool, error) {
	op.Items, op.Bytes = 0, 0
	kv, found, err := s.target.store.Get(op.Key, op.Rev)
	if found {
		op.Items, op.Bytes = 1, int64(len(op.Key)+len(kv.Value))
	}
	return kv, found, err
}

func (s *mvccSession) scan(op *bench.Op) error {
	op.Items, op.Bytes = 0, 0
	r, err := s.target.store.Range(op.Key, op.End, mvcc.RangeOptions{Rev: op.Rev, Limit: int64(op.Limit)})
	if err != nil {
		return err
	}
	op.Items, op.Rev = len(r.KVs), r.Rev
	for i := range r.KVs {
		op.Bytes += int64(len(r.KVs[i].Key) + len(r.KVs[i].Value))
	}
	return nil
}

// readModifyWrite ends when the put was not overtaken by another, or ctx has ended. Of the bytes it
// counts those of the last attempt.
func (s *mvccSession) readModifyWrite(ctx context.Context, op *bench.Op) error {
	for {
		op.Rev = 0
		kv, _, err := s.get(op) // a key that is not there has mod revision 0, and is put
		if err != nil {
			return err
		}
		read := op.Bytes
		s.compare, s.seen = true, kv.ModRevision
		err = s.write(op)
		op.Bytes += read
		if !errors.Is(err, errChanged) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// write has op carried out in a transaction of its own.
func (s *mvccSession) write(op *bench.Op) error {
	op.Items, op.Bytes = 0, 0
	if err := s.target.commit(s.add); err != nil {
		return err
	}
	if s.err != nil {
		return s.err
	}
	op.Items, op.Bytes, op.Rev = 1+len(op.More), dataBytes(op), s.rev
	return nil
}

// carryOut writes into txn, all of the operation or nothing.
func (s *mvccSession) carryOut(txn *mvcc.Txn) error {
	op := s.op
	if s.compare {
		e, found := txn.Entry(op.Key)
		if found && e.ModRev.Main != s.seen || !found && s.seen != 0 {
			return errChanged
		}
	}
	if err := s.check(op.Key, op.Value); err != nil {
		return err
	}
	for i := range op.More {
		if err := s.check(op.More[i].Key, op.More[i].Value); err != nil {
			return err
		}
	}
	if err := change(txn, op.Kind, op.Key, op.Value); err != nil {
		return err
	}
	for i := range op.More {
		if err := change(txn, op.Kind, op.More[i].Key, op.More[i].Value); err != nil {
			return err
		}
	}
	return nil
}

// check refuses what the transaction would, before anything of the operation is in it.
func (s *mvccSession) check(key, value []byte) error {
	if len(key) == 0 {
		return mvcc.ErrEmptyKey
	}
	if n := len(key) + len(value); n > s.target.store.MaxWriteBytes() {
		return fmt.Errorf("%w: %d bytes, at most %d", mvcc.ErrTooLarge, n, s.target.store.MaxWriteBytes())
	}
	return nil
}

func change(txn *mvcc.Txn, kind bench.Kind, key, value []byte) (err error) {
	if kind == bench.Delete {
		_, err = txn.Delete(key)
	} else {
		_, err = txn.Put(key, value, 0)
	}
	return err
}

func (s *mvccSession) Close() error { return nil }

var (
	_ bench.Target       = (*MVCC)(nil)
	_ bench.Drainer      = (*MVCC)(nil)
	_ bench.Gauger       = (*MVCC)(nil)
	_ bench.Labeled      = (*MVCC)(nil)
	_ bench.Described    = (*MVCC)(nil)
	_ bench.ErrorClasser = (*MVCC)(nil)
)
