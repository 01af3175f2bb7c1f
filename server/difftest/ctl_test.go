package difftest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Every command of etcdctl is run against a cluster of three of ours and one of three etcds, with the
// same arguments, and must print the same and end with the same status.

// shape says how much of an output is each server's own.
type shape int

const (
	exact   shape = iota
	lines         // the lines, in any order
	numbers       // all but numbers, in any order of lines
	nothing       // only that it works
)

// ctl is one command of etcdctl.
type ctl struct {
	args  string // divided at spaces; {name} is a variable of the cluster, _ an empty argument
	stdin string
	shape shape
	// learn is a pattern with one group: what it finds in the output becomes the variable as.
	learn, as string
	// until, if not empty, ends the command when it has printed that: it would go on for ever.
	until string
	at    string // the endpoint, a variable; empty: all
}

var commands = []ctl{
	{args: "put foo bar"}, {args: "put foo baz --prev-kv"}, {args: "put fro", stdin: "from standard input"}, {args: "put foo --ignore-value"},
	{args: "put none --ignore-value"}, {args: "put --lease=1234 a b"}, {args: "put foo bar -w json", shape: numbers}, {args: "put _ x"},
	{args: "get foo"}, {args: "get none"}, {args: "get foo --print-value-only"}, {args: "get f --prefix"}, {args: "get f --prefix --keys-only"},
	{args: "get _ --prefix --count-only -w fields", shape: numbers}, {args: "get f g --sort-by=MODIFY --order=DESCEND"}, {args: "get _ --from-key --limit=1"},
	{args: "get foo --rev=2"}, {args: "get foo --rev=99"}, {args: "get foo --hex"}, {args: "get foo -w json", shape: numbers}, {args: "get foo --consistency=s"},
	{args: "get f --prefix --max-mod-rev=4 --min-create-rev=2"}, {args: "get"},
	{args: "txn", stdin: "value(\"foo\") = \"bar\"\nmod(\"fro\") > \"0\"\n\nput foo seen\nget fro\n\nput foo other\nget fro\n\n"},
	{args: "txn", stdin: "version(\"none\") != \"0\"\n\nput foo no\n\ndel fro\nget foo\n\n"}, {args: "txn", stdin: "\nput x 1\nput x 2\n\n\n"},
	{args: "txn -i", stdin: "create(\"foo\") = \"2\"\n\nget foo\n\n\n"}, {args: "txn", stdin: "nonsense\n\n\n\n"},
	{args: "watch foo --rev=1", until: "seen\n"}, {args: "watch f --prefix --rev=2 --prev-kv", until: "seen\n"}, {args: "watch -i", stdin: "watch foo --rev=3\n", until: "seen\n"},
	{args: "watch foo --rev=1 -- echo event", until: "event\nevent\n"},
	{args: "lease grant 500", learn: `lease ([0-9a-f]{10,}) granted`, as: "lease"}, {args: "put --lease={lease} held 1"},
	{args: "lease timetolive {lease} --keys", shape: numbers}, {args: "put --lease={lease} held2 1"}, {args: "lease timetolive 4321"}, {args: "lease list"}, {args: "lease keep-alive --once {lease}"},
	{args: "lease keep-alive 4321"}, {args: "lease grant 9000000001"}, {args: "get held"}, {args: "lease revoke {lease}"}, {args: "lease revoke {lease}"}, {args: "get held --prefix"},
	{args: "del foo --prev-kv"}, {args: "del none"}, {args: "put p/1 a"}, {args: "put p/2 b"}, {args: "del p/ --prefix --prev-kv"}, {args: "del a z"}, {args: "del _ --from-key"},
	{args: "put foo again"}, {args: "compaction 4"}, {args: "compaction 4"}, {args: "compaction 7 --physical"}, {args: "compaction 999"}, {args: "get foo --rev=2"}, {args: "watch foo --rev=2"},
	{args: "endpoint health", shape: numbers}, {args: "endpoint health --cluster -w json", shape: numbers}, {args: "endpoint status", shape: numbers},
	{args: "endpoint status --cluster -w json", shape: nothing}, {args: "endpoint status -w table", shape: nothing}, {args: "endpoint hashkv", shape: numbers}, {args: "endpoint hashkv --rev=8", shape: lines},
	{args: "alarm list"}, {args: "alarm disarm"}, {args: "defrag", shape: numbers}, {args: "defrag --cluster", shape: numbers},
	{args: "snapshot save {file}", at: "m1", shape: numbers}, {args: "move-leader {followerID}", at: "leader", shape: numbers}, {args: "move-leader {followerID}", at: "follower", shape: nothing},
	{args: "lock l -- echo inside"}, {args: "lock l", until: "l/"}, {args: "elect e me", until: "me\n"}, {args: "elect -l e"},
	{args: "version"}, {args: "completion bash", shape: nothing}, {args: "options"}, {args: "help"},
	{args: "member list", shape: lines}, {args: "member list -w table", shape: nothing}, {args: "member list -w json --consistency=s", shape: numbers},
	{args: "member add m4 --peer-urls=http://127.0.0.1:7 --learner", learn: `Member *([0-9a-f]{10,}) added`, as: "added", shape: nothing}, {args: "member add m5 --peer-urls=http://127.0.0.1:7,http://127.0.0.1:17"},
	{args: "member add m5 --peer-urls=http://127.0.0.1:8 --learner"}, {args: "member add m5"}, {args: "member promote {added}"}, {args: "member promote 4321"},
	{args: "member update {added} --peer-urls=http://127.0.0.1:9"}, {args: "member list", shape: numbers}, {args: "member remove {added}"}, {args: "member remove {added}"},
	{args: "put last 1"}, {args: "get last"},
}

