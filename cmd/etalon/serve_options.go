package main

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etalon-kv/etalon/internal/nearest"
	"github.com/etalon-kv/etalon/server/security"
)

// serveOptions are the flags of serve: etcd's, with their names and meanings, and those that choose
// the parts.
type serveOptions struct {
	engine, index, log, policy string
	options                    []string // of engine and log: NAME.OPTION=VALUE

	name, dataDir, walDir            string
	listenPeer, listenClient         []string
	advertisePeer, advertiseClient   []string
	listenMetrics                    []string
	cluster, clusterState, token     string
	forceNew, strict, noFsync, pre   bool
	snapshotCount                    uint64
	heartbeatMS, electionMS          uint
	quotaBytes                       int64
	maxTxnOps, maxRequestBytes       uint
	maxStreams                       uint32
	maxLearners                      int
	progressInterval                 time.Duration
	compactionMode, compactionRetain string
	keepaliveMin                     time.Duration
	keepaliveInterval                time.Duration
	keepaliveTimeout                 time.Duration
	client, peer                     tlsOptions
	cipherSuites                     []string
	minTLS, maxTLS                   string
	logLevel                         string
	gateway                          bool
	pprof, plaintext, checkCorrupt   bool
	corruptCheckTime                 time.Duration
	version, stopWithInput           bool
	configFile                       string
	given                            map[string]bool // flags of the command line
}

// tlsOptions are the flags of one side.
type tlsOptions struct {
	certFile, keyFile, clientCertFile, clientKeyFile, caFile string
	clientAuth, auto                                         bool
	allowedNames, allowedHosts                               []string
}

