package main

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// foreign are the flags of etcd that have nothing to act on here, so that command lines and files made
// for etcd can be used: etcd's default is taken in silence. Another value is refused where who gives it
// relies on what it does, and otherwise noted in the log.
var foreign = map[string]struct {
	fallback string // etcd's default; "" is always taken as well
	refuse   bool
	why      string
}{
	"backend-batch-interval":               {"0s", false, "use --policy"},
	"backend-batch-limit":                  {"0", false, "use --policy"},
	"backend-bbolt-freelist-type":          {"map", false, "the engine chooses"},
	"max-snapshots":                        {"5", false, "snapshots are not kept"},
	"max-wals":                             {"5", false, "segments are released when they are not needed"},
	"initial-election-tick-advance":        {"true", false, "a member alone campaigns at once"},
	"compaction-batch-limit":               {"1000", false, "compaction goes in slices of its own"},
	"compaction-sleep-interval":            {"10ms", false, "compaction pauses while somebody writes"},
	"bootstrap-defrag-threshold-megabytes": {"0", false, "defragment on request"},
	"warning-apply-duration":               {"100ms", false, "stages are measured instead: see /metrics"},
	"warning-unary-request-duration":       {"300ms", false, "stages are measured instead: see /metrics"},
	"metrics":                              {"basic", false, "one set of metrics is served"},
	"self-signed-cert-validity":            {"1", false, "a year"},
	"raft-read-timeout":                    {"5s", false, "members keep connections alive"},
	"raft-write-timeout":                   {"5s", false, "members keep connections alive"},
	"downgrade-check-time":                 {"5s", false, "there is no downgrade"},
	"lease-checkpoint-persist":             {"false", false, "remaining times are always persisted"},
	"snapshot-catchup-entries":             {"5000", false, "the log keeps half of --snapshot-count"},
	"compact-hash-check-time":              {"1m0s", false, "members compare their hash chains, see --corrupt-check-time"},
	"v2-deprecation":                       {"write-only", false, "there is no v2 store"},
	"auth-token":                           {"simple", false, "there is no authentication"},
	"bcrypt-cost":                          {"10", false, "there is no authentication"},
	"auth-token-ttl":                       {"300", false, "there is no authentication"},

	"feature-gates":                      {"", true, "there are none"},
	"memory-mlock":                       {"false", true, "memory is not locked"},
	"socket-reuse-port":                  {"false", true, "one process listens"},
	"socket-reuse-address":               {"false", true, "one process listens"},
	"logger":                             {"zap", true, "logs are JSON lines"},
	"log-format":                         {"json", true, "logs are JSON lines"},
	"log-outputs":                        {"default", true, "logs go to standard error"},
	"enable-log-rotation":                {"false", true, "logs go to standard error"},
	"log-rotation-config-json":           {`{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}`, true, "logs go to standard error"},
	"cors":                               {"*", true, "browsers of other origins are not served"},
	"host-whitelist":                     {"*", true, "names of hosts are not checked"},
	"listen-client-http-urls":            {"", true, "HTTP and gRPC have the same address"},
	"client-crl-file":                    {"", true, "there are no lists of revoked certificates"},
	"peer-crl-file":                      {"", true, "there are no lists of revoked certificates"},
	"peer-skip-client-san-verification":  {"false", true, "members are told by their authority"},
	"tls-allow-expired":                  {"false", true, "expired certificates are refused"},
	"enable-distributed-tracing":         {"false", true, "stages are measured instead: see /metrics"},
	"distributed-tracing-address":        {"localhost:4317", true, "stages are measured instead: see /metrics"},
	"distributed-tracing-service-name":   {"etcd", true, "stages are measured instead: see /metrics"},
	"distributed-tracing-instance-id":    {"", true, "stages are measured instead: see /metrics"},
	"distributed-tracing-sampling-rate":  {"0", true, "stages are measured instead: see /metrics"},
	"discovery":                          {"", true, noDiscovery},
	"discovery-srv":                      {"", true, noDiscovery},
	"discovery-srv-name":                 {"", true, noDiscovery},
	"discovery-proxy":                    {"", true, noDiscovery},
	"discovery-fallback":                 {"exit", true, noDiscovery},
	"discovery-token":                    {"", true, noDiscovery},
	"discovery-endpoints":                {"", true, noDiscovery},
	"discovery-dial-timeout":             {"2s", true, noDiscovery},
	"discovery-request-timeout":          {"5s", true, noDiscovery},
	"discovery-keepalive-time":           {"2s", true, noDiscovery},
	"discovery-keepalive-timeout":        {"6s", true, noDiscovery},
	"discovery-insecure-transport":       {"true", true, noDiscovery},
	"discovery-insecure-skip-tls-verify": {"false", true, noDiscovery},
	"discovery-cert":                     {"", true, noDiscovery},
	"discovery-key":                      {"", true, noDiscovery},
	"discovery-cacert":                   {"", true, noDiscovery},
	"discovery-user":                     {"", true, noDiscovery},
	"discovery-password":                 {"", true, noDiscovery},
}

