package targets

import (
	"context"
	"errors"
	"fmt"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/mvcc"
)

// Open starts a session.
func (g *Replica) Open(context.Context, int) (bench.Session, error) {
	return &replicaSession{g: g}, nil
}

type replicaSession struct {
	g     *Replica
	asked apply.Range // reused by every read
	found apply.RangeResult
}

func (s *replicaSession) Do(ctx context.Context, op *bench.Op) error {
	switch op.Kind {
	case bench.Get:
		kv, err := s.get(ctx, op)
		op.Value = kv.Value
		return err
	case bench.Scan:
		return s.scan(ctx, op)
	case bench.ReadModifyWrite:
		return s.readModifyWrite(ctx, op)
	case bench.Put, bench.Insert, bench.Delete:
		op.Items, op.Bytes = 0, 0
		result, err := s.g.lead().Propose(ctx, writeCommand(op))
		if err != nil {
			return err
		}
		if op.Rev, err = writtenRev(result); err != nil {
			return err
		}
		op.Items, op.Bytes = 1+len(op.More), dataBytes(op)
		return nil
	default:
		return fmt.Errorf("targets: operation %v is not for a replicated store", op.Kind)
	}
}

// read is a linearizable read of the leader's state.
func (s *replicaSession) read(ctx context.Context) error {
	m := s.g.lead()
	if err := m.ReadIndex(ctx); err != nil {
		return err
	}
	return m.state.Range(&s.asked, &s.found)
}

// get reads op.Key at op.Rev. It leaves op.Value alone.
func (s *replicaSession) get(ctx context.Context, op *bench.Op) (apply.KeyValue, error) {
	op.Items, op.Bytes = 0, 0
	s.asked = apply.Range{Key: op.Key, Rev: op.Rev}
	if err := s.read(ctx); err != nil {
		return apply.KeyValue{}, err
	}
	if len(s.found.KVs) == 0 {
		return apply.KeyValue{}, bench.ErrNotFound
	}
	kv := s.found.KVs[0]
	op.Items, op.Bytes = 1, int64(len(op.Key)+len(kv.Value))
	return kv, nil
}

func (s *replicaSession) scan(ctx context.Context, op *bench.Op) error {
	op.Items, op.Bytes = 0, 0
	s.asked = apply.Range{Key: op.Key, End: rangeEnd(op.End), Limit: int64(op.Limit), Rev: op.Rev}
	if err := s.read(ctx); err != nil {
		return err
	}
	if op.Rev == 0 {
		op.Rev = s.found.Rev
	}
	op.Items = len(s.found.KVs)
	for i := range s.found.KVs {
		op.Bytes += int64(len(s.found.KVs[i].Key) + len(s.found.KVs[i].Value))
	}
	return nil
}

// allKeys is the end of a range that has none, on etcd's wire and in its commands.
var allKeys = []byte{0}

func rangeEnd(end []byte) []byte {
	if len(end) == 0 {
		return allKeys
	}
	return end
}

// readModifyWrite ends when the put was not overtaken by another, or ctx has ended. Of the bytes it
// counts those of the last attempt.
func (s *replicaSession) readModifyWrite(ctx context.Context, op *bench.Op) error {
	for {
		op.Rev = 0
		kv, err := s.get(ctx, op) // a key that is not there has mod revision 0, and is put
		if err != nil && !errors.Is(err, bench.ErrNotFound) {
			return err
		}
		read := op.Bytes
		op.Items, op.Bytes = 0, 0
		result, err := s.g.lead().Propose(ctx, compareAndPut(op, kv.ModRevision))
		if err != nil {
			return err
		}
		if op.Rev, err = writtenRev(result); err != nil {
			return err
		}
		if r, ok := result.(*apply.TxnResult); ok && r.Succeeded {
			op.Items, op.Bytes = 1+len(op.More), read+dataBytes(op)
			return nil
		}
	}
}

// writeCommand is the command of a write, in new memory, which log and core keep.
func writeCommand(op *bench.Op) []byte {
	buffer := make([]byte, 0, commandBytes(op))
	if len(op.More) > 0 {
		return (&apply.Txn{Success: writeOps(op)}).Append(buffer)
	}
	if op.Kind == bench.Delete {
		return (&apply.DeleteRange{Key: op.Key}).Append(buffer)
	}
	return (&apply.Put{Key: op.Key, Value: op.Value}).Append(buffer)
}

// compareAndPut writes only if the mod revision of the key is still seen; 0: it is not there.
func compareAndPut(op *bench.Op, seen int64) []byte {
	t := apply.Txn{
		Compares: []apply.Compare{{Key: op.Key, Target: apply.CompareMod, Result: apply.Equal, Number: seen}},
		Success:  writeOps(op),
	}
	return t.Append(make([]byte, 0, commandBytes(op)+len(op.Key)))
}

func writeOps(op *bench.Op) []apply.Op {
	ops := make([]apply.Op, 0, 1+len(op.More))
	add := func(key, value []byte) {
		if op.Kind == bench.Delete {
			ops = append(ops, apply.Op{Delete: &apply.DeleteRange{Key: key}})
			return
		}
		ops = append(ops, apply.Op{Put: &apply.Put{Key: key, Value: value}})
	}
	add(op.Key, op.Value)
	for i := range op.More {
		add(op.More[i].Key, op.More[i].Value)
	}
	return ops
}

// commandBytes is room for a command: its data, and what stands around each pair.
func commandBytes(op *bench.Op) int { return int(dataBytes(op)) + 32*(1+len(op.More)) }

// writtenRev is the revision of a write's result.
func writtenRev(result any) (int64, error) {
	switch r := result.(type) {
	case *apply.PutResult:
		return r.Rev, r.Err
	case *apply.DeleteRangeResult:
		return r.Rev, r.Err
	case *apply.TxnResult:
		return r.Rev, r.Err
	case *apply.Done:
		return r.Rev, r.Err
	}
	return 0, fmt.Errorf("targets: a write was answered with %T", result)
}

func (s *replicaSession) Close() error { return nil }

// Watch watches [key, end) at the leader, through a stream of its own.
func (g *Replica) Watch(ctx context.Context, key, end []byte) (bench.Watch, error) {
	v, err := g.lead().state.View()
	if err != nil {
		return nil, err
	}
	return watchHub(ctx, v.Hub, key, end)
}

// Compact makes rev the oldest revision that can be read, and waits until the records below are gone on
// every member.
func (g *Replica) Compact(ctx context.Context, rev int64) error {
	result, err := g.lead().Propose(ctx, (&apply.Compact{Rev: rev}).Append(nil))
	if err != nil {
		return err
	}
	if done, ok := result.(*apply.Done); !ok || done.Err != nil && !errors.Is(done.Err, mvcc.ErrCompacted) {
		return fmt.Errorf("targets: compact at %d: %v", rev, result)
	}
	for _, m := range g.members {
		if err := m.ReadIndex(ctx); err != nil {
			return err
		}
		if err := m.state.WaitCompacted(ctx, rev); err != nil {
			return err
		}
	}
	return nil
}
