package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// asCommand in the environment makes the test's program the command: what members of a cluster run.
const asCommand = "ETALON_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// watched is output that somebody waits for.
type watched struct {
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{}
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.grown)
	w.grown = make(chan struct{})
	return w.text.Write(b)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// running is an etalon cluster or serve of this test.
type running struct {
	t      *testing.T
	out    *watched
	cancel context.CancelFunc
	status chan int
}

// startCluster runs etalon cluster and returns when it says that it is ready.
func startCluster(t *testing.T, args ...string) *running {
	t.Helper()
	r := startCommand(t, append([]string{"cluster"}, args...)...)
	r.says("Ctrl-C stops it")
	return r
}

// startCommand runs a command until the test ends or stop.
func startCommand(t *testing.T, args ...string) *running {
	t.Helper()
	t.Setenv(asCommand, "1")
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, out: &watched{grown: make(chan struct{})}, cancel: cancel, status: make(chan int, 1)}
	go func() {
		r.status <- etalon(ctx, args, terminal{in: strings.NewReader(""), out: r.out, err: r.out})
	}()
	t.Cleanup(cancel)
	return r
}

// says waits for words.
func (r *running) says(words string) {
	r.t.Helper()
	for {
		r.out.mu.Lock()
		text, grown := r.out.text.String(), r.out.grown
		r.out.mu.Unlock()
		if strings.Contains(text, words) {
			return
		}
		select {
		case <-grown:
		case status := <-r.status:
			r.t.Fatalf("status %d before it said %q:\n%s", status, words, r.out)
		}
	}
}

// stop is Ctrl-C.
func (r *running) stop(want int) {
	r.t.Helper()
	r.cancel()
	if got := <-r.status; got != want {
		r.t.Fatalf("status %d, want %d:\n%s", got, want, r.out)
	}
}

// found are the matches of a pattern with one group in what was said.
func (r *running) found(pattern string) (all []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(r.out.String(), -1) {
		all = append(all, m[1])
	}
	return all
}

func (r *running) client() *clientv3.Client {
	r.t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(r.found("ENDPOINTS=(.*)")[0], ","), DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// putUntilDone puts k; a try may be lost with a leader.
func putUntilDone(t *testing.T, c *clientv3.Client, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		_, err := c.Put(ctx, "k", value)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

func TestAClusterOfThreeEnginesServesStopsAndStartsAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cluster")
	r := startCluster(t, "--engine", "bolt,pebble,badger", "--dir", dir)
	putUntilDone(t, r.client(), "v")
	t.Run("a second one on its directory is refused and harms nothing", func(t *testing.T) {
		if status, _, errs := command(t, "cluster", "--dir", dir); status != exitFailed || !strings.Contains(errs, "is the cluster running already?") {
			t.Errorf("status %d, %s", status, errs)
		}
	})
	r.stop(exitOK)

	r = startCluster(t, "--dir", dir)
	if got, err := r.client().Get(t.Context(), "k"); err != nil || len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "v" {
		t.Fatalf("after the second start: %v, %v", got, err)
	}
	pid, err := strconv.Atoi(r.found(`pid (\d+)`)[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.says("n2 (pebble) has ended: signal: killed")
	r.says("etalon serve --name=n2")
	putUntilDone(t, r.client(), "without n2")
	r.stop(exitFailed)
	if !strings.Contains(r.out.String(), "ended by themselves: n2") {
		t.Error(r.out)
	}

	t.Run("a member goes on alone", func(t *testing.T) {
		l, err := readLayout(dir)
		if err != nil {
			t.Fatal(err)
		}
		n3 := l.Members[2]
		r := startCommand(t, l.args(n3, dir, []string{"--force-new-cluster"})...)
		r.says(readyMessage)
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{n3.Client}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		got, err := c.Get(t.Context(), "k")
		if err != nil || len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "without n2" {
			t.Errorf("it has %v, %v", got, err)
		}
		list, err := c.MemberList(t.Context())
		if err != nil || len(list.Members) != 1 || list.Members[0].Name != "n3" {
			t.Errorf("members %v, %v", list, err)
		}
		if _, err := c.Put(t.Context(), "k", "alone"); err != nil {
			t.Error(err)
		}
		r.stop(exitOK)
	})
}

func TestWrongWordsToACluster(t *testing.T) {
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	altered := t.TempDir()
	if err := os.WriteFile(filepath.Join(altered, layoutName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	made := t.TempDir()
	o := &clusterOptions{nodes: 3, engines: []string{"bolt"}, indexes: []string{"packed"}, logs: []string{"wal"}, policy: "none", given: func(string) bool { return false }}
	l, err := o.layout(made)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.store(made); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--nodes", "0"}, exitUsage, "--nodes 0, accepted: 1 to 9"},
		{[]string{"--engine", "bolt,peble"}, exitUsage, `did you mean "pebble"?`},
		{[]string{"--engine", ""}, exitUsage, "--engine is empty"},
		{[]string{"--nodes", "3", "--engine", "bolt,pebble"}, exitUsage, "--engine names 2 for 3 members"},
		{[]string{"--engine", "bolt,pebble", "--log", "wal,wal,wal"}, exitUsage, "--log names 3 for 2 members"},
		{[]string{"--port", "70000"}, exitUsage, "--port 70000"},
		{[]string{"n1"}, exitUsage, `got "n1"`},
		{[]string{"--", "--nam=x"}, exitUsage, "after --: unknown flag: --nam"},
		{[]string{"--", "--name=x"}, exitUsage, "--name is not the members' to choose"},
		{[]string{"--", "--config-file=x"}, exitUsage, "--config-file is not the members' to choose"},
		{[]string{"--", "x"}, exitUsage, `"x" is no flag`},
		{[]string{"--", "--heartbeat-interval=900"}, exitUsage, "--election-timeout[1000ms]"},
		{[]string{"--policy", "soon"}, exitUsage, `policy "soon"`},
		{[]string{"--nodes", "1", "--port", port}, exitFailed, "n1 cannot listen on 127.0.0.1:" + port},
		{[]string{"--dir", foreign}, exitFailed, "has other content than a cluster"},
		{[]string{"--dir", altered}, exitFailed, "is not what etalon cluster writes"},
		{[]string{"--dir", made, "--engine", "mem"}, exitUsage, "was made with --engine bolt"},
		{[]string{"--dir", made, "--nodes", "5"}, exitUsage, "holds a cluster of 3, not of 5"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			status, _, errs := command(t, append([]string{"cluster"}, c.args...)...)
			if status != c.status || !strings.Contains(errs, c.want) {
				t.Errorf("status %d, %q; want %d and %q", status, errs, c.status, c.want)
			}
			if left, _ := os.ReadDir(os.TempDir()); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