func (o *serveOptions) register(f *pflag.FlagSet) {
	f.StringVar(&o.engine, "engine", "bolt", "storage engine: "+strings.Join(engineNames, ", "))
	f.StringVar(&o.index, "index", "packed", "key index: "+strings.Join(indexNames, ", "))
	f.StringVar(&o.log, "log", "wal", "Raft log: "+strings.Join(logNames, ", "))
	f.StringVar(&o.policy, "policy", defaultPolicy, "when the engine commits what the log has: limits joined by '/', or none: at once")
	f.StringSliceVar(&o.options, "option", nil, "options of engine and log: NAME.OPTION=VALUE,… as etalon bench takes them")
	f.BoolVar(&o.plaintext, "listen-insecure", false, "allow addresses that are not loopback without TLS")

	f.StringVar(&o.name, "name", "default", "name of this member")
	f.StringVar(&o.dataDir, "data-dir", "", "data directory (default: NAME.etalon)")
	f.StringVar(&o.walDir, "wal-dir", "", "directory of the log (default: in the data directory)")
	f.StringSliceVar(&o.listenPeer, "listen-peer-urls", []string{"http://localhost:2380"}, "where to listen for members")
	f.StringSliceVar(&o.listenClient, "listen-client-urls", []string{"http://localhost:2379"}, "where to listen for clients")
	f.StringSliceVar(&o.listenMetrics, "listen-metrics-urls", nil, "where else to serve /metrics and /health")
	f.StringSliceVar(&o.advertisePeer, "initial-advertise-peer-urls", []string{"http://localhost:2380"}, "peer URLs told to the others")
	f.StringSliceVar(&o.advertiseClient, "advertise-client-urls", []string{"http://localhost:2379"}, "client URLs told to clients")
	f.StringVar(&o.cluster, "initial-cluster", "", "founding members, NAME=URL,… (default: this one alone)")
	f.StringVar(&o.clusterState, "initial-cluster-state", "new", "new, or existing: join a cluster that runs")
	f.StringVar(&o.token, "initial-cluster-token", "etcd-cluster", "what tells clusters with equal members apart")
	f.BoolVar(&o.strict, "strict-reconfig-check", true, "refuse membership changes that would lose the quorum")
	f.BoolVar(&o.forceNew, "force-new-cluster", false, "go on as the only member, with what the data directory has; the others are lost and must not run any more")
	f.BoolVar(&o.noFsync, "unsafe-no-fsync", false, "never sync the log: a crash of the machine loses acknowledged writes")
	f.BoolVar(&o.pre, "pre-vote", true, "ask before an election whether it could be won; always on")
	f.Uint64Var(&o.snapshotCount, "snapshot-count", defaultSnapshotCount, "entries applied between two cuts of the log; 0 is 10000")
	f.UintVar(&o.heartbeatMS, "heartbeat-interval", 100, "milliseconds between heartbeats")
	f.UintVar(&o.electionMS, "election-timeout", 1000, "milliseconds without a leader before an election")
	f.Int64Var(&o.quotaBytes, "quota-backend-bytes", 0, "size of the store from which on nothing may be added; 0 is 2 GiB, negative none")
	f.UintVar(&o.maxTxnOps, "max-txn-ops", 128, "operations in a transaction")
	f.UintVar(&o.maxRequestBytes, "max-request-bytes", 3<<19, "bytes of a request")
	f.Uint32Var(&o.maxStreams, "max-concurrent-streams", 0, "concurrent calls of one connection; 0 is no bound")
	f.IntVar(&o.maxLearners, "max-learners", 1, "learners in the cluster")
	f.DurationVar(&o.progressInterval, "watch-progress-notify-interval", 10*time.Minute, "how often idle watches are told of progress")
	f.StringVar(&o.compactionMode, "auto-compaction-mode", "periodic", "periodic or revision")
	f.StringVar(&o.compactionRetain, "auto-compaction-retention", "0", "history to keep: a duration (a number is hours), or revisions; 0 is all")
	f.DurationVar(&o.keepaliveMin, "grpc-keepalive-min-time", 5*time.Second, "least time between pings of a client")
	f.DurationVar(&o.keepaliveInterval, "grpc-keepalive-interval", 2*time.Hour, "time without a sign of a client before it is pinged")
	f.DurationVar(&o.keepaliveTimeout, "grpc-keepalive-timeout", 20*time.Second, "how long a ping may stay unanswered")
	o.client.register(f, "", "clients")
	o.peer.register(f, "peer-", "members")
	f.StringSliceVar(&o.cipherSuites, "cipher-suites", nil, "TLS cipher suites, by Go's names")
	f.StringVar(&o.minTLS, "tls-min-version", "TLS1.2", "least TLS version")
	f.StringVar(&o.maxTLS, "tls-max-version", "", "greatest TLS version")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn, error, panic or fatal")
	f.BoolVar(&o.gateway, "enable-grpc-gateway", true, "serve JSON below /v3/")
	f.BoolVar(&o.pprof, "enable-pprof", false, "serve /debug/pprof/ to clients")
	f.BoolVar(&o.checkCorrupt, "experimental-initial-corrupt-check", false, "members always compare their histories")
	f.DurationVar(&o.corruptCheckTime, "corrupt-check-time", time.Minute, "how often members compare their histories; 0 never")
	f.BoolVar(&o.version, "version", false, "print the version and stop")
	f.StringVar(&o.configFile, "config-file", "", "YAML file with all of these; other flags and the environment are then not looked at")
	f.BoolVar(&o.stopWithInput, stopWithInput, false, "stop when standard input ends")
	_ = f.MarkHidden(stopWithInput) // it exists
	registerForeign(f)
	_ = f.MarkHidden("experimental-initial-corrupt-check") // it exists
}

func (t *tlsOptions) register(f *pflag.FlagSet, prefix, who string) {
	f.StringVar(&t.certFile, prefix+"cert-file", "", "certificate shown to "+who)
	f.StringVar(&t.keyFile, prefix+"key-file", "", "its key")
	f.StringVar(&t.clientCertFile, prefix+"client-cert-file", "", "certificate shown when connecting to "+who+", if another")
	f.StringVar(&t.clientKeyFile, prefix+"client-key-file", "", "its key")
	f.StringVar(&t.caFile, prefix+"trusted-ca-file", "", "authorities of the certificates of "+who)
	f.BoolVar(&t.clientAuth, prefix+"client-cert-auth", false, "demand certificates of "+who)
	f.BoolVar(&t.auto, map[bool]string{true: "auto-tls", false: "peer-auto-tls"}[prefix == ""], false, "TLS to "+who+" with a certificate of one's own making")
	if prefix == "" {
		f.StringSliceVar(&t.allowedHosts, "client-cert-allowed-hostname", nil, "names that client certificates must have one of")
		return
	}
	f.StringSliceVar(&t.allowedNames, "peer-cert-allowed-cn", nil, "common names that members' certificates must have one of")
	f.StringSliceVar(&t.allowedHosts, "peer-cert-allowed-hostname", nil, "names that members' certificates must have one of")
}

