package server

import (
	"context"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/server/rpc"
	"github.com/etalon-kv/etalon/server/wire"
)

// fastCall is a call of the KV service for which no goroutine waits: the replica gives it its result
// (Receive), and the writer of the connection has it encoded (AppendReply). Fast calls are used again.
type fastCall struct {
	call
	s   *Server
	rpc rpc.Call
	// One of result, txn and err is the outcome; read says that the range is still to be read, by
	// whoever encodes the response.
	result any
	found  apply.RangeResult
	read   bool
	err    error
}

var fastCalls = sync.Pool{New: func() any { return new(fastCall) }}

func (s *Server) registerFast(g *rpc.Server) {
	for _, m := range []struct {
		name   string
		method kvMethod
		start  func(*fastCall, rpc.Caller) error
	}{
		{"Range", methodRange, (*fastCall).startRange},
		{"Put", methodPut, (*fastCall).startPut},
		{"DeleteRange", methodDelete, (*fastCall).startDelete},
		{"Txn", methodTxn, (*fastCall).startTxn},
	} {
		g.RegisterFast("/"+kvService.ServiceName+"/"+m.name, func(c rpc.Call, from rpc.Caller, msg []byte) {
			f := fastCalls.Get().(*fastCall)
			f.s, f.rpc, f.method = s, c, m.method
			err := f.decodeBytes(msg)
			if err != nil {
				err = status.Errorf(codes.Internal, "grpc: error unmarshalling request: %v", err)
			} else {
				err = m.start(f, from)
			}
			if err != nil {
				f.fail(err)
			}
		})
	}
}

// fail ends the call with an error.
func (f *fastCall) fail(err error) {
	f.err = toGRPC(err)
	f.rpc.Done(f)
}

// Receive is of replica.Receiver.
func (f *fastCall) Receive(result any, err error) {
	f.result, f.err = result, err
	f.rpc.Done(f)
}

// smallLimit is the number of keys up to which a range is read by the writer of the connection.
const smallLimit = 16

// startRange reads one key, or few, when the read index is there; anything that may take long has a
// goroutine. The key is copied where it outlives the message.
func (f *fastCall) startRange(from rpc.Caller) error {
	r := &f.get
	if err := f.s.admitCaller(from, r.Serializable); err != nil {
		return err
	}
	if err := r.Range.Check(); err != nil {
		return err
	}
	r.Key, r.End = clone(r.Key), clone(r.End)
	small := len(r.End) == 0 || r.Limit > 0 && r.Limit <= smallLimit && r.Order == apply.SortNone &&
		r.Target == apply.SortByKey && r.MinMod|r.MaxMod|r.MinCreate|r.MaxCreate == 0
	if !small {
		f.detach(f.readRange)
		return nil
	}
	f.read = true
	if r.Serializable {
		f.rpc.Done(f)
		return nil
	}
	return f.s.replica.ReadIndexTo(f)
}

func clone(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

// detach has the call go on in a goroutine, since it may wait or take long.
func (f *fastCall) detach(work func() error) {
	f.s.receivers.Go(func() {
		if err := work(); err != nil {
			f.fail(err)
			return
		}
		f.rpc.Done(f)
	})
}

func (f *fastCall) readRange() error {
	if !f.get.Serializable {
		if err := f.s.replica.ReadIndex(context.Background()); err != nil {
			return err
		}
	}
	return f.s.state.Range(&f.get.Range, &f.found)
}

// propose goes through the log.
func (f *fastCall) propose(cmd apply.Command) error {
	command, err := f.s.command(cmd, f.size)
	if err != nil {
		return err
	}
	f.call = call{method: f.method} // what it had aliases the message
	return f.s.replica.ProposeTo(command, f)
}

// noSpace raises the alarm, which waits. What has room by then is refused all the same: it was looked at once.
func (f *fastCall) noSpace() error {
	f.detach(f.s.refuseForSpace)
	return nil
}

func (f *fastCall) startPut(from rpc.Caller) error {
	if err := f.s.admitCaller(from, false); err != nil {
		return err
	}
	if f.s.overQuota(f.put.Cost()) {
		return f.noSpace()
	}
	if err := f.s.checkPut(&f.put); err != nil {
		return err
	}
	return f.propose(&f.put)
}

func (f *fastCall) startDelete(from rpc.Caller) error {
	if err := f.s.admitCaller(from, false); err != nil {
		return err
	}
	if err := f.del.Check(); err != nil {
		return err
	}
	return f.propose(&f.del)
}

func (f *fastCall) startTxn(from rpc.Caller) error {
	t := &f.txn
	if err := f.s.admitCaller(from, false); err != nil {
		return err
	}
	if f.s.overQuota(t.Cost()) {
		return f.noSpace()
	}
	if err := f.s.checkTxn(&t.Txn); err != nil {
		return err
	}
	if !t.ReadOnly() {
		return f.propose(&t.Txn)
	}
	// Read again from the copy, to own it.
	again, err := apply.Decode(t.Txn.Append(nil))
	if err != nil {
		return err
	}
	own, serializable := again.(*apply.Txn), t.Serializable
	f.call = call{method: f.method}
	f.detach(func() error {
		if !serializable {
			if err := f.s.replica.ReadIndex(context.Background()); err != nil {
				return err
			}
		}
		res, err := f.s.state.Txn(own)
		f.result = res
		return err
	})
	return nil
}

// AppendReply is of rpc.Reply.
func (f *fastCall) AppendReply(b []byte) ([]byte, error) {
	defer f.Drop()
	resp, err := f.response()
	if err != nil {
		return nil, toGRPC(err)
	}
	return resp.Append(b), nil
}

func (f *fastCall) response() (r wire.Response, err error) {
	if f.err != nil {
		return r, f.err
	}
	if f.method == methodRange {
		if f.read {
			if err := f.s.state.Range(&f.get.Range, &f.found); err != nil {
				return r, err
			}
		}
		return wire.Response{Header: f.s.header(f.found.Rev), Range: &f.found}, nil
	}
	switch v := f.result.(type) {
	case *apply.PutResult:
		r.Put, r.Header.Revision, err = v, v.Rev, v.Err
	case *apply.DeleteRangeResult:
		r.Delete, r.Header.Revision, err = v, v.Rev, v.Err
	case *apply.TxnResult:
		r.Txn, r.Header.Revision, err = v, v.Rev, v.Err
	case *apply.Done:
		err = v.Err
	default:
		err = errUnexpected
	}
	r.Header = f.s.header(r.Header.Revision)
	return r, err
}

// Drop is of rpc.Reply: the call is used no more.
func (f *fastCall) Drop() {
	kvs := f.found.KVs
	clear(kvs)
	*f = fastCall{found: apply.RangeResult{KVs: kvs[:0]}}
	if cap(kvs) > smallLimit {
		f.found.KVs = nil
	}
	fastCalls.Put(f)
}
