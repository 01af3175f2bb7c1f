package server_test

import (
	"fmt"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

func opPut(key, value string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: b(key), Value: b(value)}}}
}

func opGet(key string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: b(key)}}}
}

func opDelete(key, end string) *pb.RequestOp {
	r := &pb.DeleteRangeRequest{Key: b(key), RangeEnd: b(end)}
	return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: r}}
}

func opTxn(t *pb.TxnRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: t}}
}

func many(n int, op func(i int) *pb.RequestOp) (ops []*pb.RequestOp) {
	for i := range n {
		ops = append(ops, op(i))
	}
	return ops
}

func TestTxn(t *testing.T) {
	m := start(t, nil)
	t.Run("operations see what those before them did", func(t *testing.T) {
		m.put(t, "z", "gone")
		r := m.txn(t, &pb.TxnRequest{Success: []*pb.RequestOp{opPut("a", "1"), opGet("a"), opDelete("z", "zz"), opGet("z"), opPut("b", "2")}})
		got := r.Responses
		if r.Header.Revision != 3 || !r.Succeeded {
			t.Errorf("%v: want one revision, and an empty compare to hold", r)
		}
		if string(got[1].GetResponseRange().Kvs[0].Value) != "1" || got[2].GetResponseDeleteRange().Deleted != 1 || got[3].GetResponseRange().Count != 0 {
			t.Errorf("%v", got)
		}
		if h := got[0].GetResponsePut().Header; h.Revision != 3 || h.MemberId != 0 {
			t.Errorf("the header of an inner response is %v, want a revision alone", h)
		}
	})
	t.Run("compares", func(t *testing.T) { testCompares(t, m) })
	t.Run("a transaction that only reads makes no revision", func(t *testing.T) {
		rev := m.put(t, "a", "x")
		if r := m.txn(t, &pb.TxnRequest{Success: []*pb.RequestOp{opGet("a")}}); r.Header.Revision != rev {
			t.Errorf("%v, want revision %d", r, rev)
		}
		if r := m.txn(t, &pb.TxnRequest{Success: []*pb.RequestOp{opDelete("none", "")}}); r.Header.Revision != rev {
			t.Errorf("%v, want revision %d", r, rev)
		}
	})
	t.Run("nested transactions compare before anything is done", func(t *testing.T) {
		m.put(t, "n", "old")
		inner := &pb.TxnRequest{
			Compare: []*pb.Compare{{Key: b("n"), Target: pb.Compare_VALUE, TargetUnion: &pb.Compare_Value{Value: b("old")}}},
			Success: []*pb.RequestOp{opGet("n")},
		}
		r := m.txn(t, &pb.TxnRequest{Success: []*pb.RequestOp{opPut("n", "new"), opTxn(inner)}})
		nested := r.Responses[1].GetResponseTxn()
		if !nested.Succeeded || string(nested.Responses[0].GetResponseRange().Kvs[0].Value) != "new" {
			t.Errorf("%v", nested)
		}
	})
	t.Run("what is refused", func(t *testing.T) { testRefusedTxns(t, m) })
	t.Run("an error leaves no trace", func(t *testing.T) {
		rev := m.put(t, "e", "1")
		bad := &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: b("f"), Lease: 77}}}
		_, err := m.kv.Txn(t.Context(), &pb.TxnRequest{Success: []*pb.RequestOp{opPut("e", "2"), bad}})
		wantError(t, err, rpctypes.ErrGRPCLeaseNotFound)
		if r := m.get(t, &pb.RangeRequest{Key: b("e")}); r.Header.Revision != rev || string(r.Kvs[0].Value) != "1" {
			t.Errorf("%v", r)
		}
	})
}

