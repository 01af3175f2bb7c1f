package faulttest

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// TestBadStarts: what cannot go well ends at once, with one message, and changes nothing.
func TestBadStarts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many processes; the full run has it")
	}
	etalon := build(t)
	t.Run("a data directory of something else is refused, and stays usable", func(t *testing.T) { badDirectories(t, etalon) })
	t.Run("flags that contradict each other", func(t *testing.T) { badFlags(t, etalon) })
	t.Run("strangers at the peer port change nothing", func(t *testing.T) { strangers(t, etalon) })
	t.Run("a member of another cluster is refused", func(t *testing.T) { otherCluster(t, etalon) })
}

// TestBadDisks: a member that lost something stops, and the others go on.
func TestBadDisks(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many processes; the full run has it")
	}
	etalon := build(t)
	t.Run("a disk that fails stops the member", func(t *testing.T) { failingDisk(t, etalon) })
	t.Run("an emptied or old disk is refused until the member is replaced", func(t *testing.T) { lostDisk(t, etalon) })
	t.Run("what one engine cannot store all refuse", func(t *testing.T) { largeValues(t, etalon) })
}

func mixed(etalon string) func(int) []string {
	return func(i int) []string {
		return []string{etalon, "serve", "--engine", []string{"bolt", "pebble", "badger"}[i%3]}
	}
}

func badDirectories(t *testing.T, etalon string) {
	c := gather(t, 1, func(int) []string { return []string{etalon, "serve", "--engine", "bolt"} })
	c.put("kept", "yes")
	m := c.members[0]
	dir := c.dataDir(m)
	want := func(status int, words []string, argv []string) {
		t.Helper()
		got, line := refusal(t, argv...)
		if got != status {
			t.Errorf("%q ended with status %d, want %d", argv[2:], got, status)
		}
		saysOnce(t, line, words...)
	}
	want(1, []string{"in use"}, alone(t, etalon, dir, "--name", m.name, "--engine", "bolt"))
	m.kill()
	want(1, []string{"engine bolt", "pebble"}, alone(t, etalon, dir, "--name", m.name, "--engine", "pebble"))
	want(1, []string{`member "n1"`, `"other"`}, alone(t, etalon, dir, "--name", "other", "--engine", "bolt"))
	theirs := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(theirs, "member", "wal"), 0o700)) // as an etcd has it
	want(1, []string{`"wal"`, "nothing that says whose it is"}, alone(t, etalon, theirs, "--name", m.name))
	must(t, m.start())
	must(t, c.ready(c.ctx))
	if resp, err := c.client.Get(c.ctx, "kept"); err != nil || len(resp.Kvs) != 1 {
		t.Errorf("afterwards: %v, %v", resp, err)
	}
}

func badFlags(t *testing.T, etalon string) {
	dir := filepath.Join(t.TempDir(), "d")
	for _, c := range []struct {
		flags string
		word  string
	}{
		{"--election-timeout 100 --heartbeat-interval 100", "--heartbeat-interval"},
		{"--name a --initial-cluster b=http://127.0.0.1:1", `"a"`},
		{"--initial-cluster default=http://127.0.0.1:1", "--initial-advertise-peer-urls"},
		{"--initial-cluster-state old", "--initial-cluster-state"},
		{"--initial-cluster-state existing", "--initial-cluster"},
		{"--listen-client-urls http://0.0.0.0:0", "--listen-insecure"},
		{"--listen-client-urls https://127.0.0.1:0", "certificate"},
		{"--cert-file nowhere.pem", "key"},
		{"--client-cert-auth", "no trusted CA"},
		{"--engine bold", "bolt"},
		{"--auto-compaction-mode revision --auto-compaction-retention 1h", "--auto-compaction-retention"},
		{"--discovery http://127.0.0.1:1", "--discovery"},
		{"--no-such-flag", "no-such-flag"},
	} {
		t.Run(c.flags, func(t *testing.T) {
			status, line := refusal(t, alone(t, etalon, dir, strings.Fields(c.flags)...)...)
			if status != 2 || !strings.Contains(line, c.word) {
				t.Errorf("status %d: %s", status, line)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("a data directory was made")
			}
		})
	}
}

