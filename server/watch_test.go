package server_test

import (
	"fmt"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etalon-kv/etalon/server"
)

// stream is a Watch call.
type stream struct {
	t testing.TB
	pb.Watch_WatchClient
}

func (m *member) stream(t testing.TB) *stream {
	t.Helper()
	s, err := m.watch.Watch(within(t))
	must(t, err)
	return &stream{t, s}
}

func (s *stream) create(r *pb.WatchCreateRequest) {
	s.t.Helper()
	must(s.t, s.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: r}}))
}

func (s *stream) cancel(id int64) {
	s.t.Helper()
	r := &pb.WatchCancelRequest{WatchId: id}
	must(s.t, s.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: r}}))
}

func (s *stream) progress() {
	s.t.Helper()
	must(s.t, s.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}}))
}

func (s *stream) next() *pb.WatchResponse {
	s.t.Helper()
	r, err := s.Recv()
	must(s.t, err)
	return r
}

// created is the answer to create, of the watch with that id.
func (s *stream) created(id int64) *pb.WatchResponse {
	s.t.Helper()
	r := s.next()
	if !r.Created || r.Canceled || r.WatchId != id || len(r.Events) != 0 {
		s.t.Fatalf("%v, want watch %d to be created", r, id)
	}
	return r
}

// told are events in words.
func told(events []*mvccpb.Event) string {
	var list []string
	for _, e := range events {
		text := fmt.Sprintf("%v %s=%s@%d", e.Type, e.Kv.Key, e.Kv.Value, e.Kv.ModRevision)
		if e.PrevKv != nil {
			text += fmt.Sprintf(" was %s@%d", e.PrevKv.Value, e.PrevKv.ModRevision)
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

func (s *stream) wantEvents(id int64, want string) *pb.WatchResponse {
	s.t.Helper()
	r := s.next()
	if r.WatchId != id || told(r.Events) != want {
		s.t.Fatalf("watch %d is told %q; want %d and %q", r.WatchId, told(r.Events), id, want)
	}
	if last := r.Events[len(r.Events)-1].Kv.ModRevision; r.Header.Revision != last {
		s.t.Errorf("the header has revision %d, the last event %d", r.Header.Revision, last)
	}
	return r
}

func TestWatch(t *testing.T) {
	m := start(t, nil)
	s := m.stream(t)
	s.create(&pb.WatchCreateRequest{Key: b("a")})
	if r := s.created(0); r.Header.Revision != 1 {
		t.Errorf("%v, want the revision of the store", r)
	}
	m.put(t, "b", "other")
	m.put(t, "a", "1")
	s.wantEvents(0, "PUT a=1@3")
	t.Run("a range from a past revision, with what was before", func(t *testing.T) {
		s.create(&pb.WatchCreateRequest{Key: b("a"), RangeEnd: b("c"), StartRevision: 2, PrevKv: true})
		s.created(1)
		if r := s.next(); told(r.Events) != "PUT b=other@2, PUT a=1@3" {
			t.Errorf("%v", r)
		}
		m.put(t, "a", "2")
		got := map[int64]string{}
		for range 2 {
			r := s.next()
			got[r.WatchId] = told(r.Events)
		}
		if got[0] != "PUT a=2@4" || got[1] != "PUT a=2@4 was 1@3" {
			t.Errorf("%v", got)
		}
	})
	t.Run("canceling", func(t *testing.T) {
		s.cancel(77) // there is none: no answer
		s.cancel(1)
		if r := s.next(); !r.Canceled || r.Created || r.WatchId != 1 || r.CancelReason != "" {
			t.Errorf("%v", r)
		}
		m.put(t, "b", "3")
		m.put(t, "a", "4")
		s.wantEvents(0, "PUT a=4@6")
	})
	t.Run("an id that is taken", func(t *testing.T) {
		s.create(&pb.WatchCreateRequest{Key: b("x"), WatchId: 9})
		s.created(9)
		s.create(&pb.WatchCreateRequest{Key: b("x"), WatchId: 9})
		if r := s.next(); !r.Created || !r.Canceled || r.WatchId != -1 || !strings.Contains(r.CancelReason, "duplicate watch ID") {
			t.Errorf("%v", r)
		}
	})
	t.Run("an empty range", func(t *testing.T) {
		s.create(&pb.WatchCreateRequest{Key: b("x"), RangeEnd: b("x")})
		if r := s.next(); !r.Created || !r.Canceled || r.WatchId != -1 || r.CancelReason != "mvcc: watcher range is empty" {
			t.Errorf("%v", r)
		}
	})
	t.Run("a negative revision", func(t *testing.T) {
		s.create(&pb.WatchCreateRequest{Key: b("x"), StartRevision: -1})
		if r := s.next(); !r.Created || !r.Canceled || r.WatchId != -1 || r.CancelReason != rpctypes.ErrCompacted.Error() {
			t.Errorf("%v", r)
		}
	})
	t.Run("deletions carry the key alone, and one revision comes in one response", func(t *testing.T) {
		s.create(&pb.WatchCreateRequest{Key: b("a"), RangeEnd: []byte{0}, PrevKv: true})
		s.created(2)
		s.cancel(0)
		s.next()
		_, err := m.kv.DeleteRange(t.Context(), &pb.DeleteRangeRequest{Key: b("a"), RangeEnd: b("z")})
		must(t, err)
		r := s.wantEvents(2, "DELETE a=@7 was 4@6, DELETE b=@7 was 3@5")
		if kv := r.Events[0].Kv; kv.CreateRevision != 0 || kv.Version != 0 || kv.Value != nil {
			t.Errorf("the deleted key is %v", kv)
		}
	})
}

func TestWatchFilters(t *testing.T) {
	m := start(t, nil)
	s := m.stream(t)
	s.create(&pb.WatchCreateRequest{Key: b("a"), Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NOPUT}})
	s.created(0)
	s.create(&pb.WatchCreateRequest{Key: b("a"), Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NODELETE}})
	s.created(1)
	m.put(t, "a", "1")
	s.wantEvents(1, "PUT a=1@2")
	_, err := m.kv.DeleteRange(t.Context(), &pb.DeleteRangeRequest{Key: b("a")})
	must(t, err)
	s.wantEvents(0, "DELETE a=@3")
}

func TestWatchCompacted(t *testing.T) {
	m := start(t, nil)
	for range 5 {
		m.put(t, "a", "x")
	}
	_, err := m.kv.Compact(t.Context(), &pb.CompactionRequest{Revision: 4})
	must(t, err)
	s := m.stream(t)
	s.create(&pb.WatchCreateRequest{Key: b("a"), StartRevision: 3})
	s.created(0)
	if r := s.next(); !r.Canceled || r.CompactRevision != 4 || r.WatchId != 0 {
		t.Errorf("%v, want to be told that 4 is compacted", r)
	}
	s.cancel(0) // as clients do
	if r := s.next(); !r.Canceled || r.CompactRevision != 0 {
		t.Errorf("%v", r)
	}
	s.create(&pb.WatchCreateRequest{Key: b("a"), StartRevision: 4})
	s.created(1)
	s.wantEvents(1, "PUT a=x@4, PUT a=x@5, PUT a=x@6")
}

func TestWatchProgress(t *testing.T) {
	m := start(t, func(c *server.NodeConfig) { c.Server.WatchProgressInterval = 1 }) // the least there is
	s := m.stream(t)
	s.create(&pb.WatchCreateRequest{Key: b("a")})
	s.created(0)
	rev := m.put(t, "other", "")
	t.Run("of all watches, when asked", func(t *testing.T) {
		s.progress()
		if r := s.next(); r.WatchId != -1 || len(r.Events) != 0 || r.Canceled || r.Header.Revision < rev {
			t.Errorf("%v, want progress to %d", r, rev)
		}
	})
	t.Run("none while a watch waits for its first revision", func(t *testing.T) {
		s.create(&pb.WatchCreateRequest{Key: b("f"), StartRevision: rev + 2})
		s.created(1)
		s.progress()
		m.put(t, "a", "1")
		s.wantEvents(0, fmt.Sprintf("PUT a=1@%d", rev+1))
		m.put(t, "f", "1")
		s.wantEvents(1, fmt.Sprintf("PUT f=1@%d", rev+2))
	})
	t.Run("by itself, of those that want to know", func(t *testing.T) {
		s.create(&pb.WatchCreateRequest{Key: b("n"), ProgressNotify: true, WatchId: 5})
		s.created(5)
		if r := s.next(); r.WatchId != 5 || len(r.Events) != 0 || r.Header.Revision != rev+2 {
			t.Errorf("%v", r)
		}
	})
}

func TestWatchFragments(t *testing.T) {
	m := start(t, func(c *server.NodeConfig) { c.Server.MaxRequestBytes = 1 << 20 })
	s := m.stream(t)
	s.create(&pb.WatchCreateRequest{Key: b("k"), RangeEnd: b("l"), Fragment: true})
	s.created(0)
	value := strings.Repeat("x", 1000<<10)
	for i := range 3 {
		m.put(t, fmt.Sprint("k", i), value)
	}
	for range 3 {
		s.next()
	}
	var ops []*pb.RequestOp
	for i := range 3 { // one revision of three large events: the values stay, so the request is small
		put := &pb.PutRequest{Key: b(fmt.Sprint("k", i)), IgnoreValue: true}
		ops = append(ops, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: put}})
	}
	m.txn(t, &pb.TxnRequest{Success: ops})
	for i := range 3 {
		r := s.next()
		if len(r.Events) != 1 || r.Fragment != (i < 2) || r.Header.Revision != 5 {
			t.Errorf("part %d: %d events, fragment %v, revision %d", i, len(r.Events), r.Fragment, r.Header.Revision)
		}
	}
}

func TestTheOfficialClientWatches(t *testing.T) {
	m := start(t, nil)
	ctx := within(t)
	w := m.client.Watch(clientv3.WithRequireLeader(ctx), "p/", clientv3.WithPrefix(), clientv3.WithRev(1), clientv3.WithPrevKV())
	const n = 500
	for i := range n {
		_, err := m.client.Put(ctx, fmt.Sprint("p/", i%7), fmt.Sprint(i))
		must(t, err)
	}
	rev := int64(1)
	for rev <= n {
		r := <-w
		must(t, r.Err())
		for _, e := range r.Events {
			if rev++; e.Kv.ModRevision != rev {
				t.Fatalf("event of revision %d, want %d", e.Kv.ModRevision, rev)
			}
		}
	}
}
