package wire

import (
	"math/rand/v2"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/etalon-kv/etalon/internal/seedtest"
)

// random makes messages.
type random struct{ *rand.Rand }

// newRandom prints its seed; ETALON_SEED replays one.
func newRandom(t *testing.T) random {
	return random{seedtest.Rand(t)}
}

func (r random) bool() bool { return r.IntN(2) == 0 }

func (r random) bytes() []byte {
	if r.IntN(4) == 0 {
		return nil
	}
	b := make([]byte, r.IntN(5))
	if r.IntN(50) == 0 {
		b = make([]byte, r.IntN(300))
	}
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func (r random) int() int64 {
	switch r.IntN(6) {
	case 0:
		return 0
	case 1:
		return int64(r.Uint64())
	case 2:
		return -1
	}
	return int64(r.IntN(1000))
}

// enum is mostly one of the numbers that a small enum has.
func (r random) enum() int32 {
	if r.IntN(20) == 0 {
		return int32(r.Uint32())
	}
	return int32(r.IntN(6))
}

func (r random) request() proto.Message {
	switch r.IntN(4) {
	case 0:
		return r.rangeRequest()
	case 1:
		return r.put()
	case 2:
		return r.delete()
	}
	return r.txn(3)
}

func (r random) rangeRequest() *pb.RangeRequest {
	return &pb.RangeRequest{
		Key: r.bytes(), RangeEnd: r.bytes(), Limit: r.int(), Revision: r.int(),
		SortOrder: pb.RangeRequest_SortOrder(r.enum()), SortTarget: pb.RangeRequest_SortTarget(r.enum()),
		Serializable: r.bool(), KeysOnly: r.bool(), CountOnly: r.bool(),
		MinModRevision: r.int(), MaxModRevision: r.int(), MinCreateRevision: r.int(), MaxCreateRevision: r.int(),
	}
}

func (r random) put() *pb.PutRequest {
	return &pb.PutRequest{
		Key: r.bytes(), Value: r.bytes(), Lease: r.int(), PrevKv: r.bool(), IgnoreValue: r.bool(), IgnoreLease: r.bool(),
	}
}

func (r random) delete() *pb.DeleteRangeRequest {
	return &pb.DeleteRangeRequest{Key: r.bytes(), RangeEnd: r.bytes(), PrevKv: r.bool()}
}

func (r random) txn(depth int) *pb.TxnRequest {
	t := &pb.TxnRequest{}
	for range r.IntN(4) {
		t.Compare = append(t.Compare, r.compare())
	}
	for range r.IntN(4) {
		t.Success = append(t.Success, r.op(depth-1))
		t.Failure = append(t.Failure, r.op(depth-1))
	}
	return t
}

func (r random) op(depth int) *pb.RequestOp {
	switch n := r.IntN(10); {
	case n < 3:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r.rangeRequest()}}
	case n < 6:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: r.put()}}
	case n < 8:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: r.delete()}}
	case n < 9 && depth > 0:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: r.txn(depth)}}
	}
	return &pb.RequestOp{}
}

func (r random) compare() *pb.Compare {
	c := &pb.Compare{
		Key: r.bytes(), RangeEnd: r.bytes(),
		Target: pb.Compare_CompareTarget(r.enum()), Result: pb.Compare_CompareResult(r.enum()),
	}
	switch r.IntN(6) {
	case 0:
		c.TargetUnion = &pb.Compare_Version{Version: r.int()}
	case 1:
		c.TargetUnion = &pb.Compare_CreateRevision{CreateRevision: r.int()}
	case 2:
		c.TargetUnion = &pb.Compare_ModRevision{ModRevision: r.int()}
	case 3:
		c.TargetUnion = &pb.Compare_Value{Value: r.bytes()}
	case 4:
		c.TargetUnion = &pb.Compare_Lease{Lease: r.int()}
	}
	return c
}

// damage leaves most messages alone, and changes, cuts, doubles or mixes the others.
func (r random) damage(b []byte) []byte {
	switch r.IntN(12) {
	case 0:
		for range 1 + r.IntN(3) {
			if len(b) > 0 {
				b[r.IntN(len(b))] = byte(r.Uint32())
			}
		}
	case 1:
		b = b[:r.IntN(len(b)+1)]
	case 2:
		b = append(b, b...)
	case 3:
		more, _ := proto.Marshal(r.request())
		b = append(b, more...)
	}
	return b
}

// examples are messages in which every field is set.
func examples() []proto.Message {
	kv := func(s string) []byte { return []byte(s) }
	get := &pb.RangeRequest{
		Key: kv("a"), RangeEnd: kv("b"), Limit: 3, Revision: 4, SortOrder: 1, SortTarget: 2, Serializable: true,
		KeysOnly: true, CountOnly: true, MinModRevision: 5, MaxModRevision: 6, MinCreateRevision: 7, MaxCreateRevision: 8,
	}
	put := &pb.PutRequest{Key: kv("a"), Value: kv("v"), Lease: 1 << 40, PrevKv: true, IgnoreValue: true, IgnoreLease: true}
	del := &pb.DeleteRangeRequest{Key: kv("a"), RangeEnd: []byte{0}, PrevKv: true}
	inner := &pb.TxnRequest{
		Compare: []*pb.Compare{
			{Key: kv("k"), RangeEnd: kv("l"), Target: pb.Compare_VALUE, Result: pb.Compare_NOT_EQUAL, TargetUnion: &pb.Compare_Value{Value: kv("x")}},
			{Key: kv("k"), Target: pb.Compare_MOD, TargetUnion: &pb.Compare_ModRevision{ModRevision: 7}},
			{Key: kv("k"), Target: pb.Compare_LEASE, TargetUnion: &pb.Compare_Lease{Lease: 7}},
		},
		Success: []*pb.RequestOp{
			{Request: &pb.RequestOp_RequestPut{RequestPut: put}},
			{Request: &pb.RequestOp_RequestRange{RequestRange: get}},
			{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: del}},
			{},
		},
	}
	outer := &pb.TxnRequest{Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{RequestTxn: inner}}}}
	return []proto.Message{get, put, del, inner, outer}
}
