package server

import (
	"context"
	"sync"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/server/wire"
)

// call is one call of the KV service: the request, decoded, and the bytes it aliases. Calls are
// used again.
type call struct {
	method kvMethod
	buf    mem.Buffer // what the request aliases; nil when there is none
	get    wire.Range
	put    apply.Put
	del    apply.DeleteRange
	txn    wire.Txn
	size   int // of the request
}

type kvMethod uint8

const (
	methodRange kvMethod = iota
	methodPut
	methodDelete
	methodTxn
)

var calls = sync.Pool{New: func() any { return new(call) }}

func newCall(m kvMethod) *call {
	c := calls.Get().(*call)
	c.method = m
	return c
}

// free ends the use of c.
func (c *call) free() {
	if c.buf != nil {
		c.buf.Free()
	}
	*c = call{}
	calls.Put(c)
}

// decode is of incoming.
func (c *call) decode(buf mem.Buffer) error {
	buf.Ref()
	c.buf = buf
	return c.decodeBytes(buf.ReadOnlyData())
}

func (c *call) decodeBytes(b []byte) error {
	c.size = len(b)
	switch c.method {
	case methodRange:
		return c.get.Decode(b)
	case methodPut:
		return wire.DecodePut(b, &c.put)
	case methodDelete:
		return wire.DecodeDelete(b, &c.del)
	}
	return c.txn.Decode(b)
}

// reply is the response to a call of the KV service. The codec is its last user.
type reply struct{ wire.Response }

var replies = sync.Pool{New: func() any { return new(reply) }}

// Append is of outgoing.
func (r *reply) Append(b []byte) []byte {
	b = r.Response.Append(b)
	r.Response = wire.Response{}
	replies.Put(r)
	return b
}

func (s *Server) newReply(rev int64) *reply {
	r := replies.Get().(*reply)
	r.Header = s.header(rev)
	return r
}

// handle makes a gRPC handler of a method of the KV service.
func handle(m kvMethod, serve func(*Server, context.Context, *call) (any, error)) grpc.MethodHandler {
	return func(srv any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		c := newCall(m)
		defer c.free()
		if err := dec(c); err != nil {
			return nil, err
		}
		resp, err := serve(srv.(*Server), ctx, c)
		if err != nil {
			return nil, toGRPC(err)
		}
		return resp, nil
	}
}

func (s *Server) rangeCall(ctx context.Context, c *call) (any, error) {
	r := &c.get
	if err := s.admit(ctx, r.Serializable); err != nil {
		return nil, err
	}
	if err := r.Range.Check(); err != nil {
		return nil, err
	}
	if !r.Serializable {
		if err := s.replica.ReadIndex(ctx); err != nil {
			return nil, err
		}
	}
	res := new(apply.RangeResult)
	if err := s.state.Range(&r.Range, res); err != nil {
		return nil, err
	}
	resp := s.newReply(res.Rev)
	resp.Range = res
	return resp, nil
}

func (s *Server) putCall(ctx context.Context, c *call) (any, error) {
	p := &c.put
	if err := s.admit(ctx, false); err != nil {
		return nil, err
	}
	if err := s.checkQuota(p.Cost()); err != nil {
		return nil, err
	}
	if err := s.checkPut(p); err != nil {
		return nil, err
	}
	res, err := propose[*apply.PutResult](ctx, s, p, c.size)
	if err != nil {
		return nil, err
	}
	if res.Err != nil {
		return nil, res.Err
	}
	resp := s.newReply(res.Rev)
	resp.Put = res
	return resp, nil
}

func (s *Server) deleteCall(ctx context.Context, c *call) (any, error) {
	if err := s.admit(ctx, false); err != nil {
		return nil, err
	}
	if err := c.del.Check(); err != nil {
		return nil, err
	}
	res, err := propose[*apply.DeleteRangeResult](ctx, s, &c.del, c.size)
	if err != nil {
		return nil, err
	}
	if res.Err != nil {
		return nil, res.Err
	}
	resp := s.newReply(res.Rev)
	resp.Delete = res
	return resp, nil
}

func (s *Server) txnCall(ctx context.Context, c *call) (any, error) {
	t := &c.txn
	if err := s.admit(ctx, false); err != nil {
		return nil, err
	}
	if err := s.checkQuota(t.Cost()); err != nil {
		return nil, err
	}
	if err := s.checkTxn(&t.Txn); err != nil {
		return nil, err
	}
	res, err := s.doTxn(ctx, c)
	if err != nil {
		return nil, err
	}
	if res.Err != nil {
		return nil, res.Err
	}
	resp := s.newReply(res.Rev)
	resp.Txn = res
	return resp, nil
}

// doTxn carries out a transaction: one that only reads like a Range, others through the log.
func (s *Server) doTxn(ctx context.Context, c *call) (*apply.TxnResult, error) {
	t := &c.txn
	if !t.ReadOnly() {
		return propose[*apply.TxnResult](ctx, s, &t.Txn, c.size)
	}
	if !t.Serializable {
		if err := s.replica.ReadIndex(ctx); err != nil {
			return nil, err
		}
	}
	return s.state.Txn(&t.Txn)
}

// propose has a command applied, and returns what came of it. size is that of the request, or
// about that of the command.
func propose[R any](ctx context.Context, s *Server, cmd apply.Command, size int) (res R, err error) {
	command, err := s.command(cmd, size)
	if err != nil {
		return res, err
	}
	v, err := s.replica.Propose(ctx, command)
	if err != nil {
		return res, err
	}
	return resultOf[R](v)
}

// command encodes cmd, unless the request was too large for the log.
func (s *Server) command(cmd apply.Command, size int) ([]byte, error) {
	if size+commandOverhead > s.config.MaxRequestBytes {
		return nil, rpctypes.ErrGRPCRequestTooLarge
	}
	return cmd.Append(make([]byte, 0, size+commandOverhead)), nil
}

// resultOf is what the state machine has answered to a command.
func resultOf[R any](v any) (res R, err error) {
	switch r := v.(type) {
	case R:
		return r, nil
	case *apply.Done:
		return res, r.Err
	}
	return res, errUnexpected
}
