package server_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/etalon-kv/etalon/server"
)

func b(s string) []byte { return []byte(s) }

// keys are the keys of a response, in its order.
func keys(kvs []*mvccpb.KeyValue) string {
	var list []string
	for _, kv := range kvs {
		list = append(list, string(kv.Key))
	}
	return strings.Join(list, " ")
}

func TestRange(t *testing.T) {
	m := start(t, nil)
	if r := m.get(t, &pb.RangeRequest{Key: b("none")}); r.Header.Revision != 1 || r.Count != 0 {
		t.Errorf("an empty store answers %v, want revision 1 and nothing", r)
	}
	// a: revisions 2, 7; b 3, c 4, d 5, deleted at 6; then b again at 8.
	for _, k := range []string{"a", "b", "c", "d"} {
		m.put(t, k, "1"+k)
	}
	_, err := m.kv.DeleteRange(t.Context(), &pb.DeleteRangeRequest{Key: b("d")})
	must(t, err)
	m.put(t, "a", "2")
	m.put(t, "b", "0")
	all := func(change func(*pb.RangeRequest)) *pb.RangeRequest {
		r := &pb.RangeRequest{Key: b("a"), RangeEnd: []byte{0}}
		if change != nil {
			change(r)
		}
		return r
	}
	for _, c := range []struct {
		name  string
		r     *pb.RangeRequest
		want  string
		count int64
		more  bool
	}{
		{"an end of one zero byte is the end of all keys", all(nil), "a b c", 3, false},
		{"a key without an end is that key", &pb.RangeRequest{Key: b("b")}, "b", 1, false},
		{"the end is not in the range", &pb.RangeRequest{Key: b("a"), RangeEnd: b("c")}, "a b", 2, false},
		{"an end before the key is an empty range", &pb.RangeRequest{Key: b("c"), RangeEnd: b("a")}, "", 0, false},
		{"a limit does not change the count", all(func(r *pb.RangeRequest) { r.Limit = 2 }), "a b", 3, true},
		{"a limit that is not exceeded leaves nothing out", all(func(r *pb.RangeRequest) { r.Limit = 3 }), "a b c", 3, false},
		{"an old revision is read", all(func(r *pb.RangeRequest) { r.Revision = 5 }), "a b c d", 4, false},
		{"only the count is wanted", all(func(r *pb.RangeRequest) { r.CountOnly = true }), "", 3, false},
		{"descending", all(func(r *pb.RangeRequest) { r.SortOrder = pb.RangeRequest_DESCEND }), "c b a", 3, false},
		{"descending with a limit keeps the last", all(func(r *pb.RangeRequest) { r.SortOrder = pb.RangeRequest_DESCEND; r.Limit = 1 }), "c", 3, true},
		{"a target without an order sorts ascending", all(func(r *pb.RangeRequest) { r.SortTarget = pb.RangeRequest_VALUE }), "b c a", 3, false},
		{"by creation, the newest first", all(func(r *pb.RangeRequest) {
			r.SortTarget, r.SortOrder, r.Limit = pb.RangeRequest_CREATE, pb.RangeRequest_DESCEND, 1
		}), "c", 3, true},
		{"by modification", all(func(r *pb.RangeRequest) { r.SortTarget, r.SortOrder = pb.RangeRequest_MOD, pb.RangeRequest_ASCEND }), "c a b", 3, false},
		{"by version", all(func(r *pb.RangeRequest) {
			r.SortTarget, r.SortOrder = pb.RangeRequest_VERSION, pb.RangeRequest_ASCEND
			r.Limit = 1
		}), "c", 3, true},
		{"filters do not change the count", all(func(r *pb.RangeRequest) { r.MinModRevision = 5 }), "a b", 3, false},
		{"a filter comes before the limit", all(func(r *pb.RangeRequest) { r.MaxModRevision = 7; r.Limit = 1 }), "a", 3, true},
		{"created in a span", all(func(r *pb.RangeRequest) { r.MinCreateRevision, r.MaxCreateRevision = 3, 3 }), "b", 3, false},
		{"serializable", all(func(r *pb.RangeRequest) { r.Serializable = true }), "a b c", 3, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := m.get(t, c.r)
			if keys(r.Kvs) != c.want || r.Count != c.count || r.More != c.more {
				t.Errorf("%q, count %d, more %v; want %q, %d, %v", keys(r.Kvs), r.Count, r.More, c.want, c.count, c.more)
			}
			if r.Header.Revision != 8 || r.Header.ClusterId == 0 || r.Header.MemberId == 0 || r.Header.RaftTerm == 0 {
				t.Errorf("header %v, want the newest revision and who answers", r.Header)
			}
		})
	}
	t.Run("only the keys leave out values and leases", func(t *testing.T) {
		r := m.get(t, all(func(r *pb.RangeRequest) { r.KeysOnly = true }))
		if kv := r.Kvs[0]; kv.Value != nil || kv.ModRevision != 7 || kv.CreateRevision != 2 || kv.Version != 2 {
			t.Errorf("%v", kv)
		}
	})
	for _, c := range []struct {
		name string
		r    *pb.RangeRequest
		want error
	}{
		{"a key is needed", &pb.RangeRequest{}, rpctypes.ErrGRPCEmptyKey},
		{"an unknown order is refused", &pb.RangeRequest{Key: b("a"), SortOrder: 9}, rpctypes.ErrGRPCInvalidSortOption},
		{"an unknown target is refused", &pb.RangeRequest{Key: b("a"), SortTarget: -1}, rpctypes.ErrGRPCInvalidSortOption},
		{"the future cannot be read", &pb.RangeRequest{Key: b("a"), Revision: 9}, rpctypes.ErrGRPCFutureRev},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := m.kv.Range(t.Context(), c.r)
			wantError(t, err, c.want)
		})
	}
}