const noDiscovery = "members are named by --initial-cluster"

func registerForeign(f *pflag.FlagSet) {
	for name, x := range foreign {
		f.String(name, x.fallback, "taken for compatibility: "+x.why)
		f.Lookup(name).Hidden = true
		if x.fallback == "true" || x.fallback == "false" {
			f.Lookup(name).NoOptDefVal = "true"
		}
	}
}

// checkForeign refuses those that cannot be passed over.
func checkForeign(f *pflag.FlagSet) error {
	for _, name := range slices.Sorted(maps.Keys(foreign)) {
		if x, v := foreign[name], f.Lookup(name).Value.String(); x.refuse && v != "" && v != x.fallback && !(name == "log-outputs" && v == "stderr") {
			return fmt.Errorf("--%s %s is not supported: %s", name, v, x.why)
		}
	}
	return nil
}

// noteForeign notes the others.
func noteForeign(f *pflag.FlagSet, log *slog.Logger) {
	for _, name := range slices.Sorted(maps.Keys(foreign)) {
		if x, v := foreign[name], f.Lookup(name).Value.String(); !x.refuse && v != "" && v != x.fallback {
			log.Warn("a flag without effect", "flag", name, "value", v, "why", x.why)
		}
	}
}

// noteUnused notes what was given and is not used: variables that look like flags, and TLS settings for
// addresses without TLS.
func (o *serveOptions) noteUnused(f *pflag.FlagSet, environment []string, log *slog.Logger) {
	flags := map[string]*pflag.Flag{}
	f.VisitAll(func(fl *pflag.Flag) { flags[variable(fl.Name)] = fl })
	for _, v := range environment {
		name, value, _ := strings.Cut(v, "=")
		fl, known := flags[name]
		switch {
		case !strings.HasPrefix(name, variable("")) || value == "":
		case !known:
			log.Warn("an environment variable without effect", "name", name, "why", "no flag is called so")
		case o.configFile != "" && fl.Name != "config-file":
			log.Warn("an environment variable without effect", "name", name, "why", "everything is taken from the file "+o.configFile)
		case o.given[fl.Name]:
			log.Warn("an environment variable without effect", "name", name, "why", "the flag is given")
		}
	}
	for _, side := range []struct {
		flag string
		urls []string
		tls  *tlsOptions
	}{{"listen-client-urls", o.listenClient, &o.client}, {"listen-metrics-urls", o.listenMetrics, &o.client}, {"listen-peer-urls", o.listenPeer, &o.peer}} {
		for _, u := range side.urls {
			if strings.HasPrefix(u, "http:") && (side.tls.certFile != "" || side.tls.auto) {
				log.Warn("an address without TLS: certificates are neither shown nor demanded there", "flag", side.flag, "url", u)
			}
		}
	}
}
