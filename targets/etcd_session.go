package targets

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etalon-kv/etalon/bench"
)

// Open starts a session. Sessions share the connections evenly.
func (e *Etcd) Open(_ context.Context, worker int) (bench.Session, error) {
	return &etcdSession{e: e, kv: clientv3.RetryKVClient(e.clients[worker%len(e.clients)])}, nil
}

// etcdSession speaks through the client's own stub, which takes bytes as they are: the methods above it
// take strings, and would copy every key and value twice.
type etcdSession struct {
	e  *Etcd
	kv pb.KVClient
}

// scope turns the keys of a workload into those of the cluster.
func (e *Etcd) scope(key []byte) []byte {
	if e.cfg.Cluster != nil {
		return key
	}
	return append([]byte(Prefix), key...)
}

// scopeEnd is the end of a range.
func (e *Etcd) scopeEnd(end []byte) []byte {
	switch {
	case len(end) > 0:
		return e.scope(end)
	case e.cfg.Cluster != nil:
		return allKeys
	default:
		return []byte(clientv3.GetPrefixRangeEnd(Prefix))
	}
}

func (s *etcdSession) Do(ctx context.Context, op *bench.Op) error {
	ctx, cancel := context.WithTimeout(ctx, s.e.cfg.Timeout)
	defer cancel()
	switch op.Kind {
	case bench.Get:
		_, value, err := s.get(ctx, op)
		op.Value = value
		return err
	case bench.Scan:
		return s.scan(ctx, op)
	case bench.ReadModifyWrite:
		return s.readModifyWrite(ctx, op)
	case bench.Put, bench.Insert, bench.Delete:
		return s.write(ctx, op)
	default:
		return fmt.Errorf("targets: operation %v is not for a server of etcd's API", op.Kind)
	}
}

// get reads op.Key at op.Rev, and returns its mod revision and value. It leaves op.Value alone.
func (s *etcdSession) get(ctx context.Context, op *bench.Op) (rev int64, value []byte, err error) {
	op.Items, op.Bytes = 0, 0
	r, err := s.kv.Range(ctx, &pb.RangeRequest{Key: s.e.scope(op.Key), Revision: op.Rev})
	if err != nil {
		return 0, nil, err
	}
	if len(r.Kvs) == 0 {
		return 0, nil, bench.ErrNotFound
	}
	kv := r.Kvs[0]
	op.Items, op.Bytes = 1, int64(len(op.Key)+len(kv.Value))
	return kv.ModRevision, kv.Value, nil
}

func (s *etcdSession) scan(ctx context.Context, op *bench.Op) error {
	op.Items, op.Bytes = 0, 0
	r, err := s.kv.Range(ctx, &pb.RangeRequest{Key: s.e.scope(op.Key), RangeEnd: s.e.scopeEnd(op.End), Limit: int64(op.Limit), Revision: op.Rev})
	if err != nil {
		return err
	}
	if op.Rev == 0 {
		op.Rev = r.Header.Revision
	}
	op.Items = len(r.Kvs)
	for _, kv := range r.Kvs {
		op.Bytes += int64(len(kv.Key) + len(kv.Value))
	}
	return nil
}

func (s *etcdSession) write(ctx context.Context, op *bench.Op) error {
	op.Items, op.Bytes = 0, 0
	var header *pb.ResponseHeader
	switch {
	case len(op.More) > 0:
		r, err := s.kv.Txn(ctx, &pb.TxnRequest{Success: s.requests(op)})
		if err != nil {
			return err
		}
		header = r.Header
	case op.Kind == bench.Delete:
		r, err := s.kv.DeleteRange(ctx, &pb.DeleteRangeRequest{Key: s.e.scope(op.Key)})
		if err != nil {
			return err
		}
		header = r.Header
	default:
		r, err := s.kv.Put(ctx, &pb.PutRequest{Key: s.e.scope(op.Key), Value: op.Value})
		if err != nil {
			return err
		}
		header = r.Header
	}
	op.Items, op.Bytes, op.Rev = 1+len(op.More), dataBytes(op), header.Revision
	return nil
}

// requests are the writes of op in a transaction.
func (s *etcdSession) requests(op *bench.Op) []*pb.RequestOp {
	all := make([]*pb.RequestOp, 0, 1+len(op.More))
	add := func(key, value []byte) {
		key = s.e.scope(key)
		if op.Kind == bench.Delete {
			all = append(all, &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: key}}})
			return
		}
		all = append(all, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: key, Value: value}}})
	}
	add(op.Key, op.Value)
	for i := range op.More {
		add(op.More[i].Key, op.More[i].Value)
	}
	return all
}

// readModifyWrite ends when the put was not overtaken by another, or ctx has ended. Of the bytes it
// counts those of the last attempt.
func (s *etcdSession) readModifyWrite(ctx context.Context, op *bench.Op) error {
	for {
		op.Rev = 0
		seen, _, err := s.get(ctx, op) // a key that is not there has mod revision 0, and is put
		if err != nil && !errors.Is(err, bench.ErrNotFound) {
			return err
		}
		read := op.Bytes
		op.Items, op.Bytes = 0, 0
		r, err := s.kv.Txn(ctx, &pb.TxnRequest{
			Compare: []*pb.Compare{{
				Key: s.e.scope(op.Key), Target: pb.Compare_MOD, Result: pb.Compare_EQUAL, TargetUnion: &pb.Compare_ModRevision{ModRevision: seen},
			}},
			Success: s.requests(op),
		})
		if err != nil {
			return err
		}
		if r.Succeeded {
			op.Items, op.Bytes, op.Rev = 1+len(op.More), read+dataBytes(op), r.Header.Revision
			return nil
		}
	}
}

func (s *etcdSession) Close() error { return nil }

// Compact makes rev the oldest revision that can be read, and waits until the records below are gone.
func (e *Etcd) Compact(ctx context.Context, rev int64) error {
	_, err := e.clients[0].Compact(ctx, rev, clientv3.WithCompactPhysical())
	return err
}

// Watch watches [key, end). Watches of one connection share a stream, as the client does it.
func (e *Etcd) Watch(ctx context.Context, key, end []byte) (bench.Watch, error) {
	if len(key) == 0 {
		key = allKeys // the first key there can be
	}
	to := e.scopeEnd(end)
	own, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it lives longer than the call
	w := &etcdWatch{e: e, cancel: cancel}
	w.news = e.clients[0].Watch(own, string(e.scope(key)), clientv3.WithRange(string(to)), clientv3.WithCreatedNotify())
	if _, err := w.Next(ctx); err != nil { // that it was created
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

type etcdWatch struct {
	e      *Etcd
	news   clientv3.WatchChan
	cancel context.CancelFunc
	events []bench.Event
}

func (w *etcdWatch) Next(ctx context.Context) ([]bench.Event, error) {
	select {
	case r, ok := <-w.news:
		if !ok {
			return nil, errors.New("targets: watch has ended")
		}
		if err := r.Err(); err != nil {
			return nil, fmt.Errorf("targets: watch was canceled: %w", err)
		}
		w.events = w.events[:0]
		for _, e := range r.Events {
			key := e.Kv.Key
			if w.e.cfg.Cluster == nil {
				key = bytes.TrimPrefix(key, []byte(Prefix))
			}
			w.events = append(w.events, bench.Event{Key: key, Value: e.Kv.Value, Rev: e.Kv.ModRevision, Deleted: e.Type == clientv3.EventTypeDelete})
		}
		return w.events, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *etcdWatch) Close() error {
	w.cancel()
	for range w.news { // closed when the client has let go of it
	}
	return nil
}
