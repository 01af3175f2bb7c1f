package faulttest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// patience is how long a process may take for what it does at once on a machine that has time.
const patience = 2 * time.Minute

// company is a cluster of processes that runs, and a client of all members.
type company struct {
	*cluster
	t      *testing.T
	ctx    context.Context
	client *clientv3.Client
}

// gather starts a cluster in which everybody answers.
func gather(t *testing.T, members int, argv func(i int) []string) *company {
	t.Helper()
	c, err := newCluster(t.TempDir(), members, argv)
	must(t, err)
	t.Cleanup(c.close)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	must(t, c.heal())
	must(t, c.ready(ctx))
	client, err := dial(c.endpoints()...)
	must(t, err)
	t.Cleanup(func() { client.Close() })
	return &company{c, t, ctx, client}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// insist asks until it is answered without an error.
func (c *company) insist(what string, f func(context.Context) error) {
	c.t.Helper()
	if err := insist(c.ctx, f); err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
}

func (c *company) put(key, value string) {
	c.t.Helper()
	c.insist("put", func(ctx context.Context) error {
		_, err := c.client.Put(ctx, key, value)
		return err
	})
}

// ends waits until a member's process ends by itself, with status 1 and one last line that has all of words.
func (c *company) ends(m *member, words ...string) {
	c.t.Helper()
	select {
	case <-m.exited:
	case <-c.ctx.Done():
		c.t.Fatalf("%s still runs; its log ends\n%s", m.name, m.logTail())
	}
	m.killed = true
	m.pid.Store(0)
	if code := m.cmd.ProcessState.ExitCode(); code != 1 {
		c.t.Errorf("%s ended with status %d; its log ends\n%s", m.name, code, m.logTail())
	}
	lines := strings.Split(strings.TrimSpace(m.logTail()), "\n")
	saysOnce(c.t, lines[len(lines)-1], words...)
	for _, l := range lines[:len(lines)-1] {
		if strings.HasPrefix(l, "etalon: ") && strings.HasPrefix(lines[len(lines)-1], l) {
			c.t.Errorf("%s says it twice", m.name)
		}
	}
}

// logged waits until the member has logged a line with all of words.
func (c *company) logged(m *member, words ...string) {
	c.t.Helper()
	for {
		b, err := os.ReadFile(m.logPath)
		must(c.t, err)
	lines:
		for line := range strings.Lines(string(b)) {
			for _, w := range words {
				if !strings.Contains(line, w) {
					continue lines
				}
			}
			return
		}
		if !pause(c.ctx, 50*time.Millisecond) {
			c.t.Fatalf("%s never logs %q; its log ends\n%s", m.name, words, m.logTail())
		}
	}
}

// saysOnce checks a message for the user.
func saysOnce(t *testing.T, line string, words ...string) {
	t.Helper()
	if !strings.HasPrefix(line, "etalon: ") {
		t.Errorf("it ends without a message: %s", line)
	}
	for _, w := range words {
		if strings.Count(line, w) != 1 {
			t.Errorf("want %q once in: %s", w, line)
		}
	}
}

// refusal runs a command that has to end by itself, and returns its status and what it printed that is no
// log line.
func refusal(t *testing.T, argv ...string) (status int, message string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("%q ended with %v\n%s", argv, err, &out)
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "{") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if exit.ExitCode() == 2 && len(lines) == 2 && strings.HasPrefix(lines[1], "See ") {
		lines = lines[:1]
	}
	if len(lines) != 1 {
		t.Errorf("%q printed %q, want one line", argv[1:], lines)
	}
	return exit.ExitCode(), strings.Join(lines, " ")
}

// alone are flags of a member by itself, which nobody talks to.
func alone(t *testing.T, etalon, dir string, more ...string) []string {
	t.Helper()
	var urls [2]string
	for i := range urls {
		addr, err := freeAddr()
		must(t, err)
		urls[i] = "http://" + addr
	}
	return append([]string{etalon, "serve", "--data-dir", dir, "--listen-client-urls", urls[0], "--advertise-client-urls", urls[0],
		"--listen-peer-urls", urls[1], "--initial-advertise-peer-urls", urls[1]}, more...)
}

// copyDir copies a directory of files.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	must(t, os.RemoveAll(to))
	must(t, os.CopyFS(to, os.DirFS(from)))
}

func (c *company) dataDir(m *member) string { return filepath.Join(c.dir, m.name) }
