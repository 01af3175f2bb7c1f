package faulttest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
)

const (
	clients      = 9
	leaseHolders = 3
	// defaultSeconds is how long each cluster is under faults.
	defaultSeconds = 12
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

// casts are the clusters that have to survive. The i-th member has the i-th engine, and so on in turn.
var casts = []struct {
	name    string
	members int
	engines []string
}{
	{"mixed", 3, []string{"bolt", "pebble", "badger"}},
	{"bolt", 3, []string{"bolt"}},
	{"pebble", 3, []string{"pebble"}},
	{"badger", 3, []string{"badger"}},
	{"mem", 3, []string{"mem"}}, // the state is made of the log again at each start
	{"alone", 1, []string{"bolt"}},
	{"five", 5, []string{"pebble", "bolt", "badger", "pebble", "mem"}},
}

func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("runs for minutes; the full run has it")
	}
	seed := setting(t, "FAULTTEST_SEED", uint64(time.Now().UnixNano()))
	length := time.Duration(setting(t, "FAULTTEST_SECONDS", defaultSeconds)) * time.Second
	if etcd := os.Getenv("FAULTTEST_ETCD"); etcd != "" {
		t.Run("etcd", func(t *testing.T) {
			t.Logf("FAULTTEST_SEED=%d", seed)
			mustSurvive(t, seed, length, 3, func(int) []string { return []string{etcd, "--log-level", "error"} })
		})
		return
	}
	etalon := build(t)
	until := time.Now().Add(time.Duration(setting(t, "FAULTTEST_SOAK", 0)) * time.Second)
	for round := uint64(0); round == 0 || time.Now().Before(until); round++ {
		for i, c := range casts {
			t.Run(c.name, func(t *testing.T) {
				t.Logf("FAULTTEST_SEED=%d", seed+round)
				// Each has faults of its own, so that together they have all.
				mustSurvive(t, (seed+round)<<8+uint64(i), length, c.members, func(i int) []string {
					return []string{etalon, "serve", "--engine", c.engines[i%len(c.engines)]}
				})
			})
		}
	}
}

// mustSurvive is survive, with the trial's figures in the test's log.
func mustSurvive(t *testing.T, seed uint64, length time.Duration, members int, argv func(int) []string) {
	r := &trial{dir: t.TempDir(), members: members, argv: argv, trace: t.Logf}
	err := r.survive(seed, length)
	t.Log(r.String())
	if err != nil {
		t.Fatalf("%v\nthe members' logs end\n%s", err, r.logs())
	}
}

// trial is one run.
type trial struct {
	dir     string
	members int
	argv    func(member int) []string
	trace   func(format string, args ...any)

	c         *cluster
	w         *workload
	watchers  []*watcher
	nemesis   *nemesis
	leases    atomic.Int64
	revisions int
	installed int
}

// String says what happened.
func (r *trial) String() string {
	if r.w == nil {
		return "nothing happened"
	}
	return fmt.Sprintf("%d operations, %d of them without answer; %d revisions seen by %d watches; %d leases ended on time; %d snapshots installed; faults %v",
		len(r.w.ops), r.unknown(), r.revisions, len(r.watchers), r.leases.Load(), r.installed, r.nemesis.done)
}

// survive runs a cluster under faults for length, then lets it recover and checks everything.
func (r *trial) survive(seed uint64, length time.Duration) (err error) {
	if r.c, err = newCluster(r.dir, r.members, r.argv); err != nil {
		return err
	}
	defer r.c.close()
	ctx, cancel := context.WithTimeout(context.Background(), length+4*time.Minute)
	defer cancel()
	if err := r.c.heal(); err != nil { // starts them
		return err
	}
	if err := r.c.ready(ctx); err != nil {
		return err
	}
	r.w = &workload{c: r.c, start: time.Now()}
	r.nemesis = &nemesis{c: r.c, r: rand.New(rand.NewPCG(seed, 0xfa01)), done: map[string]int{}, trace: r.trace}
	err = r.faults(ctx, seed, length)
	r.installed = strings.Count(r.wholeLogs(), "installing a snapshot")
	if err != nil {
		return err
	}
	h, err := newHistory(r.watchers)
	if err != nil {
		return err
	}
	r.revisions = len(h.events)
	if err := h.check(r.w.ops); err != nil {
		return err
	}
	if err := h.linearizable(r.w.ops, r.w.now()); err != nil {
		return err
	}
	if err := leasesEnd(ctx, r.c); err != nil {
		return err
	}
	return agree(ctx, r.c)
}

// faults lets clients work while the nemesis does, then lets the watches catch up.
func (r *trial) faults(ctx context.Context, seed uint64, length time.Duration) error {
	working, stop := context.WithTimeout(ctx, length)
	defer stop()
	var target atomic.Int64 // what watches have to reach
	var watching errgroup.Group
	watch, watchEnd := context.WithCancel(ctx)
	defer watchEnd()
	for i, m := range r.c.members {
		v := &watcher{member: i}
		r.watchers = append(r.watchers, v)
		watching.Go(func() error { return v.run(watch, m.client, target.Load) })
	}
	group, working := errgroup.WithContext(working)
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
	if err := group.Wait(); err != nil {
		return err
	}
	if err := r.c.ready(ctx); err != nil {
		return err
	}
	rev, err := lastWrite(ctx, r.c)
	if err != nil {
		return err
	}
	target.Store(rev)
	watchEnd()
	done := make(chan error, 1)
	go func() { done <- watching.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Minute):
		var seen []int64
		for _, w := range r.watchers {
			seen = append(seen, w.seen.Load())
		}
		return fmt.Errorf("watches were told revisions %v, and no more in a minute; the last is %d", seen, rev)
	}
}

func (r *trial) logs() string {
	if r.c == nil {
		return ""
	}
	var all string
	for _, m := range r.c.members {
		all += "--- " + m.name + "\n" + m.logTail() + "\n"
	}
	return all
}

// wholeLogs is everything that the members printed.
func (r *trial) wholeLogs() string {
	var all strings.Builder
	for _, m := range r.c.members {
		b, err := os.ReadFile(m.logPath)
		if err == nil {
			all.Write(b)
		}
	}
	return all.String()
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
		if errors.Is(err, rpctypes.ErrCorrupt) || !pause(ctx, 100*time.Millisecond) {
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
	hashes := make([]*clientv3.HashKVResponse, len(c.members))
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