// strangers connect to the peer port and say what no member says.
func strangers(t *testing.T, etalon string) {
	c := gather(t, 1, func(int) []string { return []string{etalon, "serve", "--engine", "pebble"} })
	garbage := make([]byte, 1<<20)
	_, _ = rand.Read(garbage) // never fails
	long := append([]byte("etpeer"), strings.Repeat("\xff", 1<<16)...)
	for _, said := range [][]byte{nil, []byte("GET /members HTTP/1.1\r\nHost: x\r\n\r\n"), garbage, long, []byte("etpeer\x01\x00")} {
		conn, err := net.Dial("tcp", c.members[0].peer)
		must(t, err)
		_, _ = conn.Write(said) // the other side may hang up at any time
		must(t, conn.Close())
	}
	c.logged(c.members[0], `"level":"WARN"`, "peer refused", "malformed")
	c.put("still", "here")
	must(t, c.died())
}

// otherCluster starts members that agree on their addresses and not on their cluster.
func otherCluster(t *testing.T, etalon string) {
	token := 0
	c, err := newCluster(t.TempDir(), 3, func(i int) []string {
		token++
		return []string{etalon, "serve", "--initial-cluster-token", "t" + strconv.Itoa(max(0, i-1))}
	})
	must(t, err)
	t.Cleanup(c.close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	must(t, c.heal())
	co := &company{cluster: c, t: t, ctx: ctx}
	co.logged(c.members[2], `"level":"WARN"`, "other group")
	cl, err := dial(c.members[0].client, c.members[1].client)
	must(t, err)
	t.Cleanup(func() { cl.Close() })
	co.client = cl
	co.put("two of three", "are enough")
	must(t, c.died())
}

// failingDisk lets every sync of a member fail from some moment on.
func failingDisk(t *testing.T, etalon string) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("no strace, which makes the disk fail")
	}
	c := gather(t, 3, mixed(etalon))
	c.put("before", "1")
	m := c.members[0]
	tracer := exec.Command(strace, "-f", "-o", os.DevNull, "-e", "trace=fdatasync,fsync,msync", "-e", "inject=fdatasync,fsync,msync:error=EIO", "-p", strconv.Itoa(m.cmd.Process.Pid))
	must(t, tracer.Start())
	t.Cleanup(func() {
		_ = tracer.Process.Kill() // it ends with the member
		_ = tracer.Wait()
	})
	for ended := false; !ended; {
		c.put("during", "2")
		select {
		case <-m.exited:
			ended = true
		default:
		}
	}
	c.ends(m, "input/output error")
	c.put("after", "3")
	must(t, m.start())
	must(t, c.ready(c.ctx))
	must(t, agree(c.ctx, c.cluster))
}

// lostDisk takes the disk of a member away, and gives it an old one.
func lostDisk(t *testing.T, etalon string) {
	c := gather(t, 3, mixed(etalon))
	for range 20 {
		c.put("k", "v")
	}
	m := c.members[2]
	for _, way := range []struct {
		name string
		lose func()
		says string
	}{
		{"an emptied disk", func() { must(t, os.RemoveAll(c.dataDir(m))) }, "disk was replaced"},
		{"an old disk", func() {
			old := filepath.Join(c.dir, "old")
			copyDir(t, c.dataDir(m), old)
			must(t, m.start())
			for range 20 {
				c.put("k", "w")
			}
			must(t, c.ready(c.ctx))
			m.kill()
			copyDir(t, old, c.dataDir(m))
		}, "lost acknowledged entries"},
	} {
		m.kill()
		way.lose()
		must(t, m.start())
		c.ends(m, way.says)
		must(t, c.members[0].died())
		must(t, c.members[1].died())
		c.put("without it", way.name)
		must(t, c.replace(c.ctx, m))
		must(t, c.ready(c.ctx))
		must(t, agree(c.ctx, c.cluster))
	}
}

// largeValues writes what badger cannot store and the other engines could.
func largeValues(t *testing.T, etalon string) {
	c := gather(t, 3, mixed(etalon))
	fits, big := strings.Repeat("x", 450<<10), strings.Repeat("x", 700<<10)
	for _, m := range c.members {
		cl, err := dial(m.client)
		must(t, err)
		t.Cleanup(func() { cl.Close() })
		_, err = cl.Put(c.ctx, "big", big)
		if err != rpctypes.ErrRequestTooLarge {
			t.Errorf("%s answers %v", m.name, err)
		}
		_, err = cl.Txn(c.ctx).Then(clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpPut("big", big)}, nil)).Commit()
		if err == nil {
			t.Errorf("%s takes it in a transaction", m.name)
		}
		c.insist("a value that fits", func(ctx context.Context) error {
			_, err := cl.Put(ctx, "fits/"+m.name, fits)
			return err
		})
	}
	must(t, agree(c.ctx, c.cluster))
	must(t, c.died())
}
