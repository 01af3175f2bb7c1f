package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/tmc/grpc-websocket-proxy/wsproxy" // streams for browsers, which cannot read and write one HTTP/1 request at once
	"go.etcd.io/etcd/api/v3/etcdserverpb/gw"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/etalon-kv/etalon/server"
)

// Member is what the HTTP side asks of a server.
type Member interface {
	// Leader reports whether the member knows a leader.
	Leader() bool
	// Alarms are the names of the alarms that are raised.
	Alarms() []string
	// Learner reports whether the member is one.
	Learner() bool
	// Read reads something, linearizably or as the member has it.
	Read(ctx context.Context, serializable bool) error
	// Figures are what /metrics shows.
	Figures() server.Figures
}

// checkTimeout bounds the read of a health check.
const checkTimeout = 5 * time.Second

// Handler serves everything but gRPC. The gateway calls the member through g. ctx ends the gateway's
// calls.
func Handler(ctx context.Context, m Member, g *grpc.ClientConn) (http.Handler, error) {
	gateway := runtime.NewServeMux(runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.HTTPBodyMarshaler{
		Marshaler: &runtime.JSONPb{
			MarshalOptions:   protojson.MarshalOptions{UseProtoNames: true},
			UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: true},
		},
	}))
	for _, register := range []func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error{
		gw.RegisterKVHandler, gw.RegisterWatchHandler, gw.RegisterLeaseHandler, gw.RegisterClusterHandler,
		gw.RegisterMaintenanceHandler, gw.RegisterAuthHandler,
	} {
		if err := register(ctx, gateway, g); err != nil {
			return nil, fmt.Errorf("web: gateway: %w", err)
		}
	}
	mux := http.NewServeMux()
	v3 := wsproxy.WebsocketProxy(gateway, wsproxy.WithRequestMutator(func(_ *http.Request, out *http.Request) *http.Request {
		out.Method = http.MethodPost
		return out
	}), wsproxy.WithMaxRespBodyBufferSize(maxWebsocketBytes))
	mux.Handle("/v3/", v3)
	for _, name := range []string{"Lock", "Election"} { // whose gateways come with etcd's server, not with its API
		mux.HandleFunc("/v3/"+strings.ToLower(name)+"/", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusNotImplemented, map[string]any{"code": codes.Unimplemented, "message": "service " + name + " not implemented"})
		})
	}
	mux.HandleFunc("/v3beta/", func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/v3/" + strings.TrimPrefix(r.URL.Path, "/v3beta/")
		mux.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /version", version)
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) { health(w, r, m) })
	for path, names := range map[string][]string{"livez": live, "readyz": ready} {
		mux.HandleFunc("GET /"+path, func(w http.ResponseWriter, r *http.Request) { probe(w, r, m, names) })
		for _, n := range names {
			mux.HandleFunc("GET /"+path+"/"+n, func(w http.ResponseWriter, r *http.Request) { probe(w, r, m, []string{n}) })
		}
	}
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry(m), promhttp.HandlerOpts{}))
	return mux, nil
}

// maxWebsocketBytes bounds one message on a websocket.
const maxWebsocketBytes = 64 << 20

func version(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"etcdserver": server.Version, "etcdcluster": server.ClusterVersion, "storage": server.StorageVersion})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// An error here is of a client that has gone.
	_ = json.NewEncoder(w).Encode(v)
}

// health is etcd's /health: alarms, a leader, and a read.
func health(w http.ResponseWriter, r *http.Request, m Member) {
	exclude := r.URL.Query()["exclude"]
	reason := ""
	for _, a := range m.Alarms() {
		if !slices.Contains(exclude, a) {
			reason = "ALARM " + a
			break
		}
	}
	serializable := r.URL.Query().Get("serializable") == "true"
	if reason == "" && !serializable && !m.Leader() {
		reason = "RAFT NO LEADER"
	}
	if reason == "" {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		if err := m.Read(ctx, serializable); err != nil {
			reason = "RANGE ERROR:" + err.Error()
		}
	}
	text, _ := json.Marshal(struct { // two strings: it cannot fail
		Health string `json:"health"`
		Reason string `json:"reason"`
	}{fmt.Sprint(reason == ""), reason})
	if reason != "" {
		http.Error(w, string(text), http.StatusServiceUnavailable)
		return
	}
	// An error here is of a client that has gone.
	_, _ = w.Write(text) // without a type, as etcd
}

// The checks of /livez and /readyz.
var (
	live  = []string{"serializable_read"}
	ready = []string{"data_corruption", "serializable_read", "linearizable_read", "non_learner"}
)

func check(ctx context.Context, m Member, name string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	switch name {
	case "data_corruption":
		if slices.Contains(m.Alarms(), "CORRUPT") {
			return fmt.Errorf("alarm activated: CORRUPT")
		}
	case "serializable_read":
		return m.Read(ctx, true)
	case "linearizable_read":
		return m.Read(ctx, false)
	case "non_learner":
		if m.Learner() {
			return fmt.Errorf("not supported for learner")
		}
	}
	return nil
}

// probe answers "ok", or what failed; with ?verbose every check. Checks named by ?exclude are left out.
func probe(w http.ResponseWriter, r *http.Request, m Member, names []string) {
	query := r.URL.Query()
	var lines strings.Builder
	failed := false
	for _, n := range names {
		if slices.Contains(query["exclude"], n) {
			continue
		}
		if err := check(r.Context(), m, n); err != nil {
			failed = true
			fmt.Fprintf(&lines, "[-]%s failed: %v\n", n, err)
			continue
		}
		fmt.Fprintf(&lines, "[+]%s ok\n", n)
	}
	if failed {
		http.Error(w, lines.String(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if _, verbose := query["verbose"]; !verbose {
		lines.Reset()
	}
	fmt.Fprintf(w, "%sok\n", lines.String())
}