// security is the side's TLS; dir is where certificates of one's own are kept.
func (o *serveOptions) security(t *tlsOptions, dir string, urls []string) (security.Config, error) {
	c := security.Config{
		CertFile: t.certFile, KeyFile: t.keyFile, ClientCertFile: t.clientCertFile, ClientKeyFile: t.clientKeyFile, CAFile: t.caFile,
		ClientAuth: t.clientAuth, AllowedNames: t.allowedNames, AllowedHosts: t.allowedHosts, CipherSuites: o.cipherSuites,
		Auto: t.auto && t.certFile == "", AutoDir: dir,
	}
	for _, u := range urls {
		if p, err := url.Parse(u); err == nil {
			c.AutoHosts = append(c.AutoHosts, p.Hostname())
		}
	}
	var err error
	if c.MinVersion, err = security.Version(o.minTLS); err != nil {
		return c, err
	}
	if c.MaxVersion, err = security.Version(o.maxTLS); err != nil {
		return c, err
	}
	if len(c.CipherSuites) == 0 || c.Enabled() {
		return c, c.Validate()
	}
	c.CipherSuites = nil // of the other side
	return c, c.Validate()
}

// complete takes what the command line has not set from the environment, or everything from the file.
// set is told of each flag that was set.
func (o *serveOptions) complete(cmd *cobra.Command) error {
	f := cmd.Flags()
	o.given = map[string]bool{}
	f.Visit(func(fl *pflag.Flag) { o.given[fl.Name] = true })
	if v, ok := os.LookupEnv("ETCD_CONFIG_FILE"); ok && !f.Changed("config-file") {
		o.configFile = v
	}
	if o.configFile != "" {
		return o.readFile(f)
	}
	var bad error
	f.VisitAll(func(fl *pflag.Flag) {
		key := variable(fl.Name)
		if v, ok := os.LookupEnv(key); ok && !fl.Changed && v != "" && bad == nil {
			if err := f.Set(fl.Name, v); err != nil {
				bad = fmt.Errorf("environment variable %s is %q: %w", key, v, err)
			}
		}
	})
	return bad
}