func TestEtcdctl(t *testing.T) {
	etcd, etalon := build(t, t.TempDir())
	dir := t.TempDir()
	bin := os.Getenv("DIFFTEST_ETCDCTL")
	if bin == "" {
		bin = filepath.Join(dir, "etcdctl")
		if err := os.Symlink(etcd, bin); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var both [2]*cluster
	for i, c := range []struct {
		name, binary string
		args         []string
	}{{"etcd", etcd, []string{"--log-level", "error"}}, {"etalon", etalon, []string{"serve", "--log-level", "error"}}} {
		var err error
		if both[i], err = newCluster(c.name, c.binary, dir, 3, c.args...); err == nil {
			both[i].bin = bin
			err = both[i].start(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := both[i].stop(); err != nil {
				t.Error(err)
			}
		}()
	}
	for _, c := range commands {
		t.Run(strings.ReplaceAll(c.args, "/", "|"), func(t *testing.T) { compareCommand(ctx, t, &both, c) })
	}
	t.Run("make-mirror from ours to etcd and back", func(t *testing.T) {
		mirror(ctx, t, both[1], both[0], "to-etcd")
		mirror(ctx, t, both[0], both[1], "to-ours")
	})
	t.Run("what has a name of etcd's in the metrics is one of etcd's", func(t *testing.T) {
		known := metricNames(t, both[0].members[0])
		for name := range metricNames(t, both[1].members[0]) {
			if strings.HasPrefix(name, "etcd_") && !known[name] {
				t.Errorf("etcd has no %s", name)
			}
		}
	})
	// How good a cluster is found depends on the machine; that it is measured to the end does not.
	checks := map[string]string{"check datascale --load=s": "Approximate system memory used"}
	if os.Getenv("DIFFTEST_PERF") != "" { // it writes for a minute
		checks["check perf --load=s"] = "Slowest request took"
	}
	for args, want := range checks {
		t.Run(args, func(t *testing.T) {
			if out, err := run(ctx, both[1], ctl{args: args}); !strings.Contains(out, want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	for _, args := range []string{"user list", "role list", "auth status", "auth enable", "downgrade validate 3.6.0", "get last --stream"} {
		t.Run(args+" is not implemented, and says so", func(t *testing.T) {
			out, err := run(ctx, both[1], ctl{args: args})
			if err == nil || !strings.Contains(out, "nimplemented") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// metricNames are the names, with their types, of what a member tells at /metrics.
func metricNames(t *testing.T, s *server) map[string]bool {
	resp, err := http.Get("http://" + s.client + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			names[strings.TrimSpace(name)] = true
		}
	}
	if len(names) == 0 {
		t.Fatalf("no metrics: %s", text)
	}
	return names
}

func compareCommand(ctx context.Context, t *testing.T, both *[2]*cluster, c ctl) {
	var out [2]string
	var failed [2]bool
	var wg sync.WaitGroup
	for i := range both {
		if c.at == "leader" || c.at == "follower" {
			if err := both[i].learnLeader(ctx); err != nil {
				t.Fatal(err)
			}
		}
		wg.Go(func() {
			text, err := run(ctx, both[i], c)
			failed[i] = err != nil
			if err != nil && c.until != "" {
				text += err.Error()
			}
			out[i] = text
		})
	}
	wg.Wait()
	for i, cl := range both {
		if c.learn != "" {
			if found := regexp.MustCompile(c.learn).FindStringSubmatch(out[i]); found != nil {
				cl.vars[c.as] = found[1]
				cl.replace(found[1], strings.ToUpper(c.as))
			}
		}
		out[i] = c.shape.of(cl.plain(withoutLogs(out[i])))
	}
	if out[0] != out[1] || failed[0] != failed[1] {
		t.Errorf("etcd (failed: %v):\n%s\netalon (failed: %v):\n%s", failed[0], out[0], failed[1], out[1])
	}
}

// run runs a command to its end, or until it has printed what is waited for.
func run(ctx context.Context, c *cluster, cmd ctl) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	at := c.endpoints()
	if cmd.at != "" {
		at = c.vars[cmd.at]
	}
	args := []string{"--endpoints", at, "--command-timeout", "30s"}
	for _, a := range strings.Fields(c.fill(cmd.args)) {
		if a == "_" {
			a = ""
		}
		args = append(args, a)
	}
	p := exec.CommandContext(ctx, c.bin, args...)
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out := &output{seen: make(chan struct{}), until: cmd.until}
	p.Stdout, p.Stderr = out, out
	if cmd.until == "" {
		p.Stdin = strings.NewReader(cmd.stdin)
		err := p.Run()
		return out.String(), err
	}
	stdin, err := p.StdinPipe() // stays open: at its end an interactive watch is over
	if err != nil {
		return "", err
	}
	if err := p.Start(); err != nil {
		return "", err
	}
	exited := make(chan error, 1)
	go func() { exited <- p.Wait() }()
	if _, err := io.WriteString(stdin, cmd.stdin); err != nil && !errors.Is(err, syscall.EPIPE) {
		return "", err
	}
	select {
	case <-out.seen:
		text, _, _ := strings.Cut(out.String(), cmd.until)
		err = p.Process.Signal(syscall.SIGTERM) // a shell's background jobs ignore SIGINT, and so do their children
		<-exited                                // with a status that says it was ended
		return text + cmd.until, err
	case err := <-exited:
		return out.String(), errors.Join(errors.New("it ended by itself"), err)
	}
}

// output keeps what a process prints, and tells when that contains something.
type output struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	until string
	seen  chan struct{}
	told  bool
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(p)
	if o.until != "" && !o.told && strings.Contains(o.buf.String(), o.until) {
		o.told = true
		close(o.seen)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// withoutLogs leaves out the lines that the client logs, which have times in them.
func withoutLogs(text string) string {
	var kept []string
	for _, line := range strings.SplitAfter(text, "\n") {
		if !strings.HasPrefix(line, `{"level"`) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

var (
	number = regexp.MustCompile(`-?[0-9]+(\.[0-9]+)?`)
	unit   = regexp.MustCompile(`N ?(µs|ms|s|[kMG]?B)\b`)
	leased = regexp.MustCompile(`/[0-9a-f]{12,}`) // the end of a key that a lock or an election has made
)

func (s shape) of(text string) string {
	switch s {
	case lines:
		return sorted(text)
	case numbers:
		return sorted(unit.ReplaceAllString(number.ReplaceAllString(text, "N"), "N"))
	case nothing:
		return ""
	}
	return leased.ReplaceAllString(text, "/LEASE")
}

// mirror runs make-mirror until a key has arrived.
func mirror(ctx context.Context, t *testing.T, from, to *cluster, key string) {
	if _, err := run(ctx, from, ctl{args: "put mirrored/" + key + " value"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	p := exec.CommandContext(ctx, from.bin, "--endpoints", from.endpoints(), "make-mirror", "--prefix", "mirrored/", to.vars["m1"])
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = p.Wait() // killed
	}()
	if out, err := run(ctx, to, ctl{args: "watch mirrored/" + key + " --rev=8", until: "value\n"}); err != nil && !strings.Contains(out, "value") {
		t.Errorf("%v: %s", err, out)
	}
}
