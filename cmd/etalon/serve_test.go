package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etalon-kv/etalon/internal/freeport"
)

func TestWrongWordsToServe(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	junk := file("junk.pem", "junk")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"x"}, "takes no arguments"},
		{[]string{"--engin", "bolt"}, "unknown flag --engin, did you mean --engine?"},
		{[]string{"--engine", "peble"}, `did you mean "pebble"?`},
		{[]string{"--index", "btre"}, `unknown index "btre"`},
		{[]string{"--log", "wall"}, `did you mean "wal"?`},
		{[]string{"--policy", "soon"}, "or none"},
		{[]string{"--heartbeat-interval", "0"}, "want 1 or more milliseconds"},
		{[]string{"--heartbeat-interval", "300"}, "at least as 5 times"},
		{[]string{"--election-timeout", "60000"}, "is too long"},
		{[]string{"--initial-cluster-state", "old"}, "accepted: new, existing"},
		{[]string{"--initial-cluster-state", "existing", "--force-new-cluster"}, "contradict each other"},
		{[]string{"--initial-cluster", "a=http://127.0.0.1:1"}, `couldn't find local name "default"`},
		{[]string{"--initial-cluster", "default=http://127.0.0.1:1"}, "missing from --initial-advertise-peer-urls"},
		{[]string{"--initial-cluster", "default=http://localhost:2380,b=http://localhost:2380"}, "has http://localhost:2380 twice"},
		{[]string{"--initial-cluster", "default"}, "want NAME=URL"},
		{[]string{"--initial-cluster", "default=http://localhost:2380,b=https://localhost:2381"}, "member b is to be reached at https://localhost:2381, and no certificate is given"},
		{[]string{"--name", ""}, "--name is empty"},
		{[]string{"--initial-cluster", "default=http://localhost:2380,b=10.0.0.1"}, `--initial-cluster has "10.0.0.1", accepted: http://HOST:PORT`},
		{[]string{"--listen-client-urls", "http://127.0.0.1:1"}, "--advertise-client-urls is required"},
		{[]string{"--listen-client-urls", "", "--advertise-client-urls", "http://a:1"}, "--listen-client-urls is empty"},
		{[]string{"--listen-client-urls", "127.0.0.1:1", "--advertise-client-urls", "http://a:1"}, "accepted: http://HOST:PORT"},
		{[]string{"--listen-client-urls", "http://127.0.0.1", "--advertise-client-urls", "http://a:1"}, "missing port"},
		{[]string{"--listen-client-urls", "https://127.0.0.1:1", "--advertise-client-urls", "http://a:1"}, "no certificate is given"},
		{[]string{"--listen-client-urls", "http://0.0.0.0:1", "--advertise-client-urls", "http://a:1"}, "allow it with --listen-insecure"},
		{[]string{"--listen-peer-urls", "http://0.0.0.0:1"}, "--listen-peer-urls has http://0.0.0.0:1, which others can reach"},
		{[]string{"--listen-metrics-urls", "http://[::]:1"}, "which others can reach"},
		{[]string{"--watch-progress-notify-interval", "10ms"}, "want 100ms or more"},
		{[]string{"--auto-compaction-mode", "daily"}, "accepted: periodic, revision"},
		{[]string{"--auto-compaction-mode", "revision", "--auto-compaction-retention", "5m"}, "a number of revisions"},
		{[]string{"--auto-compaction-retention", "-1"}, "--auto-compaction-retention"},
		{[]string{"--max-txn-ops", "0"}, "want 1 or more of each"},
		{[]string{"--max-learners", "0"}, "want 1 or more of each"},
		{[]string{"--pre-vote=false"}, "always ask before an election"},
		{[]string{"--log-level", "loud"}, "accepted: debug"},
		{[]string{"--log-outputs", "/var/log/x"}, "logs go to standard error"},
		{[]string{"--log-format", "console"}, "logs are JSON lines"},
		{[]string{"--cors", "example.org"}, "--cors example.org is not supported"},
		{[]string{"--host-whitelist", "example.org"}, "names of hosts are not checked"},
		{[]string{"--discovery-srv", "example.org"}, "members are named by --initial-cluster"},
		{[]string{"--client-crl-file", junk}, "lists of revoked certificates"},
		{[]string{"--feature-gates", "AllAlpha=true"}, "there are none"},
		{[]string{"--listen-client-http-urls", "http://127.0.0.1:1"}, "HTTP and gRPC have the same address"},
		{[]string{"--tls-min-version", "TLS1.0"}, "TLS1.0"},
		{[]string{"--cert-file", junk}, "key"},
		{[]string{"--client-cert-auth"}, "no trusted CA file"},
		{[]string{"--config-file", filepath.Join(dir, "missing.yaml")}, "no such file"},
		{[]string{"--config-file", file("a.yaml", "nam: x\n")}, `unknown setting "nam", did you mean "name"?`},
		{[]string{"--config-file", file("b.yaml", "name: [\n")}, "b.yaml"},
		{[]string{"--config-file", file("c.yaml", "snapshot-count: many\n")}, "snapshot-count is many"},
		{[]string{"--config-file", file("d.yaml", "client-transport-security: yes\n")}, "client-transport-security is no mapping"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			t.Chdir(t.TempDir())
			// A member that starts by mistake ends at once.
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			var errs bytes.Buffer
			status := etalon(ctx, append([]string{"serve"}, c.args...), terminal{in: strings.NewReader(""), out: io.Discard, err: &errs})
			if status != exitUsage || !strings.Contains(errs.String(), c.want) {
				t.Errorf("status %d, %q; want 2 and %q", status, &errs, c.want)
			}
			if list, _ := os.ReadDir("."); len(list) != 0 {
				t.Errorf("left behind: %v", list)
			}
		})
	}
}

