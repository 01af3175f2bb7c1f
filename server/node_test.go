package server_test

import (
	"context"
	"net"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/server"
	"github.com/etalon-kv/etalon/server/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// member is a cluster of one, and clients of it.
type member struct {
	node   *server.Node
	client *clientv3.Client
	kv     pb.KVClient
	watch  pb.WatchClient
	lease  pb.LeaseClient
	addr   string
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start starts one, which ends with the test, and waits until it serves. change may change its configuration.
func start(t testing.TB, change func(*server.NodeConfig)) *member {
	t.Helper()
	m := launch(t, change)
	// A linearizable read waits for a leader: this member.
	if _, err := m.kv.Range(t.Context(), &pb.RangeRequest{Key: []byte("start")}); err != nil {
		t.Fatal(err)
	}
	return m
}

// launch is start, and does not wait.
func launch(t testing.TB, change func(*server.NodeConfig)) *member {
	t.Helper()
	c := server.NodeConfig{
		Dir: t.TempDir(), Name: "one", Token: "test", Engine: "mem",
		PeerURLs: []string{"http://127.0.0.1:1"}, ClientURLs: []string{"http://127.0.0.1:2"},
		Cluster: map[string][]string{"one": {"http://127.0.0.1:1"}},
		State: apply.Config{
			Open:  func(string) (engine.Backend, error) { return mem.Open(mem.Options{}) },
			Index: packed.New,
		},
		OpenLog: func(dir string, id uint64) (server.Log, error) {
			fs, err := wal.Dir(dir)
			if err != nil {
				return nil, err
			}
			return wal.Open(fs, wal.Options{ID: id, SegmentBytes: 1 << 20})
		},
	}
	if change != nil {
		change(&c)
	}
	node, err := server.StartNode(t.Context(), c)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	g, err := node.Server.RPC(rpc.Config{})
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- g.Serve(l) }()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{l.Addr().String()}, DialTimeout: time.Minute})
	must(t, err)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	t.Cleanup(func() {
		client.Close()
		conn.Close()
		node.Server.Stop()
		g.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		must(t, node.Close())
	})
	return &member{
		node: node, client: client, addr: l.Addr().String(),
		kv: pb.NewKVClient(conn), watch: pb.NewWatchClient(conn), lease: pb.NewLeaseClient(conn),
	}
}

// put puts and returns the revision.
func (m *member) put(t testing.TB, key, value string) int64 {
	t.Helper()
	r, err := m.kv.Put(t.Context(), &pb.PutRequest{Key: []byte(key), Value: []byte(value)})
	must(t, err)
	return r.Header.Revision
}

func (m *member) get(t testing.TB, r *pb.RangeRequest) *pb.RangeResponse {
	t.Helper()
	resp, err := m.kv.Range(t.Context(), r)
	must(t, err)
	return resp
}

func (m *member) txn(t testing.TB, r *pb.TxnRequest) *pb.TxnResponse {
	t.Helper()
	resp, err := m.kv.Txn(t.Context(), r)
	must(t, err)
	return resp
}

// wantError checks code and text of an error, which is all that clients go by.
func wantError(t testing.TB, got, want error) {
	t.Helper()
	g, w := status.Convert(got), status.Convert(want)
	if got == nil || g.Code() != w.Code() || g.Message() != w.Message() {
		t.Errorf("error is %v, want %v", got, want)
	}
}

// within is a context for what must not wait for ever.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestEveryStageOfAPutIsCounted(t *testing.T) {
	m := start(t, nil)
	before := m.node.Server.Figures().Stages
	m.put(t, "a", "1")
	m.put(t, "a", "2") // the stages of the one before are told by then
	for i, s := range m.node.Server.Figures().Stages {
		if s.Count == before[i].Count || s.Sum <= before[i].Sum {
			t.Errorf("%s: %d in %v after %d in %v", s.Stage, s.Count, s.Sum, before[i].Count, before[i].Sum)
		}
	}
}
