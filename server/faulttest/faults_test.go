package faulttest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
)

const (
	clients      = 9
	leaseHolders = 3
	members      = 3
	// defaultSeconds is how long each cluster is under faults.
	defaultSeconds = 15
)

func setting(t *testing.T, name string, zero uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return zero
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s is %q, want a whole number", name, s)
	}
	return n
}

func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("runs for minutes; the full run has it")
	}
	seed := setting(t, "FAULTTEST_SEED", uint64(time.Now().UnixNano()))
	length := time.Duration(setting(t, "FAULTTEST_SECONDS", defaultSeconds)) * time.Second
	if etcd := os.Getenv("FAULTTEST_ETCD"); etcd != "" {
		t.Run("etcd", func(t *testing.T) {
			survive(t, seed, length, func(int) []string { return []string{etcd, "--log-level", "error"} })
		})
		return
	}
	etalon := build(t)
	for _, engines := range [][]string{{"bolt"}, {"pebble"}, {"badger"}, {"bolt", "pebble", "badger"}} {
		name := engines[0]
		if len(engines) > 1 {
			name = "mixed"
		}
		t.Run(name, func(t *testing.T) {
			survive(t, seed, length, func(i int) []string {
				return []string{etalon, "serve", "--engine", engines[i%len(engines)]}
			})
		})
	}
}

// build compiles the command.
func build(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "etalon")
	cmd := exec.Command("go", "build", "-o", out, "./cmd/etalon")
	cmd.Dir = "../.."
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building etalon: %v\n%s", err, b)
	}
	return out
}

// survive runs a cluster under faults for length, then lets it recover and checks everything.
func survive(t *testing.T, seed uint64, length time.Duration, argv func(int) []string) {
	t.Logf("FAULTTEST_SEED=%d", seed)
	c, err := newCluster(t.TempDir(), members, argv)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(context.Background(), length+4*time.Minute)
	defer cancel()
	if err := c.heal(); err != nil { // starts them
		t.Fatal(err)
	}
	if err := c.ready(ctx); err != nil {
		t.Fatal(err)
	}
	run := &trial{t: t, c: c, w: &workload{c: c, start: time.Now()}}
	run.faults(ctx, seed, length)
	h, err := newHistory(run.watchers)
	if err == nil {
		err = h.check(run.w.ops)
	}
	if err == nil {
		err = h.linearizable(run.w.ops, run.w.now())
	}
	if err == nil {
		err = leasesEnd(ctx, c)
	}
	if err == nil {
		err = agree(ctx, c)
	}
	if err != nil {
		t.Fatalf("%v\nthe members' logs end\n%s", err, run.logs())
	}
	t.Logf("%d operations, %d of them without answer; %d revisions seen by %d watches; %d leases ended on time; faults %v",
		len(run.w.ops), run.unknown(), len(h.events), len(run.watchers), run.leases.Load(), run.nemesis.done)
}

// trial is one run.
type trial struct {
	t        *testing.T
	c        *cluster
	w        *workload
	watchers []*watcher
	nemesis  *nemesis
	leases   atomic.Int64
}

// faults lets clients work while the nemesis does, then lets the watches catch up.
func (r *trial) faults(ctx context.Context, seed uint64, length time.Duration) {
	r.nemesis = &nemesis{c: r.c, r: rand.New(rand.NewPCG(seed, 0xfa01)), done: map[string]int{}, trace: r.t.Logf}
	working, stop := context.WithTimeout(ctx, length)
	defer stop()
	var target atomic.Int64 // what watches have to reach
	var watching, group errgroup.Group
	watch, watchEnd := context.WithCancel(ctx)
	defer watchEnd()
	for i, m := range r.c.members {
		v := &watcher{member: i}
		r.watchers = append(r.watchers, v)
		watching.Go(func() error { return v.run(watch, m.client, target.Load) })
	}
	for i := range clients {
		group.Go(func() error { return r.w.run(working, i, seed) })
	}
	for i := range leaseHolders {
		group.Go(func() error {
			n, err := leaseHolder(working, r.c, i, seed)
			r.leases.Add(int64(n))
			return err
		})
	}
	group.Go(func() error { return r.w.compactor(working, r.slowest) })
	group.Go(func() error { return r.nemesis.run(working) })
	r.must(group.Wait())
	r.must(r.c.ready(ctx))
	rev, err := lastWrite(ctx, r.c)
	r.must(err)
	target.Store(rev)
	watchEnd()
	done := make(chan error, 1)
	go func() { done <- watching.Wait() }()
	select {
	case err := <-done:
		r.must(err)
	case <-time.After(time.Minute):
		r.t.Fatalf("watches were told revisions %d, %d, %d, and no more in a minute; the last is %d\n%s",
			r.watchers[0].seen.Load(), r.watchers[1].seen.Load(), r.watchers[2].seen.Load(), rev, r.logs())
	}
}

func (r *trial) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("%v\nthe members' logs end\n%s", err, r.logs())
	}
}

func (r *trial) logs() string {
	var all string
	for _, m := range r.c.members {
		all += "--- " + m.name + "\n" + m.logTail() + "\n"
	}
	return all
}

// slowest is the revision that every watch has seen.
func (r *trial) slowest() int64 {
	rev := r.watchers[0].seen.Load()
	for _, w := range r.watchers[1:] {
		rev = min(rev, w.seen.Load())
	}
	return rev
}

func (r *trial) unknown() (n int) {
	for _, o := range r.w.ops {
		if o.unknown {
			n++
		}
	}
	return n
}

// lastWrite writes a key that all watches are told of, and returns its revision.
func lastWrite(ctx context.Context, c *cluster) (int64, error) {
	cl, err := dial(c.endpoints()...)
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	for {
		one, cancel := context.WithTimeout(ctx, opTimeout)
		resp, err := cl.Put(one, "key/last", "")
		cancel()
		if err == nil {
			return resp.Header.Revision, nil
		}
		if !pause(ctx, 100*time.Millisecond) {
			return 0, fmt.Errorf("no write after the faults: %w", err)
		}
	}
}

// agree demands equal hashes at one revision from all members, and no alarm.
func agree(ctx context.Context, c *cluster) error {
	rev, err := lastWrite(ctx, c)
	if err != nil {
		return err
	}
	if err := c.ready(ctx); err != nil { // everybody has it
		return err
	}
	var hashes [members]*clientv3.HashKVResponse
	var mu sync.Mutex
	var g errgroup.Group
	for i, m := range c.members {
		g.Go(func() error {
			cl, err := dial(m.client)
			if err != nil {
				return err
			}
			defer cl.Close()
			h, err := cl.HashKV(ctx, m.client, rev)
			if err != nil {
				return fmt.Errorf("hash of %s: %w", m.name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			hashes[i] = h
			alarms, err := cl.AlarmList(ctx)
			if err == nil && len(alarms.Alarms) > 0 {
				err = fmt.Errorf("alarms at %s: %v", m.name, alarms.Alarms)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, h := range hashes {
		if h.Hash != hashes[0].Hash || h.CompactRevision != hashes[0].CompactRevision {
			return fmt.Errorf("members differ at revision %d: n1 has hash %08x (compacted %d), n%d %08x (compacted %d)",
				rev, hashes[0].Hash, hashes[0].CompactRevision, i+1, h.Hash, h.CompactRevision)
		}
	}
	return nil
}