func testCompares(t *testing.T, m *member) {
	g, err := m.lease.LeaseGrant(t.Context(), &pb.LeaseGrantRequest{TTL: 100})
	must(t, err)
	m.put(t, "c1", "v")
	_, err = m.kv.Put(t.Context(), &pb.PutRequest{Key: b("c2"), Value: b("w"), Lease: g.ID})
	must(t, err)
	kv := m.get(t, &pb.RangeRequest{Key: b("c1")}).Kvs[0]
	for _, c := range []struct {
		name string
		c    *pb.Compare
		want bool
	}{
		{"value", &pb.Compare{Key: b("c1"), Target: pb.Compare_VALUE, TargetUnion: &pb.Compare_Value{Value: b("v")}}, true},
		{"value of a key that is not there, even no value", &pb.Compare{Key: b("no"), Target: pb.Compare_VALUE, TargetUnion: &pb.Compare_Value{}}, false},
		{"value of a key that is not there, even unequal", &pb.Compare{Key: b("no"), Target: pb.Compare_VALUE, Result: pb.Compare_NOT_EQUAL, TargetUnion: &pb.Compare_Value{Value: b("v")}}, false},
		{"creation of a key that is not there", &pb.Compare{Key: b("no"), Target: pb.Compare_CREATE, TargetUnion: &pb.Compare_CreateRevision{}}, true},
		{"creation", &pb.Compare{Key: b("c1"), Target: pb.Compare_CREATE, TargetUnion: &pb.Compare_CreateRevision{CreateRevision: kv.CreateRevision}}, true},
		{"modification, greater", &pb.Compare{Key: b("c1"), Target: pb.Compare_MOD, Result: pb.Compare_GREATER, TargetUnion: &pb.Compare_ModRevision{ModRevision: kv.ModRevision - 1}}, true},
		{"modification, less", &pb.Compare{Key: b("c1"), Target: pb.Compare_MOD, Result: pb.Compare_LESS, TargetUnion: &pb.Compare_ModRevision{ModRevision: kv.ModRevision}}, false},
		{"version", &pb.Compare{Key: b("c1"), TargetUnion: &pb.Compare_Version{Version: 1}}, true},
		{"lease", &pb.Compare{Key: b("c2"), Target: pb.Compare_LEASE, TargetUnion: &pb.Compare_Lease{Lease: g.ID}}, true},
		{"a range: all must hold", &pb.Compare{Key: b("c1"), RangeEnd: b("c3"), TargetUnion: &pb.Compare_Version{Version: 1}}, true},
		{"a range: one does not", &pb.Compare{Key: b("c1"), RangeEnd: b("c3"), Target: pb.Compare_LEASE, TargetUnion: &pb.Compare_Lease{Lease: g.ID}}, false},
		{"an empty range is like a key that is not there", &pb.Compare{Key: b("x"), RangeEnd: b("y"), TargetUnion: &pb.Compare_Version{}}, true},
		{"a value of another kind is none", &pb.Compare{Key: b("c1"), Target: pb.Compare_VERSION, TargetUnion: &pb.Compare_Value{Value: b("v")}}, false},
		{"an unknown result holds", &pb.Compare{Key: b("c1"), Result: 9, TargetUnion: &pb.Compare_Version{Version: 5}}, true},
		{"an unknown target is equal", &pb.Compare{Key: b("c1"), Target: 9, TargetUnion: &pb.Compare_Version{Version: 5}}, true},
		{"an unknown target is not greater", &pb.Compare{Key: b("c1"), Target: 9, Result: pb.Compare_GREATER}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := m.txn(t, &pb.TxnRequest{Compare: []*pb.Compare{c.c}, Success: []*pb.RequestOp{opGet("c1")}})
			if r.Succeeded != c.want || len(r.Responses) != map[bool]int{true: 1}[c.want] {
				t.Errorf("read only: %v, want %v", r, c.want)
			}
			r = m.txn(t, &pb.TxnRequest{Compare: []*pb.Compare{c.c}, Failure: []*pb.RequestOp{opPut("z", "")}})
			if r.Succeeded != c.want {
				t.Errorf("through the log: %v, want %v", r, c.want)
			}
		})
	}
}