// variable is the name of the environment variable that stands for a flag.
func variable(flag string) string {
	return "ETCD_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// readFile takes everything from a configuration file like etcd's: the flags' names, and TLS in the
// mappings client-transport-security and peer-transport-security.
func (o *serveOptions) readFile(f *pflag.FlagSet) error {
	text, err := os.ReadFile(o.configFile)
	if err != nil {
		return fmt.Errorf("configuration file: %w", err)
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		return fmt.Errorf("configuration file %s: %w", o.configFile, err)
	}
	var names []string
	f.VisitAll(func(fl *pflag.Flag) {
		names = append(names, fl.Name)
		if fl.Changed && fl.Name != "config-file" {
			fl.Changed = false
			_ = fl.Value.Set(fl.DefValue) // a default can be set
			if s, ok := fl.Value.(pflag.SliceValue); ok {
				_ = s.Replace(splitList(strings.Trim(fl.DefValue, "[]")))
			}
		}
	})
	for _, side := range []struct{ key, prefix string }{{"client-transport-security", ""}, {"peer-transport-security", "peer-"}} {
		sub, ok := values[side.key].(map[string]any)
		if values[side.key] == nil {
			delete(values, side.key)
			continue
		}
		if !ok {
			return fmt.Errorf("configuration file %s: %s is no mapping", o.configFile, side.key)
		}
		delete(values, side.key)
		for k, v := range sub {
			if side.prefix == "" && k == "crl-file" {
				k = "client-" + k
			}
			if k == "allowed-cn" || k == "allowed-hostname" {
				k = "cert-" + k
			}
			if side.prefix == "" && k == "cert-allowed-hostname" {
				k = "client-" + k
			}
			values[side.prefix+k] = v
		}
	}
	for _, k := range slices.Sorted(maps.Keys(values)) {
		v := values[k]
		if !slices.Contains(names, k) {
			return fmt.Errorf("configuration file %s: %w", o.configFile, nearest.Error("setting", k, names))
		}
		if v == nil {
			continue // a key without a value
		}
		text := settingText(v)
		if _, err := strconv.ParseInt(text, 10, 64); err == nil && f.Lookup(k).Value.Type() == "duration" {
			text += "ns" // as etcd has it
		}
		if err := f.Set(k, text); err != nil {
			return fmt.Errorf("configuration file %s: %s is %v: %w", o.configFile, k, v, err)
		}
	}
	return nil
}

func settingText(v any) string {
	if list, ok := v.([]any); ok {
		var parts []string
		for _, e := range list {
			parts = append(parts, fmt.Sprint(e))
		}
		return strings.Join(parts, ",")
	}
	return fmt.Sprint(v)
}

func splitList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// defaultSnapshotCount is etcd's; a count of 0 means it, too.
const defaultSnapshotCount = 10_000

// check refuses what contradicts itself.
func (o *serveOptions) check(f *pflag.FlagSet) error {
	if err := checkForeign(f); err != nil {
		return err
	}
	if !slices.Contains(engineNames, o.engine) {
		return nearest.Error("engine", o.engine, engineNames)
	}
	if !slices.Contains(logNames, o.log) {
		return nearest.Error("log", o.log, logNames)
	}
	if _, err := newIndex(o.index); err != nil {
		return err
	}
	if o.policy != "none" {
		if _, err := parsePolicy(o.policy); err != nil {
			return fmt.Errorf("%w, or none", err)
		}
	}
	if err := o.checkOptions(); err != nil {
		return err
	}
	if o.snapshotCount == 0 {
		o.snapshotCount = defaultSnapshotCount
	}
	switch {
	case o.name == "":
		return fmt.Errorf("--name is empty: members are told apart by their names")
	case o.heartbeatMS == 0 || o.electionMS == 0:
		return fmt.Errorf("--heartbeat-interval %d and --election-timeout %d, want 1 or more milliseconds of each", o.heartbeatMS, o.electionMS)
	case 5*o.heartbeatMS > o.electionMS:
		return fmt.Errorf("--election-timeout[%vms] should be at least as 5 times as --heartbeat-interval[%vms]", o.electionMS, o.heartbeatMS)
	case o.electionMS > 50_000:
		return fmt.Errorf("--election-timeout[%vms] is too long, and should be set less than 50000ms", o.electionMS)
	case o.maxTxnOps == 0 || o.maxRequestBytes == 0 || o.maxLearners < 1:
		return fmt.Errorf("--max-txn-ops %d, --max-request-bytes %d and --max-learners %d, want 1 or more of each", o.maxTxnOps, o.maxRequestBytes, o.maxLearners)
	case o.clusterState != "new" && o.clusterState != "existing":
		return fmt.Errorf("--initial-cluster-state %q, accepted: new, existing", o.clusterState)
	case o.progressInterval < 100*time.Millisecond:
		return fmt.Errorf("--watch-progress-notify-interval %v, want 100ms or more", o.progressInterval)
	case o.forceNew && o.clusterState == "existing":
		return fmt.Errorf("--force-new-cluster and --initial-cluster-state existing contradict each other")
	case !o.pre:
		return fmt.Errorf("--pre-vote=false is not supported: members always ask before an election")
	case f.Changed("listen-client-urls") && !f.Changed("advertise-client-urls"):
		return fmt.Errorf("--advertise-client-urls is required when --listen-client-urls is set explicitly")
	case o.compactionMode != "periodic" && o.compactionMode != "revision":
		return fmt.Errorf("--auto-compaction-mode %q, accepted: periodic, revision", o.compactionMode)
	}
	if _, err := o.retention(); err != nil {
		return err
	}
	if _, err := logLevel(o.logLevel); err != nil {
		return err
	}
	return o.checkURLs()
}

// checkOptions refuses options that nothing here has.
func (o *serveOptions) checkOptions() error {
	all, err := parseOptions(o.options)
	if err != nil {
		return fmt.Errorf("--option: %w", err)
	}
	for component := range all {
		if component != o.engine && component != o.log {
			return fmt.Errorf("--option %s.…: this member has engine %s and log %s", component, o.engine, o.log)
		}
	}
	return nil
}

// optionsOf are those of a component, checked before.
func (o *serveOptions) optionsOf(component string) map[string]any {
	all, _ := parseOptions(o.options)
	return all[component]
}

func (o *serveOptions) checkURLs() error {
	for _, list := range []struct {
		flag   string
		urls   []string
		tls    *tlsOptions
		listen bool
	}{
		{"listen-client-urls", o.listenClient, &o.client, true}, {"listen-peer-urls", o.listenPeer, &o.peer, true},
		{"listen-metrics-urls", o.listenMetrics, &o.client, true},
		{"advertise-client-urls", o.advertiseClient, nil, false}, {"initial-advertise-peer-urls", o.advertisePeer, nil, false},
	} {
		if len(list.urls) == 0 && list.flag != "listen-metrics-urls" {
			return fmt.Errorf("--%s is empty", list.flag)
		}
		for _, text := range list.urls {
			u, err := checkURL(list.flag, text)
			if err != nil {
				return err
			}
			if !list.listen {
				continue
			}
			secure := list.tls.certFile != "" || list.tls.auto
			switch {
			case u.Scheme == "https" && !secure:
				return fmt.Errorf("--%s has %s, and no certificate is given", list.flag, text)
			case u.Scheme == "http" && !o.plaintext && !loopback(u.Hostname()):
				return fmt.Errorf("--%s has %s, which others can reach, without TLS: use https, or allow it with --listen-insecure", list.flag, text)
			}
		}
	}
	members, err := o.members()
	if err != nil || o.peer.certFile != "" || o.peer.auto {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		for _, u := range members[name] {
			if strings.HasPrefix(u, "https:") { // it would be reached without TLS
				return fmt.Errorf("member %s is to be reached at %s, and no certificate is given: want --peer-cert-file and --peer-key-file, or --peer-auto-tls", name, u)
			}
		}
	}
	return nil
}

// checkURL parses a URL that a flag has.
func checkURL(flag, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" {
		return nil, fmt.Errorf("--%s has %q, accepted: http://HOST:PORT or https://HOST:PORT", flag, text)
	}
	if _, _, err := net.SplitHostPort(u.Host); err != nil {
		return nil, fmt.Errorf("--%s has %q: %v", flag, text, err)
	}
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// members are those of --initial-cluster, by name.
func (o *serveOptions) members() (map[string][]string, error) {
	if o.cluster == "" {
		return map[string][]string{o.name: o.advertisePeer}, nil
	}
	m := map[string][]string{}
	for _, part := range strings.Split(o.cluster, ",") {
		name, u, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || name == "" || u == "" {
			return nil, fmt.Errorf("--initial-cluster has %q, want NAME=URL", part)
		}
		if _, err := checkURL("initial-cluster", u); err != nil {
			return nil, err
		}
		for other, urls := range m {
			if slices.Contains(urls, u) {
				return nil, fmt.Errorf("--initial-cluster has %s twice, for %s and %s", u, other, name)
			}
		}
		m[name] = append(m[name], u)
	}
	own, ok := m[o.name]
	if !ok {
		return nil, fmt.Errorf("couldn't find local name %q in the initial cluster configuration", o.name)
	}
	slices.Sort(own)
	if !slices.Equal(own, slices.Sorted(slices.Values(o.advertisePeer))) {
		return nil, fmt.Errorf("--initial-cluster has %s=%s but missing from --initial-advertise-peer-urls=%s", o.name, strings.Join(own, ","), strings.Join(o.advertisePeer, ","))
	}
	return m, nil
}

func (o *serveOptions) dir() string {
	if o.dataDir != "" {
		return o.dataDir
	}
	return o.name + ".etalon"
}

// logDir is where the log is kept; fallback is where the server would put it.
func (o *serveOptions) logDir(fallback string) string {
	if o.walDir != "" {
		return filepath.Join(o.walDir, "log")
	}
	return fallback
}