// parsed are the options that a command line, the environment and a file give.
func parsed(t *testing.T, args ...string) (*serveOptions, *pflag.FlagSet) {
	t.Helper()
	o := &serveOptions{}
	cmd := &cobra.Command{RunE: func(cmd *cobra.Command, _ []string) error {
		if err := o.complete(cmd); err != nil {
			return err
		}
		return o.check(cmd.Flags())
	}}
	o.register(cmd.Flags())
	cmd.SetArgs(args)
	cmd.SilenceUsage = true
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	return o, cmd.Flags()
}

func TestTheCommandLineGoesBeforeTheEnvironmentAndAFileBeforeBoth(t *testing.T) {
	t.Setenv("ETCD_NAME", "environment")
	t.Setenv("ETCD_SNAPSHOT_COUNT", "7")
	if o, _ := parsed(t, "--name", "line"); o.name != "line" || o.snapshotCount != 7 {
		t.Errorf("name %s, snapshot count %d; want line and 7", o.name, o.snapshotCount)
	}
	path := filepath.Join(t.TempDir(), "etcd.yaml")
	// In etcd's words: empty keys, lists, numbers of nanoseconds.
	if err := os.WriteFile(path, []byte(`
name: file
wal-dir:
initial-cluster:
listen-client-urls: http://127.0.0.1:1,http://127.0.0.1:2
advertise-client-urls: http://127.0.0.1:1
log-outputs: [stderr]
logger: zap
discovery-fallback: exit
cors:
watch-progress-notify-interval: 60000000000
auto-compaction-retention: "1"
strict-reconfig-check: false
client-transport-security:
peer-transport-security:
  auto-tls: false
  client-cert-auth: false
`), 0o600); err != nil {
		t.Fatal(err)
	}
	o, _ := parsed(t, "--config-file", path, "--name", "line")
	if o.name != "file" || o.snapshotCount != 10_000 || o.strict || o.progressInterval.Minutes() != 1 || len(o.listenClient) != 2 {
		t.Errorf("%+v", o)
	}
}