func testRefusedTxns(t *testing.T, m *member) {
	puts := func(n int) []*pb.RequestOp {
		return many(n, func(i int) *pb.RequestOp { return opPut(fmt.Sprint("k", i), "") })
	}
	for _, c := range []struct {
		name string
		r    *pb.TxnRequest
		want error
	}{
		{"128 operations are not too many", &pb.TxnRequest{Success: puts(128), Failure: puts(128)}, nil},
		{"129 operations", &pb.TxnRequest{Success: puts(129)}, rpctypes.ErrGRPCTooManyOps},
		{"a nested one has what is left", &pb.TxnRequest{Success: []*pb.RequestOp{opTxn(&pb.TxnRequest{Success: puts(128)})}}, rpctypes.ErrGRPCTooManyOps},
		{"a nested one that fits", &pb.TxnRequest{Success: []*pb.RequestOp{opTxn(&pb.TxnRequest{Success: puts(127)})}}, nil},
		{"a compare without a key", &pb.TxnRequest{Compare: []*pb.Compare{{}}}, rpctypes.ErrGRPCEmptyKey},
		{"a put without a key", &pb.TxnRequest{Failure: []*pb.RequestOp{opPut("", "")}}, rpctypes.ErrGRPCEmptyKey},
		{"an operation that is none", &pb.TxnRequest{Success: []*pb.RequestOp{{}}}, rpctypes.ErrGRPCKeyNotFound},
		{"two puts of a key", &pb.TxnRequest{Success: []*pb.RequestOp{opPut("a", ""), opPut("a", "")}}, rpctypes.ErrGRPCDuplicateKey},
		{"two puts of a key among many", &pb.TxnRequest{Success: append(puts(50), opPut("k7", ""))}, rpctypes.ErrGRPCDuplicateKey},
		{"a put in a range that is deleted", &pb.TxnRequest{Success: []*pb.RequestOp{opPut("b", ""), opDelete("a", "c")}}, rpctypes.ErrGRPCDuplicateKey},
		{"a put in a range that is deleted, among many", &pb.TxnRequest{Success: append(puts(50), opDelete("k3", "k4"))}, rpctypes.ErrGRPCDuplicateKey},
		{"a put beside a range that is deleted", &pb.TxnRequest{Success: []*pb.RequestOp{opPut("c", ""), opDelete("a", "c")}}, nil},
		{"a put beside a range that is deleted, among many", &pb.TxnRequest{Success: append(puts(50), opDelete("a", "k0"))}, nil},
		{"deletions that overlap", &pb.TxnRequest{Success: []*pb.RequestOp{opDelete("a", "d"), opDelete("b", "")}}, nil},
		{"both branches may put a key", &pb.TxnRequest{Success: []*pb.RequestOp{opPut("a", "")}, Failure: []*pb.RequestOp{opPut("a", "")}}, nil},
		{"branches of a nested one may", &pb.TxnRequest{Success: []*pb.RequestOp{opTxn(&pb.TxnRequest{Success: []*pb.RequestOp{opPut("a", "")}, Failure: []*pb.RequestOp{opPut("a", "")}})}}, nil},
		{"a nested put of a key put outside", &pb.TxnRequest{Success: []*pb.RequestOp{opPut("a", ""), opTxn(&pb.TxnRequest{Success: []*pb.RequestOp{opPut("a", "")}})}}, rpctypes.ErrGRPCDuplicateKey},
		{"a put in a range that a nested one deletes", &pb.TxnRequest{Success: []*pb.RequestOp{opPut("b", ""), opTxn(&pb.TxnRequest{Failure: []*pb.RequestOp{opDelete("a", "c")}})}}, rpctypes.ErrGRPCDuplicateKey},
		{"too many operations come before duplicate keys", &pb.TxnRequest{Success: append(puts(128), opPut("k1", ""))}, rpctypes.ErrGRPCTooManyOps},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := m.kv.Txn(t.Context(), c.r)
			if c.want == nil {
				must(t, err)
				return
			}
			wantError(t, err, c.want)
		})
	}
}
