package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// hashKV is that of the member at an endpoint.
func hashKV(t *testing.T, r *running, endpoint string) uint32 {
	t.Helper()
	h, err := r.client().HashKV(t.Context(), endpoint, 0)
	if err != nil {
		t.Fatal(err)
	}
	return h.Hash
}

func TestASnapshotOfOneEngineIsRestoredIntoAllOthers(t *testing.T) {
	dir := t.TempDir()
	r := startCluster(t, "--engine", "bolt,pebble,badger")
	c := r.client()
	for i := range 50 {
		if _, err := c.Put(t.Context(), "key"+strconv.Itoa(i%20), strings.Repeat("v", i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Delete(t.Context(), "key7"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "snapshot.db")
	endpoint := r.found("ENDPOINTS=(.*)")[0]
	if status, _, errs := command(t, "snapshot", "save", file, "--endpoints", endpoint); status != exitUsage || !strings.Contains(errs, "one selected node") {
		t.Errorf("of three members at once: %d, %s", status, errs)
	}
	endpoint, _, _ = strings.Cut(endpoint, ",")
	if status, _, errs := command(t, "snapshot", "save", file, "--endpoints", "http://"+endpoint); status != exitOK {
		t.Fatal(errs)
	}
	want := hashKV(t, r, endpoint)
	if status, _, errs := command(t, "snapshot", "save", "/dev/full", "--endpoints", endpoint); status != exitFailed || !strings.Contains(errs, "no space left") {
		t.Errorf("a full disk: %d, %s", status, errs)
	}
	r.stop(exitOK)

	status, out, errs := command(t, "snapshot", "status", file, "-w", "json")
	var got snapshotStatus
	if err := json.Unmarshal([]byte(out), &got); err != nil || status != exitOK {
		t.Fatal(status, errs, err)
	}
	if got.Hash != want || got.Revision != 52 || got.TotalKey != 19 || got.Version != "3.7.0" {
		t.Errorf("status %+v, want hash %d, revision 52, 19 keys", got, want)
	}

	// A cluster of three engines, out of the file of one: layout first, then a restore for each member.
	cluster := filepath.Join(dir, "cluster")
	o := &clusterOptions{nodes: 3, engines: []string{"pebble", "badger", "bolt"}, indexes: []string{"packed"}, logs: []string{"wal"}, policy: defaultPolicy, given: func(string) bool { return false }}
	l, err := o.layout(cluster)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.store(cluster); err != nil {
		t.Fatal(err)
	}
	for _, m := range l.Members {
		args := []string{"snapshot", "restore", file}
		for _, f := range l.flags(m, cluster) {
			for _, name := range []string{"name", "data-dir", "engine", "initial-cluster", "initial-advertise-peer-urls"} {
				if strings.HasPrefix(f, "--"+name+"=") {
					args = append(args, f)
				}
			}
		}
		if status, _, errs := command(t, args...); status != exitOK {
			t.Fatal(m.Name, errs)
		}
	}
	r = startCluster(t, "--dir", cluster)
	for _, m := range l.Members {
		if h := hashKV(t, r, m.Client); h != want {
			t.Errorf("%s on %s has hash %d, want %d", m.Name, m.Engine, h, want)
		}
	}
	if _, err := r.client().Put(t.Context(), "after", "all"); err != nil {
		t.Error(err)
	}
	r.stop(exitOK)
}

func TestWrongWordsToSnapshots(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"sav"}, exitUsage, `did you mean "save"?`},
		{[]string{"save"}, exitUsage, "needs the file of a snapshot"},
		{[]string{"save", "a", "b"}, exitUsage, "got 2 arguments"},
		{[]string{"save", dir}, exitUsage, "is a directory"},
		{[]string{"save", filepath.Join(dir, "missing", "x"), "--endpoints", "127.0.0.1:1"}, exitFailed, "no such file or directory"},
		{[]string{"save", filepath.Join(dir, "x"), "--endpoints", "127.0.0.1:1", "--dial-timeout", "10ms"}, exitFailed, "no answer within 10ms"},
		{[]string{"save", filepath.Join(dir, "x"), "--endpoints", "ftp://h:1"}, exitUsage, "accepted: HOST:PORT"},
		{[]string{"save", filepath.Join(dir, "x"), "--endpoints", "http://h:1", "--cacert", junk}, exitUsage, "is without TLS"},
		{[]string{"save", filepath.Join(dir, "x"), "--cacert", junk}, exitUsage, "has no certificate"},
		{[]string{"save", filepath.Join(dir, "x"), "--endpoints", "https://h:1", "--cert", junk}, exitUsage, "go together"},
		{[]string{"status", filepath.Join(dir, "missing")}, exitFailed, "no such file"},
		{[]string{"status", junk}, exitFailed, "no multiple of 512"},
		{[]string{"status", dir}, exitFailed, "no regular file"},
		{[]string{"status", junk, "-w", "tabel"}, exitUsage, `did you mean "table"?`},
		{[]string{"restore", junk, "--data-dir", filepath.Join(dir, "d")}, exitFailed, "no multiple of 512"},
		{[]string{"restore", junk, "--skip-hash-check", "--data-dir", filepath.Join(dir, "d")}, exitFailed, "no multiple of 512"},
		{[]string{"restore", junk, "--engine", "mem"}, exitUsage, "mem keeps nothing"},
		{[]string{"restore", junk, "--engine", "peble"}, exitUsage, `did you mean "pebble"?`},
		{[]string{"restore", junk, "--bump-revision", "5"}, exitUsage, "needs --mark-compacted"},
		{[]string{"restore", junk, "--mark-compacted"}, exitUsage, "only with --bump-revision"},
		{[]string{"restore", junk, "--name", "x"}, exitUsage, "--initial-cluster is needed"},
		{[]string{"restore", junk, "--name", "x", "--initial-cluster", "y=http://h:1"}, exitUsage, `couldn't find local name "x"`},
		{[]string{"restore", junk, "--initial-cluster", "default=http://h:1"}, exitUsage, "missing from --initial-advertise-peer-urls"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			t.Chdir(t.TempDir())
			status, _, errs := command(t, append([]string{"snapshot"}, c.args...)...)
			if status != c.status || !strings.Contains(errs, c.want) {
				t.Errorf("status %d, %q; want %d and %q", status, errs, c.status, c.want)
			}
		})
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("left behind: %v", list)
	}
}