func TestPut(t *testing.T) {
	m := start(t, nil)
	t.Run("the header has the revision of the write", func(t *testing.T) {
		for want := int64(2); want < 5; want++ {
			if rev := m.put(t, "a", "x"); rev != want {
				t.Errorf("revision %d, want %d", rev, want)
			}
		}
	})
	t.Run("the previous value is told", func(t *testing.T) {
		r, err := m.kv.Put(t.Context(), &pb.PutRequest{Key: b("a"), Value: b("y"), PrevKv: true})
		must(t, err)
		if kv := r.PrevKv; string(kv.Value) != "x" || kv.Version != 3 || kv.ModRevision != 4 || kv.CreateRevision != 2 {
			t.Errorf("previous is %v", kv)
		}
	})
	t.Run("a value or a lease can be kept", func(t *testing.T) {
		g, err := m.lease.LeaseGrant(t.Context(), &pb.LeaseGrantRequest{TTL: 100})
		must(t, err)
		_, err = m.kv.Put(t.Context(), &pb.PutRequest{Key: b("a"), Lease: g.ID, IgnoreValue: true})
		must(t, err)
		_, err = m.kv.Put(t.Context(), &pb.PutRequest{Key: b("a"), Value: b("z"), IgnoreLease: true})
		must(t, err)
		if kv := m.get(t, &pb.RangeRequest{Key: b("a")}).Kvs[0]; string(kv.Value) != "z" || kv.Lease != g.ID {
			t.Errorf("%v, want value z and lease %d", kv, g.ID)
		}
		m.put(t, "a", "q")
		if kv := m.get(t, &pb.RangeRequest{Key: b("a")}).Kvs[0]; kv.Lease != 0 {
			t.Errorf("a put without a lease keeps lease %d", kv.Lease)
		}
	})
	for _, c := range []struct {
		name string
		r    *pb.PutRequest
		want error
	}{
		{"a key is needed", &pb.PutRequest{}, rpctypes.ErrGRPCEmptyKey},
		{"an ignored value must not be given", &pb.PutRequest{Key: b("a"), Value: b("b"), IgnoreValue: true}, rpctypes.ErrGRPCValueProvided},
		{"an ignored lease must not be given", &pb.PutRequest{Key: b("a"), Lease: 1, IgnoreLease: true}, rpctypes.ErrGRPCLeaseProvided},
		{"to keep a value there must be one", &pb.PutRequest{Key: b("none"), IgnoreValue: true}, rpctypes.ErrGRPCKeyNotFound},
		{"the lease must exist", &pb.PutRequest{Key: b("a"), Lease: 99}, rpctypes.ErrGRPCLeaseNotFound},
		{"a request may not be too large", &pb.PutRequest{Key: b("a"), Value: make([]byte, 3<<19)}, rpctypes.ErrGRPCRequestTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := m.kv.Put(t.Context(), c.r)
			wantError(t, err, c.want)
		})
	}
	t.Run("a message beyond all bounds is refused by the transport", func(t *testing.T) {
		_, err := m.kv.Put(t.Context(), &pb.PutRequest{Key: b("a"), Value: make([]byte, 5<<19)})
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("%v", err)
		}
	})
}

