package web_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/etalon-kv/etalon/server"
	"github.com/etalon-kv/etalon/server/web"
)

// member is a web.Member that is as it says.
type member struct {
	leader, learner bool
	alarms          []string
	readErr         error // of linearizable reads
	stages          []server.StageFigures
}

func (m *member) Leader() bool     { return m.leader }
func (m *member) Alarms() []string { return m.alarms }
func (m *member) Learner() bool    { return m.learner }
func (m *member) Read(_ context.Context, serializable bool) error {
	if serializable {
		return nil
	}
	return m.readErr
}
func (m *member) Figures() server.Figures {
	return server.Figures{HasLeader: m.leader, Keys: 42, Stages: m.stages}
}

// kv echoes keys.
type kv struct{ pb.UnimplementedKVServer }

func (kv) Put(_ context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	if len(r.Key) == 0 {
		return nil, status.Error(codes.InvalidArgument, "etcdserver: key is not provided")
	}
	return &pb.PutResponse{Header: &pb.ResponseHeader{Revision: int64(len(r.Value))}}, nil
}

// handler serves m, with kv behind the gateway.
func handler(t testing.TB, m web.Member) http.Handler {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	g := grpc.NewServer()
	pb.RegisterKVServer(g, kv{})
	go func() { _ = g.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	h, err := web.Handler(ctx, m, conn)
	must(t, err)
	t.Cleanup(func() {
		cancel()
		conn.Close()
		g.Stop()
	})
	return h
}

func do(h http.Handler, method, target, body string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	text, _ := io.ReadAll(w.Result().Body) // of memory
	return w.Code, string(text)
}

func TestHealth(t *testing.T) {
	bad := errors.New("etcdserver: request timed out")
	for _, tc := range []struct {
		m    member
		path string
		code int
		want string
	}{
		{member{leader: true}, "/health", 200, `{"health":"true","reason":""}`},
		{member{}, "/health", 503, `{"health":"false","reason":"RAFT NO LEADER"}`},
		{member{}, "/health?serializable=true", 200, `{"health":"true","reason":""}`},
		{member{leader: true, alarms: []string{"NOSPACE"}}, "/health", 503, `{"health":"false","reason":"ALARM NOSPACE"}`},
		{member{leader: true, alarms: []string{"NOSPACE"}}, "/health?exclude=NOSPACE", 200, `{"health":"true","reason":""}`},
		{member{leader: true, readErr: bad}, "/health", 503, `{"health":"false","reason":"RANGE ERROR:etcdserver: request timed out"}`},
		{member{}, "/livez", 200, "ok"},
		{member{leader: true}, "/readyz", 200, "ok"},
		{member{leader: true}, "/readyz?verbose", 200, "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n"},
		{member{leader: true}, "/readyz?verbose&exclude=non_learner", 200, "[+]linearizable_read ok\nok\n"},
		{member{leader: true, alarms: []string{"NOSPACE", "CORRUPT"}}, "/health", 503, "ALARM NOSPACE"},
		{member{readErr: bad}, "/readyz", 503, "[-]linearizable_read failed: etcdserver: request timed out"},
		{member{readErr: bad}, "/readyz?exclude=linearizable_read", 200, "ok"},
		{member{readErr: bad}, "/readyz/serializable_read", 200, "ok"},
		{member{alarms: []string{"CORRUPT"}}, "/readyz/data_corruption", 503, "alarm activated: CORRUPT"},
		{member{learner: true}, "/readyz/non_learner", 503, "not supported for learner"},
		{member{}, "/version", 200, `"etcdserver":"` + server.Version + `"`},
		{member{leader: true}, "/metrics", 200, "etcd_server_has_leader 1"},
		{member{}, "/metrics", 200, "etcd_debugging_mvcc_keys_total 42"},
		{member{}, "/nothing", 404, "not found"},
	} {
		if code, text := do(handler(t, &tc.m), "GET", tc.path, ""); code != tc.code || !strings.Contains(text, tc.want) {
			t.Errorf("%+v: GET %s: %d %q, want %d %q", tc.m, tc.path, code, text, tc.code, tc.want)
		}
	}
}

func TestGateway(t *testing.T) {
	h := handler(t, &member{})
	for _, tc := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"POST", "/v3/kv/put", `{"key":"YQ==","value":"YWJj"}`, 200, `{"header":{"revision":"3"}}`},
		{"POST", "/v3beta/kv/put", `{"key":"YQ==","value":"YWJj","what":1}`, 200, `{"header":{"revision":"3"}}`},
		{"POST", "/v3/kv/put", `{}`, 400, "etcdserver: key is not provided"},
		{"POST", "/v3/kv/put", `{"key":`, 400, "code"},
		{"POST", "/v3/kv/range", `{}`, 501, "method Range not implemented"},
		{"POST", "/v3/auth/enable", `{}`, 501, "code"},
		{"POST", "/v3/lock/lock", `{}`, 501, `{"code":12,"message":"service Lock not implemented"}`},
		{"POST", "/v3beta/election/leader", `{}`, 501, `{"code":12,"message":"service Election not implemented"}`},
		{"POST", "/v3/what", `{}`, 404, "Not Found"},
		{"GET", "/v3/kv/put", "", 501, "Method Not Allowed"},
	} {
		code, text := do(h, tc.method, tc.path, tc.body)
		if text = strings.ReplaceAll(text, " ", ""); code != tc.code || !strings.Contains(text, strings.ReplaceAll(tc.want, " ", "")) {
			t.Errorf("%s %s %s: %d %q, want %d %q", tc.method, tc.path, tc.body, code, text, tc.code, tc.want)
		}
	}
}

func TestMetricNames(t *testing.T) {
	_, text := do(handler(t, &member{}), "GET", "/metrics", "")
	var names []string
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 && strings.HasPrefix(f[0], "etcd_") {
			names = append(names, f[0])
		}
	}
	if len(names) < 10 || !slices.IsSorted(names) {
		t.Errorf("metrics %q", names)
	}
}

func TestMetricsHaveAHistogramOfEachStage(t *testing.T) {
	bounds := []time.Duration{time.Millisecond, 2 * time.Millisecond}
	_, text := do(handler(t, &member{stages: []server.StageFigures{
		{Stage: "sync", Count: 11, Sum: 3 * time.Second, Bounds: bounds, AtMost: []uint64{4, 10}},
		{Stage: "reply", Count: 1, Sum: time.Millisecond, Bounds: bounds, AtMost: []uint64{1, 1}},
	}}), "GET", "/metrics", "")
	for _, line := range []string{
		"# TYPE etalon_stage_duration_seconds histogram",
		`etalon_stage_duration_seconds_bucket{stage="sync",le="0.001"} 4`,
		`etalon_stage_duration_seconds_bucket{stage="sync",le="0.002"} 10`,
		`etalon_stage_duration_seconds_bucket{stage="sync",le="+Inf"} 11`,
		`etalon_stage_duration_seconds_sum{stage="sync"} 3`,
		`etalon_stage_duration_seconds_count{stage="sync"} 11`,
		`etalon_stage_duration_seconds_count{stage="reply"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
}