func TestWhatIsGivenAndNotUsedIsNoted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "empty.yaml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tls := []string{"--auto-tls", "--listen-client-urls", "https://127.0.0.1:1,http://127.0.0.1:2", "--advertise-client-urls", "https://127.0.0.1:1"}
	for _, c := range []struct {
		name, variable string
		args           []string
		want           string // in the only line
	}{
		{"a variable that is no flag's", "ETCD_SNAPSHOT_COUNTS=7", nil, `"name":"ETCD_SNAPSHOT_COUNTS","why":"no flag is called so"`},
		{"a variable whose flag is given", "ETCD_SNAPSHOT_COUNT=7", []string{"--snapshot-count", "8"}, `"name":"ETCD_SNAPSHOT_COUNT","why":"the flag is given"`},
		{"a variable beside a file", "ETCD_SNAPSHOT_COUNT=7", []string{"--config-file", file}, "everything is taken from the file"},
		{"a variable that is used", "ETCD_SNAPSHOT_COUNT=7", nil, ""},
		{"an empty variable", "ETCD_SNAPSHOT_COUNTS=", nil, ""},
		{"a variable of etcdctl", "ETCDCTL_ENDPOINTS=x", nil, ""},
		{"TLS for an address without it", "", tls, `"flag":"listen-client-urls","url":"http://127.0.0.1:2"`},
		{"TLS of members, who have none", "", []string{"--peer-auto-tls"}, `"flag":"listen-peer-urls","url":"http://localhost:2380"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			name, value, _ := strings.Cut(c.variable, "=")
			if name != "" {
				t.Setenv(name, value)
			}
			o, f := parsed(t, c.args...)
			var out bytes.Buffer
			o.noteUnused(f, []string{"HOME=/", c.variable}, slog.New(slog.NewJSONHandler(&out, nil)))
			if n := strings.Count(out.String(), "\n"); !strings.Contains(out.String(), c.want) || (n == 1) != (c.want != "") {
				t.Errorf("%s; want one line with %s", &out, c.want)
			}
		})
	}
}

func TestASnapshotCountOfNothingIsTheUsualOne(t *testing.T) {
	if o, _ := parsed(t, "--snapshot-count", "0"); o.snapshotCount != defaultSnapshotCount {
		t.Errorf("%d entries between two cuts", o.snapshotCount)
	}
}

func TestVersionNamesTheCompatibleEtcd(t *testing.T) {
	if status, out, _ := command(t, "serve", "--version"); status != exitOK || !strings.HasPrefix(out, "etcd Version: 3.7.") || !strings.Contains(out, "etalon") {
		t.Errorf("status %d, %q", status, out)
	}
}

func TestServeAnswersOnOnePortLogsJSONAndRefusesASecondOnItsDirectory(t *testing.T) {
	addrs, err := freeport.Find(6)
	if err != nil {
		t.Fatal(err)
	}
	port := func() string {
		addr := addrs[0]
		addrs = addrs[1:]
		return "http://" + addr
	}
	client, peer, dir := port(), port(), filepath.Join(t.TempDir(), "data")
	flags := func(client, peer string) []string {
		return []string{"serve", "--data-dir", dir, "--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--enable-grpc-gateway=false", "--max-wals", "3"}
	}
	r := startCommand(t, flags(client, peer)...)
	r.says(readyMessage)
	for path, want := range map[string]string{"/health": `{"health":"true"`, "/version": `"etcdserver":"3.7.`, "/metrics": "etcd_server_has_leader 1", "/readyz": "", "/v3/kv/range": "404"} {
		resp, err := http.Get(client + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %s, %v", path, text, err)
		}
	}
	if status, _, errs := command(t, flags(port(), port())...); status != exitFailed || !strings.Contains(errs, "in use") {
		t.Errorf("a second member on the directory: %d, %s", status, errs)
	}
	if status, _, errs := command(t, append(flags(port(), port()), "--engine", "pebble")...); status != exitFailed || !strings.Contains(errs, "keeps its state in engine bolt, not pebble") {
		t.Errorf("another engine: %d, %s", status, errs)
	}
	r.stop(exitOK)
	noted := false
	for _, line := range strings.Split(strings.TrimSpace(r.out.String()), "\n") {
		var record struct{ Msg, Flag string }
		if err := json.Unmarshal([]byte(line), &record); err != nil || record.Msg == "" {
			t.Errorf("a line that is no JSON: %s", line)
		}
		noted = noted || record.Flag == "max-wals"
	}
	if !noted {
		t.Error("a flag without effect was not noted")
	}
}