func TestDeleteRange(t *testing.T) {
	m := start(t, nil)
	for _, k := range []string{"a", "b", "c"} {
		m.put(t, k, k)
	}
	r, err := m.kv.DeleteRange(t.Context(), &pb.DeleteRangeRequest{Key: b("x")})
	must(t, err)
	if r.Deleted != 0 || r.Header.Revision != 4 {
		t.Errorf("deleting nothing answers %v, want the revision to stay 4", r)
	}
	r, err = m.kv.DeleteRange(t.Context(), &pb.DeleteRangeRequest{Key: b("a"), RangeEnd: b("c"), PrevKv: true})
	must(t, err)
	if r.Deleted != 2 || keys(r.PrevKvs) != "a b" || r.Header.Revision != 5 {
		t.Errorf("deleting two answers %v", r)
	}
	m.put(t, "a", "again")
	if kv := m.get(t, &pb.RangeRequest{Key: b("a")}).Kvs[0]; kv.Version != 1 || kv.CreateRevision != 6 {
		t.Errorf("a key created again is %v, want version 1", kv)
	}
	_, err = m.kv.DeleteRange(t.Context(), &pb.DeleteRangeRequest{})
	wantError(t, err, rpctypes.ErrGRPCEmptyKey)
}

func TestCompact(t *testing.T) {
	m := start(t, nil)
	for _, v := range []string{"1", "2", "3", "4"} {
		m.put(t, "a", v)
	}
	compact := func(rev int64) error {
		r, err := m.kv.Compact(t.Context(), &pb.CompactionRequest{Revision: rev, Physical: true})
		if err == nil && r.Header.Revision != 5 {
			t.Errorf("header %v, want revision 5", r.Header)
		}
		return err
	}
	must(t, compact(4))
	wantError(t, compact(4), rpctypes.ErrGRPCCompacted)
	wantError(t, compact(6), rpctypes.ErrGRPCFutureRev)
	if r := m.get(t, &pb.RangeRequest{Key: b("a"), Revision: 4}); string(r.Kvs[0].Value) != "3" {
		t.Errorf("the compacted revision itself reads %v", r)
	}
	_, err := m.kv.Range(t.Context(), &pb.RangeRequest{Key: b("a"), Revision: 3})
	wantError(t, err, rpctypes.ErrGRPCCompacted)
}

func TestMetadata(t *testing.T) {
	m := start(t, nil)
	m.put(t, "a", "") // there is a leader now
	ctx := metadata.AppendToOutgoingContext(t.Context(), rpctypes.MetadataRequireLeaderKey, rpctypes.MetadataHasLeader)
	_, err := m.kv.Range(ctx, &pb.RangeRequest{Key: b("a")})
	must(t, err)
}

// Room that is made while a put is being refused for the want of it leaves it refused, with etcd's error.
func TestAStoreWithoutFilesHasASizeThatTheQuotaBounds(t *testing.T) {
	m := start(t, func(c *server.NodeConfig) { c.Server.QuotaBytes = 64 << 10 }) // on mem
	ctx := within(t)
	for i := 0; ; i++ {
		_, err := m.kv.Put(ctx, &pb.PutRequest{Key: b(fmt.Sprint(i)), Value: make([]byte, 1000)})
		if err != nil {
			wantError(t, err, rpctypes.ErrGRPCNoSpace)
			break
		}
	}
	st, err := m.client.Status(ctx, m.addr)
	must(t, err)
	if st.DbSize < 32<<10 || st.DbSize != st.DbSizeInUse || m.node.Server.Figures().DiskBytes != st.DbSize {
		t.Errorf("size %d, %d of it in use, %d among the figures", st.DbSize, st.DbSizeInUse, m.node.Server.Figures().DiskBytes)
	}
}

func TestAPutAtTheQuotaIsDoneOrRefusedForSpace(t *testing.T) {
	const quota = 1 << 30
	m := start(t, func(c *server.NodeConfig) { c.Server.QuotaBytes = quota })
	stop := make(chan struct{})
	var flips sync.WaitGroup
	flips.Go(func() {
		for size := int64(0); ; size = quota - size {
			select {
			case <-stop:
				return
			default:
				m.node.Server.SetSize(size)
				runtime.Gosched()
			}
		}
	})
	refused := 0
	for range 3000 {
		_, err := m.kv.Put(t.Context(), &pb.PutRequest{Key: b("a")})
		if err != nil {
			refused++
			wantError(t, err, rpctypes.ErrGRPCNoSpace)
		}
	}
	close(stop)
	flips.Wait()
	if refused == 0 {
		t.Error("none was refused")
	}
}
